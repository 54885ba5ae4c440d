"""Requests that wait while a transaction is in flight share the next one; none harms its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from chaos.kit.points import Hop, Point, faulty_work
from scenarios.delivery.bench import CAUSE, Bench, bench, in_virtual_time
from scenarios.harness.fault_rules import FaultRule, Switchboard
from system.kit import locks
from system.kit.chains import command_chain
from system.kit.commands import idempotency
from system.kit.commands.batch import MEMBERS_MAX, PATIENCE_S, SETTLE_S
from system.kit.commands.group_commit import KEY_WAIT_S, QUEUE_MAX, Commands
from system.kit.errors import (
    CONFLICTS_MAX,
    Conflict,
    DomainError,
    OutcomeUnknown,
    Refused,
    TimedOut,
    Unavailable,
)
from system.kit.http.route import Answer, Request
from system.kit.ports.work import UnitOfWork
from system.orders.model import TransitionForbidden
from system.users.store import users

BAD = 3
KEYS = locks.shared(idempotency.commands, idempotency.commands.c.id)


class NotAllowed(TransitionForbidden):
    """The facts do not allow this."""


@dataclass
class Desk:
    """Acts on requests for users by number: inserts one per request, in the real write model."""

    error: Exception | None = None
    """What the bad one does to its whole transaction."""
    refusal: DomainError | None = None
    """Or how it alone is refused."""
    transactions: list[int] = field(default_factory=list)

    async def act(
        self, requests: Sequence[Request], unit: UnitOfWork
    ) -> Sequence[Answer | DomainError]:
        self.transactions.append(len(requests))
        outcomes: list[Answer | DomainError] = []
        for request in requests:
            is_bad = request.id == BAD
            if is_bad and self.refusal:
                outcomes.append(self.refusal)
                continue
            await unit.insert(users, [_row(request, unit)])
            outcomes.append(Answer(201, str(request.id).encode()))
        if self.error and any(request.id == BAD for request in requests):
            raise self.error
        return outcomes


def _row(request: Request, unit: UnitOfWork) -> dict[str, Any]:
    at = unit.now.at
    email = f"{request.id}-{request.raw_body.decode()}@example.com"
    return {"name": "Ada", "email": email, "version": 1, "created_at": at, "updated_at": at}


def request(number: int, *, key: str | None = None, body: bytes = b"{}") -> Request:
    return Request(CAUSE, number, path="/users", raw_body=body, idempotency_key=key)


async def ask_all(run: Any, *requests: Request) -> list[Any]:
    results: list[Any] = await asyncio.gather(*map(run, requests), return_exceptions=True)
    return results


async def made(it: Bench) -> int:
    async with it.parts.work() as unit:
        return len((await unit.sql.execute(users.select())).all())


async def one_ahead(run: Any, faults: Switchboard) -> tuple[FaultRule, asyncio.Task[Any]]:
    """One whose transaction waits for its COMMIT: what comes meanwhile waits in line."""
    held = faults.hold("sql.commit")
    ahead = asyncio.create_task(_run(run, request(0)))
    await held.reached()
    return held, ahead


def commands(it: Bench, faults: Switchboard | None = None) -> Commands:
    work = faulty_work(it.parts.work, faults or Switchboard(), "api")
    return Commands(work, command_chain(work, it.parts.world))


@in_virtual_time
async def test_those_that_come_together_share_and_each_gets_its_own_answer() -> None:
    desk = Desk()
    async with bench() as it:
        run = commands(it).shared(desk.act)
        answers = await ask_all(run, *(request(number) for number in range(MEMBERS_MAX + 20)))
        assert [answer.body for answer in answers] == [
            str(number).encode() for number in range(MEMBERS_MAX + 20)
        ]
        assert sum(desk.transactions) == await made(it) == MEMBERS_MAX + 20
        assert max(desk.transactions) == MEMBERS_MAX


@in_virtual_time
async def test_one_that_is_refused_is_refused_alone() -> None:
    desk = Desk(refusal=NotAllowed("no"))
    async with bench() as it:
        answers = await ask_all(commands(it).shared(desk.act), *map(request, range(10)))
        assert [isinstance(answer, NotAllowed) for answer in answers] == [
            number == BAD for number in range(10)
        ]
        assert await made(it) == 9
        assert len(desk.transactions) <= 2


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("too large")])
def test_one_that_breaks_its_transaction_takes_no_other_along(error: Exception) -> None:
    @in_virtual_time
    async def alone() -> None:
        desk = Desk(error=error)
        async with bench() as it:
            answers = await ask_all(commands(it).shared(desk.act), *map(request, range(10)))
            assert [answer is error for answer in answers] == [
                number == BAD for number in range(10)
            ]
            assert await made(it) == 9

    alone()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_when_the_answer_to_commit_is_lost_each_is_done_once(times: int) -> None:
    @in_virtual_time
    async def once() -> None:
        desk, faults = Desk(), Switchboard()
        async with bench() as it:
            run = commands(it, faults).shared(desk.act)
            faults.fail("sql.commit", hop=Hop.REPLY, times=times)
            answers = await ask_all(
                run, *(request(number, key=str(number)) for number in range(10))
            )
            assert [answer.status for answer in answers] == [201] * 10
            assert await made(it) == 10

    once()


class LostForGood(Switchboard):
    """Loses the answer to the first COMMIT, and is away from then on."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = False

    async def at(self, point: Point) -> None:
        self._lost = self._lost or (point.call, point.hop) == ("sql.commit", Hop.REPLY)
        if self._lost:
            raise Unavailable("away")


