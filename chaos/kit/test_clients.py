"""A client sends again what cannot be done twice, and nothing else; whatever it sends is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from chaos.kit import clients
from chaos.kit.clients import Client, Reply, Request, Roles
from chaos.kit.history import History, Outcome
from chaos.kit.simulated.clients import Handlers
from chaos.kit.simulated.loop import State
from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY, IF_MATCH
from system.kit.values import dumps

DONE = Reply(201)
REFUSED = Reply(422)
NOBODY = Reply(was_sent=False, reason="nobody listens")
LOST = Reply(reason="the connection broke")


def problem(status: int, name: str) -> Reply:
    return Reply(status, dumps({"type": f"/problems/{name}"}))


AWAY, UNKNOWN = problem(503, "unavailable"), problem(503, "outcome-unknown")
IN_PROGRESS = problem(409, "request-in-progress")
KEY = "key-7"
TRIES = 3


class Says:
    """A transport that answers so, and the last to all that come after."""

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[Request] = []
        self._replies = list(replies)

    async def send(self, request: Request, patience_s: float) -> Reply:
        self.requests.append(request)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def client(transport: clients.Transport, may_write: asyncio.Event | None = None) -> Client:
    roles = Roles("reader", lambda path: f"writer of {path}")
    return Client(
        "one", roles, transport, History(), Random(1), lambda _: iter([0.0] * TRIES), may_write
    )


@pytest.mark.parametrize(
    ("reply", "key", "times"),
    [
        (DONE, None, 1),
        (DONE, KEY, 1),
        (REFUSED, None, 1),
        (REFUSED, KEY, 1),
        (LOST, None, 1),
        (UNKNOWN, None, 1),
        (Reply(500), None, 1),
        (IN_PROGRESS, None, 1 + TRIES),
        (NOBODY, None, 1 + TRIES),
        (AWAY, None, 1 + TRIES),
        (LOST, KEY, 1 + TRIES),
        (UNKNOWN, KEY, 1 + TRIES),
        (Reply(500), KEY, 1 + TRIES),
        (IN_PROGRESS, KEY, 1 + TRIES),
        (problem(409, "version-conflict"), KEY, 1),
    ],
)
async def test_a_write_is_sent_again_only_where_it_cannot_be_done_twice(
    reply: Reply, key: str | None, times: int
) -> None:
    says = Says(reply)

    await client(says).write("POST", "/things", {}, key=key)

    assert len(says.requests) == times
    assert len({str(request) for request in says.requests}) == 1


async def test_it_is_sent_again_until_it_is_done() -> None:
    says = Says(NOBODY, AWAY, DONE)

    op = await client(says).write("POST", "/things", {})

    assert op.outcome is Outcome.OK
    assert len(says.requests) == 3


@pytest.mark.parametrize(
    ("method", "reply", "outcome"),
    [
        ("POST", DONE, Outcome.OK),
        ("POST", REFUSED, Outcome.FAIL),
        ("POST", AWAY, Outcome.FAIL),
        ("POST", NOBODY, Outcome.FAIL),
        ("POST", LOST, Outcome.INFO),
        ("POST", UNKNOWN, Outcome.INFO),
        ("POST", Reply(500), Outcome.INFO),
        ("POST", Reply(502, b"<html>"), Outcome.INFO),
        ("GET", Reply(200), Outcome.OK),
        ("GET", Reply(404), Outcome.FAIL),
        ("GET", LOST, Outcome.FAIL),
        ("GET", Reply(500), Outcome.FAIL),
    ],
)
async def test_what_became_of_a_request(method: str, reply: Reply, outcome: Outcome) -> None:
    op = await client(Says(reply)).ask("writer", method, "/things")

    assert (op.outcome, op.status, op.answer) == (outcome, reply.status, reply.answer)
    assert (op.headers, op.reason) == (reply.headers, reply.reason)


async def test_what_was_written_last_is_what_a_reader_asks_to_see() -> None:
    says = Says(
        *(Reply(200, headers={CONSISTENCY_TOKEN: token}) for token in ("first", "second")),
        Reply(422, headers={CONSISTENCY_TOKEN: "of a refusal"}),
        DONE,
    )
    one = client(says)
    for _ in range(4):
        await one.write("PUT", "/things/7", {}, if_match="v1", key=KEY)

    await one.see("/things/7")
    await one.read("/things/7")
    await one.look("/things/7")

    assert [request.role for request in says.requests] == [
        *["writer of /things/7"] * 4,
        "reader",
        "reader",
        "writer of /things/7",
    ]
    wrote, saw, read, looked = (dict(request.headers) for request in says.requests[3:])
    assert wrote == {"Content-Type": "application/json", IDEMPOTENCY_KEY: KEY, IF_MATCH: "v1"}
    assert saw == {CONSISTENCY_TOKEN: "second"}
    assert read == looked == {}


async def test_while_it_may_not_write_it_writes_nothing_and_reads_on() -> None:
    says, may_write = Says(DONE), asyncio.Event()
    one = client(says, may_write)
    writing = asyncio.create_task(one.write("POST", "/things", {}))
    await asyncio.sleep(0)  # it begins

    await one.read("/things")
    assert [request.method for request in says.requests] == ["GET"]
    assert not writing.done()

    may_write.set()
    await writing
    assert [request.method for request in says.requests] == ["GET", "POST"]


async def test_operations_are_asked_until_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "OPERATE_AGAIN_S", 0.0)
    says = Says(NOBODY, LOST, Reply(500), AWAY, REFUSED)

    op = await client(says).operate("writer", "POST", "/rebuild")

    assert op.status == REFUSED.status
    assert len(says.requests) == 5


class Silent:
    async def send(self, request: Request, patience_s: float) -> Reply:
        await asyncio.Event().wait()
        return DONE


@pytest.mark.parametrize(("method", "outcome"), [("POST", Outcome.INFO), ("GET", Outcome.FAIL)])
async def test_what_is_under_way_when_the_run_ends_is_recorded(
    method: str, outcome: Outcome
) -> None:
    history = History()
    one = Client("one", Roles("", str), Silent(), history, Random(1), lambda _: iter(()))
    asking = asyncio.create_task(one.ask("writer", method, "/things"))
    await asyncio.sleep(0)

    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()
    assert [(op.outcome, op.reason) for op in history.ops] == [(outcome, "the run ended")]


# --- the simulated transport ----------------------------------------------------------------------


async def answer(_: web.Request) -> web.Response:
    return web.Response(status=201, body=b"made", headers={"Location": "/things/7"})


async def say_nothing(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody lets it go on")


def simulated(
    handler: Callable[[web.Request], Any], state: State = State.RUNNING, *, dies: bool = False
) -> Handlers:
    """One process that serves one role, and is so."""
    died = asyncio.get_running_loop().create_future()
    if dies:
        died.set_result(None)
    process = SimpleNamespace(
        incarnation=SimpleNamespace(state=state, task=asyncio.ensure_future, died=died),
        handlers={"writer": handler},
    )
    cluster: Any = SimpleNamespace(process_of=lambda _: process)
    return Handlers(cluster, Random(1))


PATIENCE_S = 0.01


@pytest.mark.parametrize(
    ("made", "role", "outcome"),
    [
        (lambda: simulated(answer), "writer", Outcome.OK),
        (lambda: simulated(answer, State.DEAD), "writer", Outcome.FAIL),
        (lambda: simulated(answer), "another", Outcome.FAIL),
        (lambda: simulated(say_nothing, dies=True), "writer", Outcome.INFO),
        (lambda: simulated(say_nothing), "writer", Outcome.INFO),
        (lambda: simulated(say_nothing, State.PAUSED), "writer", Outcome.INFO),
    ],
    ids=[
        "it answers",
        "it was dead before",
        "it does not serve that role",
        "it dies with the request in hand",
        "it takes too long",
        "it stands still",
    ],
)
async def test_a_simulated_process_refuses_only_where_it_cannot_have_seen_the_request(
    made: Callable[[], Handlers], role: str, outcome: Outcome
) -> None:
    op = await client(made()).ask(role, "POST", "/things", {}, patience_s=PATIENCE_S)

    assert op.outcome is outcome
    assert op.answer == (b"made" if outcome is Outcome.OK else b"")
