"""When a handler fails: the kind of its error alone says what happens, and when.

The chain is the real one, out of `chains.write_chain`, with the delays that nobody has set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from scenarios.delivery.bench import EPOCH, bench, in_virtual_time, message, registered
from system.kit.delivery.patience import PAUSE_MAX_S
from system.kit.errors import (
    CONFLICTS_MAX,
    Conflict,
    Fenced,
    LockWaitTimeout,
    OutcomeUnknown,
    Poison,
    Stopping,
    TimedOut,
    Unavailable,
    UniqueViolation,
)
from system.kit.ports.work import UnitOfWork
from system.kit.values import timestamp

LONG_S = 120.0
"""Far longer than all retries together."""


@dataclass
class Failing:
    """A handler that fails as it is told to, and notes when it was called."""

    errors: list[Exception | None] = field(default_factory=list)
    """One per call; the last one for all further calls."""
    called_at: list[float] = field(default_factory=list)

    async def __call__(self, batch: Sequence[Any], unit: UnitOfWork) -> None:
        self.called_at.append(asyncio.get_running_loop().time())
        number = min(len(self.called_at), len(self.errors)) - 1
        if (error := self.errors[number]) is not None:
            raise error

    @property
    def pauses_s(self) -> list[float]:
        times = self.called_at
        return [after - before for before, after in pairwise(times)]


@in_virtual_time
async def test_attempts_differ_by_exactly_1_2_4_8_16_seconds() -> None:
    handler = Failing([RuntimeError("broken")])
    async with bench() as it:
        await it.chain(handler)(await it.batch(message(registered())))

        assert handler.pauses_s == [1, 2, 4, 8, 16]
        (letter,) = await it.open_letters()
        assert (letter.attempts, letter.error_type, letter.error) == (6, "RuntimeError", "broken")
        assert letter.first_failed_at == timestamp(EPOCH)
        assert letter.last_failed_at == timestamp(EPOCH.replace(second=31))


@pytest.mark.parametrize("attempts", range(1, 6))
def test_a_failure_that_passes_is_tried_no_more(attempts: int) -> None:
    handler = Failing([RuntimeError("broken")] * attempts + [None])

    @in_virtual_time
    async def passes() -> None:
        async with bench() as it:
            await it.chain(handler)(await it.batch(message(registered())))
            assert handler.pauses_s == [1, 2, 4, 8, 16][:attempts]
            assert await it.open_letters() == []

    passes()


@in_virtual_time
async def test_without_delays_the_first_failure_parks() -> None:
    handler = Failing([RuntimeError("broken")])
    async with bench() as it:
        await it.chain(handler, delays_s=())(await it.batch(message(registered())))
        (letter,) = await it.open_letters()
        assert letter.attempts == len(handler.called_at) == 1


@pytest.mark.parametrize("error", [Conflict(), UniqueViolation(), LockWaitTimeout()])
def test_conflicts_are_no_attempts(error: Exception) -> None:
    handler = Failing([error] * CONFLICTS_MAX + [None])

    @in_virtual_time
    async def comes_through() -> None:
        async with bench() as it:
            await it.chain(handler)(await it.batch(message(registered())))
            assert all(0.001 <= pause_s <= 0.050 for pause_s in handler.pauses_s)
            assert len(handler.called_at) == CONFLICTS_MAX + 1
            assert await it.open_letters() == []

    comes_through()


@in_virtual_time
async def test_past_20_conflicts_they_count() -> None:
    handler = Failing([Conflict("deadlock")])
    async with bench() as it:
        await it.chain(handler)(await it.batch(message(registered())))

        assert len(handler.called_at) == 6 * (CONFLICTS_MAX + 1)
        long = [pause_s for pause_s in handler.pauses_s if pause_s > 0.050]
        assert long == pytest.approx([1, 2, 4, 8, 16])
        (letter,) = await it.open_letters()
        assert (letter.attempts, letter.error_type) == (6, "Conflict")


@pytest.mark.parametrize("error", [Unavailable("away"), OutcomeUnknown("lost")])
def test_what_is_unavailable_is_waited_for_and_never_parked(error: Exception) -> None:
    @in_virtual_time
    async def waits() -> None:
        handler = Failing([error])
        async with bench() as it:
            handling = asyncio.create_task(
                _run(it.chain(handler, delays_s=(1,)), await it.batch(message(registered())))
            )
            await asyncio.sleep(LONG_S)
            assert not handling.done()
            assert max(handler.pauses_s) == pytest.approx(PAUSE_MAX_S)
            assert len(handler.called_at) > LONG_S / PAUSE_MAX_S

            handler.errors = [None]
            await handling
            assert await it.open_letters() == []

    waits()


async def _run(step: Any, batch: Any) -> None:
    await step(batch)


@in_virtual_time
async def test_waiting_in_between_neither_counts_nor_resets_the_count() -> None:
    broken, away = RuntimeError("broken"), Unavailable("away")
    handler = Failing([broken, away, away, broken, broken, away, broken])
    async with bench() as it:
        await it.chain(handler)(await it.batch(message(registered())))
        (letter,) = await it.open_letters()
        assert letter.attempts == 6
        assert len(handler.called_at) == 6 + 3


@in_virtual_time
async def test_poison_is_parked_at_once() -> None:
    handler = Failing([Poison("impossible")])
    async with bench() as it:
        await it.chain(handler)(await it.batch(message(registered())))
        assert len(handler.called_at) == 1
        assert asyncio.get_running_loop().time() == 0
        (letter,) = await it.open_letters()
        assert (letter.attempts, letter.error_type) == (1, "Poison")


@in_virtual_time
async def test_what_cannot_be_decoded_never_reaches_the_handler() -> None:
    handler = Failing([None])
    async with bench() as it:
        await it.chain(handler)(await it.batch(replace(message(registered()), value=b"\xff")))
        assert handler.called_at == []
        (letter,) = await it.open_letters()
        assert (letter.attempts, letter.error_type) == (1, "Poison")
        assert letter.message.value == b"\xff"


@pytest.mark.parametrize("error", [TimedOut("too slow"), LockWaitTimeout("locked")])
def test_a_single_message_that_waited_too_long_is_to_blame_only_if_others_get_on(
    error: Exception,
) -> None:
    @in_virtual_time
    async def is_to_blame() -> None:
        handler = Failing([error])
        async with bench() as it:

            async def away() -> None:
                raise Unavailable("no sign of life")

            there, it.parts = it.parts, replace(it.parts, writable=away)
            waiting = asyncio.create_task(
                _run(it.chain(handler), await it.batch(message(registered(1))))
            )
            await asyncio.sleep(LONG_S)
            assert not waiting.done()
            assert await it.open_letters() == []
            waiting.cancel()

            it.parts = there
            await it.chain(handler)(await it.batch(message(registered(2))))
            (letter,) = await it.open_letters()
            assert (letter.attempts, letter.error_type) == (6, type(error).__name__)

    is_to_blame()


@in_virtual_time
async def test_being_asked_to_stop_ends_a_pause_at_once_and_parks_nothing() -> None:
    handler = Failing([RuntimeError("broken")])
    async with bench() as it:
        handling = asyncio.create_task(
            _run(it.chain(handler, delays_s=(LONG_S,)), await it.batch(message(registered())))
        )
        await asyncio.sleep(10)
        it.lifespan.stopping.set()
        with pytest.raises(Stopping):
            await handling
        assert asyncio.get_running_loop().time() == 10
        assert await it.open_letters() == []


@pytest.mark.parametrize("error", [Fenced("someone else's"), Stopping()])
def test_what_is_no_longer_ours_is_dropped_and_parked_by_nobody(error: Exception) -> None:
    @in_virtual_time
    async def drops() -> None:
        handler = Failing([error])
        async with bench() as it:
            both = await it.batch(message(registered()), message(registered(number=1)))
            with pytest.raises(type(error)):
                await it.chain(handler)(both)
            assert len(handler.called_at) == 1
            assert await it.open_letters() == []

    drops()


@in_virtual_time
async def test_each_message_has_attempts_of_its_own() -> None:
    handler = Failing([RuntimeError("broken")])
    async with bench() as it:
        step = it.chain(handler, delays_s=(1,))
        for number in range(3):
            await step(await it.batch(message(registered(number=number))))
        assert [letter.attempts for letter in await it.open_letters()] == [2, 2, 2]