@in_virtual_time
async def test_when_it_cannot_be_learned_in_time_the_outcome_is_unknown() -> None:
    desk = Desk()
    async with bench() as it:
        run = commands(it, LostForGood()).each(partial(_act_on_one, desk))
        with pytest.raises(OutcomeUnknown):
            await run(request(1))
        assert asyncio.get_running_loop().time() == PATIENCE_S + SETTLE_S
        assert await made(it) == 1


async def _act_on_one(desk: Desk, asked: Request, unit: UnitOfWork) -> Answer:
    (answer,) = await desk.act([asked], unit)
    assert isinstance(answer, Answer)
    return answer


async def _run(run: Any, asked: Request) -> Any:
    return await run(asked)


@in_virtual_time
async def test_a_store_that_is_away_refuses_and_changes_nothing() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        with faults.outage("sql"):
            answers = await ask_all(run, *map(request, range(10)))
        assert {type(answer) for answer in answers} == {Unavailable}
        assert await made(it) == 0
        assert (await run(request(1))).status == 201


@in_virtual_time
async def test_conflicts_are_tried_again_at_once_and_not_for_ever() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        faults.fail("sql.commit", times=CONFLICTS_MAX, error=Conflict)
        assert (await run(request(1))).status == 201
        assert len(desk.transactions) == CONFLICTS_MAX + 1

        faults.fail("sql.commit", times=None, error=Conflict)
        with pytest.raises(Refused, match="unavailable"):
            await run(request(2))
        assert await made(it) == 1


@in_virtual_time
async def test_a_queue_that_is_full_says_so_at_once() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        held, ahead = await one_ahead(run, faults)
        waiting = [
            asyncio.create_task(_run(run, request(number))) for number in range(1, QUEUE_MAX + 1)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="overloaded"):
            await run(request(QUEUE_MAX + 1))
        held.release()
        await asyncio.gather(ahead, *waiting)
        assert await made(it) == QUEUE_MAX + 1


@in_virtual_time
async def test_one_that_waited_too_long_is_certainly_not_done() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        held, ahead = await one_ahead(run, faults)
        late = asyncio.create_task(_run(run, request(1)))
        await asyncio.sleep(PATIENCE_S + 0.5)
        held.release()
        results = await asyncio.gather(ahead, late, return_exceptions=True)
        assert isinstance(results[1], Refused)
        assert results[1].name == "unavailable"
        assert await made(it) == 1


