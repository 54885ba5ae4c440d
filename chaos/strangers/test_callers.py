"""Callers record what was sent: an adapter reads answers, and never says what none was."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from chaos.kit.blackbox import (
    Answer,
    Client,
    Command,
    Event,
    Meant,
    Record,
    Request,
    Sight,
    States,
    Stranger,
    Workload,
)
from chaos.strangers.adapters import BadAdapter
from chaos.strangers.callers import Caller, CannotBegin, Shared

DONE = Answer("answered", 201)
REFUSED = Answer("refused", error="nobody listens")
SENT = Answer("sent", error="timed out")


class Echo(Client):
    def request(self, command: Command) -> Request | None:
        if command.do in ("view", "join"):
            return None
        return Request("api", "POST", f"/{command.do}")

    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant.by_status(answer, about="1")


class Bad(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        raise KeyError("data")


class Mine(Stranger):
    name = "mine"
    needs = ()
    processes = ()
    states = States({}, (), ())
    sees = ~Sight(0)
    workload = Workload(accounts=2)
    makes: type[Client] = Echo

    def client(self, number: int) -> Client:
        return self.makes()

    def events(self, record: Record) -> Iterable[Event]:
        return ()


class Says:
    """A sender that says so, and the last to all that come after."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def caller(sender: Says, makes: type[Client] = Echo, **more: Any) -> tuple[Caller, Shared]:
    stranger = Mine()
    stranger.makes = makes
    shared = Shared(stranger, sender, **more)
    return Caller(1, shared, Random(1)), shared


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        (Command("place"), DONE, "ok"),
        (Command("place"), REFUSED, "fail"),
        (Command("place"), SENT, "info"),
        (Command("place"), Answer("answered", 409), "fail"),
        (Command("place"), Answer("answered", 500), "info"),
        (Command("read", "1"), REFUSED, "info"),
        (Command("read", "1"), SENT, "info"),
        (Command("read", "1"), Answer("answered", 404), "fail"),
    ],
)
async def test_what_an_answer_means(command: Command, answer: Answer, outcome: str) -> None:
    one, shared = caller(Says(answer))

    op = await one.ask(command)

    assert op is not None
    assert op.meant.outcome == outcome
    assert shared.ops == [op]


async def test_a_command_that_the_system_does_not_have_is_not_recorded() -> None:
    one, shared = caller(Says(DONE))

    assert await one.ask(Command("view", "1")) is None
    assert shared.ops == []


async def test_an_adapter_that_cannot_read_an_answer_is_told_which() -> None:
    one, _ = caller(Says(Answer("answered", 200, b"<html>")), Bad)

    with pytest.raises(BadAdapter, match=r"meaning\(place\) raised KeyError.*200 b'<html>'"):
        await one.ask(Command("place"))


async def test_accounts_are_opened_before_anything_else_and_the_first_is_scarce() -> None:
    one, shared = caller(Says(DONE))

    await one.begin()
    await one.open_accounts()

    assert [str(op.request) for op in shared.ops] == ["POST /open of api"] * 2
    assert shared.opened == {"1": Workload().amount}  # both answers gave one id
    assert shared.ops[0].command.amount == Workload().scarce


async def test_a_system_that_refuses_to_begin_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.strangers.callers.SETUP_S", -1.0)
    one, _ = caller(Says(Answer("answered", 404, b"no such path")))

    with pytest.raises(CannotBegin, match="POST /open of api: 404 b'no such path'"):
        await one.open_accounts()


async def test_a_key_is_sent_twice_with_the_same_command() -> None:
    sender = Says(DONE)
    one, shared = caller(sender, opened={"1": 5, "2": 5})
    for _ in range(40):
        await one.make("place")

    keys = [op.command.key for op in shared.ops]
    assert len(set(keys)) == 40
    assert 40 < len(keys) < 80


async def test_what_nobody_knows_the_outcome_of_is_never_touched_again() -> None:
    sender = Says(DONE, SENT)
    one, shared = caller(sender, opened={"1": 5, "2": 5})
    await one.make("place")
    while len(shared.ops) < 2:
        await one.do("cancel")
    before = len(sender.requests)

    await one.do("cancel")
    await one.do("read")

    assert len(sender.requests) == before