@in_virtual_time
async def test_a_client_that_leaves_takes_back_nothing_that_a_transaction_has() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        held, leaving = await one_ahead(run, faults)
        neighbour = asyncio.create_task(_run(run, request(1)))
        leaving.cancel()
        await asyncio.sleep(0)
        held.release()
        assert (await neighbour).status == 201
        assert await made(it) == 2


@in_virtual_time
async def test_a_client_that_leaves_while_it_waits_takes_its_command_with_it() -> None:
    """Nobody was told anything of it; and the others in its line have their turn."""
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        held, ahead = await one_ahead(run, faults)
        leaving, behind = (asyncio.create_task(_run(run, request(number))) for number in (1, 2))
        await asyncio.sleep(0)
        leaving.cancel()
        held.release()
        assert [(await each).body for each in (ahead, behind)] == [b"0", b"2"]
        assert desk.transactions == [1, 1]


@in_virtual_time
async def test_one_key_stands_for_one_request_also_in_one_queue() -> None:
    desk = Desk()
    async with bench() as it:
        run = commands(it).shared(desk.act)
        same = [request(1, key="k")] * 5
        other = request(1, key="k", body=b'{"other": 1}')
        answers = await ask_all(run, *same, other, request(2, key="other"))
        assert [answer.status for answer in answers[:5]] == [201] * 5
        assert isinstance(answers[5], Refused)
        assert answers[5].name == "key-reused"
        assert await made(it) == 2


@in_virtual_time
async def test_a_refusal_among_neighbours_leaves_its_key_free() -> None:
    desk = Desk(refusal=NotAllowed("no"))
    async with bench() as it:
        run = commands(it).shared(desk.act)
        keyed = [request(number, key=str(number)) for number in range(10)]
        await ask_all(run, *keyed)
        assert await made(it) == 9

        desk.refusal = None
        assert (await run(keyed[BAD])).status == 201
        assert await made(it) == 10
        assert (await run(keyed[1])).body == b"1"
        assert await made(it) == 10


@in_virtual_time
async def test_a_key_that_another_process_holds_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row alone cannot be locked in SQLite, nor be found so: the suites of the servers do that."""
    desk = Desk()
    held = request(BAD, key="held").key
    assert held is not None
    real_answers, real_wait = idempotency.answers, locks.wait_for
    answered = asyncio.Event()

    async def answers(unit: UnitOfWork, ids: Collection[str]) -> Any:
        stored, locked = await real_answers(unit, ids)
        return stored, locked | ({held: KEYS.place(held)} if held in ids else {})

    async def wait_for(unit: UnitOfWork, place: locks.Place) -> None:
        await real_wait(unit, place)
        await answered.wait()

    monkeypatch.setattr(idempotency, "answers", answers)
    monkeypatch.setattr(locks, "wait_for", wait_for)
    async with bench() as it:
        run = commands(it).shared(desk.act)
        wanted = [request(number, key="held" if number == BAD else None) for number in range(6)]
        held_up = asyncio.create_task(_run(run, wanted.pop(BAD)))
        assert [answer.status for answer in await ask_all(run, *wanted)] == [201] * 5
        with pytest.raises(Refused) as refused:
            await held_up
        assert refused.value.name == "request-in-progress"
        assert asyncio.get_running_loop().time() == PATIENCE_S


@in_virtual_time
async def test_a_line_goes_on_when_all_in_it_were_refused_and_an_empty_commit_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How a line could come to stand still for ever.

    1. A request waits for a locked row, and is refused at its deadline. 2. The row is free; there
    is no request to act on, and COMMIT's answer is lost. 3. The next one needs that row.
    """
    desk, faults = Desk(), Switchboard()
    key = request(1, key="held").key
    assert key is not None
    real_answers, real_wait = idempotency.answers, locks.wait_for
    is_free, found_locked = asyncio.Event(), iter([True, True])

    async def answers(unit: UnitOfWork, ids: Collection[str]) -> Any:
        stored, locked = await real_answers(unit, ids)
        is_locked = key in ids and next(found_locked, False)
        return stored, locked | ({key: KEYS.place(key)} if is_locked else {})

    async def wait_for(unit: UnitOfWork, place: locks.Place) -> None:
        await real_wait(unit, place)
        await is_free.wait()

    monkeypatch.setattr(idempotency, "answers", answers)
    monkeypatch.setattr(locks, "wait_for", wait_for)
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        with pytest.raises(Refused, match="request-in-progress"):
            await run(request(1, key="held"))
        lost = faults.fail("sql.commit", hop=Hop.REPLY)
        is_free.set()
        await lost.reached()
        assert (await run(request(1, key="held"))).status == 201
        assert await made(it) == 1


@in_virtual_time
async def test_a_request_waits_three_seconds_for_the_first_with_its_key() -> None:
    first_is_in = asyncio.Event()

    async def slow(_: Request, __: UnitOfWork) -> Answer:
        first_is_in.set()
        await asyncio.sleep(KEY_WAIT_S + 0.5)
        return Answer(201, b"done")

    async with bench() as it:
        run = commands(it).each(slow)
        first = asyncio.create_task(_run(run, request(1, key="k")))
        await first_is_in.wait()
        began = asyncio.get_running_loop().time()
        with pytest.raises(Refused) as refused:
            await run(request(1, key="k"))
        assert refused.value.name == "request-in-progress"
        assert asyncio.get_running_loop().time() - began == KEY_WAIT_S
        assert (await first).status == 201


@in_virtual_time
async def test_a_busy_store_is_no_request_in_progress() -> None:
    desk = Desk()
    writes = asyncio.Event()

    async def write_for_long(it: Bench) -> None:
        with suppress(TimedOut):
            async with it.parts.work() as unit:
                await unit.insert(users, [_row(request(1), unit)])
                writes.set()
                await asyncio.Event().wait()

    async with bench() as it:
        writing = asyncio.create_task(write_for_long(it))
        await writes.wait()
        answer = await commands(it).shared(desk.act)(request(2, key="fresh"))
        assert answer.status == 201
        await writing


@in_virtual_time
@pytest.mark.parametrize("bound_s", [1.0, 10.0])
async def test_a_request_is_answered_within_its_own_bound_whatever_stands_still(
    bound_s: float,
) -> None:
    async def never(_: Request, __: UnitOfWork) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("it never comes here")

    async with bench() as it:
        run = commands(it).each(never)
        with pytest.raises((Refused, TimedOut)):
            await run(replace(request(1), deadline=asyncio.get_running_loop().time() + bound_s))
        assert asyncio.get_running_loop().time() < bound_s


@in_virtual_time
async def test_a_key_stays_in_hand_until_its_request_is_settled_whoever_still_waits() -> None:
    desk, faults = Desk(), Switchboard()
    async with bench() as it:
        run = commands(it, faults).shared(desk.act)
        held = faults.hold("sql.begin")
        first = asyncio.create_task(run(request(1)))
        await held.reached()
        left = asyncio.create_task(run(request(2, key="k")))  # waits in the queue
        await asyncio.sleep(0)
        left.cancel()  # its client was told that the outcome is unknown, and asks again
        again = asyncio.create_task(run(request(2, key="k")))
        await asyncio.sleep(0)
        held.release()
        assert [(await first).status, (await again).status] == [201, 201]
        assert await made(it) == 2


@in_virtual_time
async def test_those_that_come_back_one_by_one_share_again() -> None:
    """As clients do that were answered at once: each has its own way to the next request."""
    desk = Desk()
    async with bench() as it:
        run = commands(it).shared(desk.act)

        async def client(number: int) -> None:
            await run(request(number))
            await asyncio.sleep(number * 0.0001)
            await run(request(number, body=b"again"))

        await asyncio.gather(*map(client, range(1, 21)))
    assert desk.transactions == [20, 20]


@in_virtual_time
async def test_a_client_that_was_alone_waits_for_no_other() -> None:
    desk = Desk()
    async with bench() as it:
        run = commands(it).shared(desk.act)
        await run(request(1))
        began_at = asyncio.get_running_loop().time()
        await run(request(2))
        assert asyncio.get_running_loop().time() == began_at
