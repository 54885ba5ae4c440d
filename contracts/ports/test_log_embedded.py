"""What the embedded log does in time: sessions, rebalances, crashes, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple

import pytest

from chaos.kit.virtual_time import VirtualTimeLoop, run
from contracts.ports.log_suite import KEY_OF_NUMBER, ignored
from system.kit.adapters.embedded.log import (
    RECORDS_PER_POLL,
    EmbeddedBroker,
    EmbeddedLog,
    EmbeddedSubscription,
)
from system.kit.errors import Fenced, Unavailable
from system.kit.ports.log import Message, Partition, Record, Revoked, Subscription

Ts = TypeVarTuple("Ts")

TOPIC = "orders"
GROUP = "group"
ALL = frozenset(Partition(TOPIC, number) for number in range(3))
SESSION_S = 3.0
REBALANCE_S = 30.0


async def started() -> tuple[EmbeddedBroker, EmbeddedLog]:
    broker = EmbeddedBroker(
        now_ms=lambda: 0, session_timeout_s=SESSION_S, rebalance_timeout_s=REBALANCE_S
    )
    log = EmbeddedLog(broker, "publisher")
    await log.ensure([TOPIC])
    return broker, log


def message(value: bytes = b"", number: int = 0) -> Message:
    return Message(TOPIC, KEY_OF_NUMBER[number], value, ())


def now() -> float:
    return asyncio.get_running_loop().time()


def member(
    broker: EmbeddedBroker, member_id: str, revoked: Revoked = ignored
) -> AbstractAsyncContextManager[Subscription]:
    return EmbeddedLog(broker, member_id).subscribe(GROUP, [TOPIC], revoked)


async def poll_on(subscription: Subscription) -> None:
    while True:
        await subscription.poll(full=(), timeout_s=1.0)


@asynccontextmanager
async def polling(*subscriptions: Subscription) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(poll_on(subscription)) for subscription in subscriptions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()


async def owned(subscription: Subscription) -> set[Partition]:
    return set(await subscription.lag())


# Processes that are stopped: none of their callbacks runs, for ever (kill -9) or until they go on.

_process: ContextVar[str] = ContextVar("_process", default="")


class StoppingLoop(VirtualTimeLoop):
    def __init__(self) -> None:
        super().__init__()
        self._held_back: dict[str, list[Callable[[], object]]] = {}

    def stop_process(self, name: str) -> None:
        self._held_back[name] = []

    def go_on(self, name: str) -> None:
        for call in self._held_back.pop(name):
            call()

    def let_all_go_on(self) -> None:
        for name in sorted(self._held_back):
            self.go_on(name)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        context = context or copy_context()
        held_back = self._held_back.get(context.get(_process, ""))
        if held_back is None:
            return super().call_soon(callback, *args, context=context)
        held_back.append(lambda: self.call_soon(callback, *args, context=context))
        return asyncio.Handle(callback, args, self, context)


def run_with_stops(loop: StoppingLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run, and end in order what was stopped: the collector would do it in some other test."""

    async def to_the_end() -> None:
        try:
            await main
        finally:
            loop.let_all_go_on()

    run(to_the_end(), loop=loop)


def in_process(name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    context = copy_context()
    context.run(_process.set, name)
    return asyncio.get_running_loop().create_task(work, context=context)


def test_the_partitions_of_a_killed_process_go_to_the_others_after_its_session() -> None:
    loop = StoppingLoop()
    revoked: list[frozenset[Partition]] = []

    async def noted(partitions: frozenset[Partition]) -> None:
        revoked.append(partitions)

    async def dies(broker: EmbeddedBroker) -> None:
        async with member(broker, "dies", noted) as subscription:
            await poll_on(subscription)

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "lives") as lives, polling(lives):
            dying = in_process("victim", dies(broker))
            await asyncio.sleep(10)
            shared = await owned(lives)
            assert 0 < len(shared) < len(ALL)
            loop.stop_process("victim")
            await asyncio.sleep(SESSION_S - 1)
            assert await owned(lives) == shared
            await asyncio.sleep(2)
            assert await owned(lives) == ALL
            assert not dying.done()
            assert revoked == []

    run_with_stops(loop, main())


def test_a_killed_process_is_back_at_once_under_its_old_id() -> None:
    loop = StoppingLoop()

    async def works(broker: EmbeddedBroker) -> None:
        async with member(broker, "m") as subscription:
            await subscription.poll(full=(), timeout_s=1.0)
            await subscription.commit({Partition(TOPIC, 0): 2})
            await poll_on(subscription)

    async def main() -> None:
        broker, log = await started()
        await log.publish([message(b"%d" % number) for number in range(4)])
        dying = in_process("victim", works(broker))
        await asyncio.sleep(10)
        loop.stop_process("victim")
        async with member(broker, "m") as again:
            began_at = now()
            polled = await again.poll(full=(), timeout_s=1.0)
            assert [record.offset for record in polled[Partition(TOPIC, 0)]] == [2, 3]
            assert now() == began_at
        assert not dying.done()

    run_with_stops(loop, main())


def test_a_process_that_goes_on_after_its_session_learns_at_once_that_it_was_expelled() -> None:
    loop = StoppingLoop()
    seen: list[tuple[float, str]] = []

    async def stalls(broker: EmbeddedBroker) -> None:
        async def commits(partitions: frozenset[Partition]) -> None:
            try:
                await subscription.commit(dict.fromkeys(partitions, 0))
            except Fenced:
                seen.append((now(), "commit lost"))

        async with member(broker, "stalls", commits) as subscription:
            await subscription.poll(full=(), timeout_s=0)
            polled = await subscription.poll(full=(), timeout_s=1_000)
            seen.append((now(), f"given {sum(map(len, polled.values()))}"))

    async def main() -> None:
        broker, log = await started()
        async with member(broker, "other") as other, polling(other):
            stalling = in_process("stalls", stalls(broker))
            await asyncio.sleep(10)
            loop.stop_process("stalls")
            await asyncio.sleep(45)
            assert await owned(other) == ALL
            loop.go_on("stalls")
            await asyncio.sleep(10)
            assert 0 < len(await owned(other)) < len(ALL)
            assert seen == [(55, "commit lost")]
            for number in range(3):
                await log.publish([message(number=number)])
            await asyncio.wait({stalling})
            assert seen == [(55, "commit lost"), (65, "given 1")]

    run_with_stops(loop, main())


def test_a_member_that_is_busy_between_polls_stays_a_member() -> None:
    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "busy") as busy:
            await busy.poll(full=(), timeout_s=0)
            await asyncio.sleep(3600)
            assert await owned(busy) == ALL
            await busy.commit({Partition(TOPIC, 0): 0})

    run(main())


def test_a_member_that_does_not_let_go_in_time_is_expelled() -> None:
    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "busy") as busy:
            await busy.poll(full=(), timeout_s=0)
            async with member(broker, "new") as new, polling(new):
                await asyncio.sleep(REBALANCE_S - 1)
                assert await owned(new) == set()
                assert await owned(busy) == ALL
                await asyncio.sleep(2)
                assert await owned(new) == ALL
                with pytest.raises(Fenced):
                    await busy.commit({Partition(TOPIC, 0): 0})

    run(main())


def test_who_comes_later_does_not_prolong_the_rebalance() -> None:
    revoked: list[frozenset[Partition]] = []

    async def noted(partitions: frozenset[Partition]) -> None:
        revoked.append(partitions)

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "busy") as busy:
            await busy.poll(full=(), timeout_s=0)
            async with member(broker, "new", noted) as new, polling(new):
                await asyncio.sleep(REBALANCE_S - 5)
                async with member(broker, "newer", noted) as newer, polling(newer):
                    await asyncio.sleep(7)
                    assert len(await owned(new)) + len(await owned(newer)) == len(ALL)
                    assert revoked == []

    run(main())


def test_nothing_of_a_member_is_left_when_it_has_left() -> None:
    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "m") as subscription:
            await subscription.poll(full=(), timeout_s=0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        async with member(broker, "other") as other:
            assert await owned(other) == ALL

    run(main())


def test_a_revocation_that_hangs_holds_the_group_up_no_longer_than_the_bound() -> None:
    async def forever(_: frozenset[Partition]) -> None:
        await asyncio.sleep(100)

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "hangs", forever) as hangs, polling(hangs):
            await asyncio.sleep(1)
            async with member(broker, "new") as new, polling(new):
                await asyncio.sleep(REBALANCE_S + 2)
                assert await owned(new) == ALL
                await asyncio.sleep(100)
                assert len(await owned(new)) + len(await owned(hangs)) == len(ALL)
                assert await owned(hangs)

    run(main())


def test_who_was_expelled_lets_go_and_joins_anew_in_its_next_poll() -> None:
    revoked: list[frozenset[Partition]] = []

    async def main() -> None:
        broker, log = await started()
        lost: list[bool] = []

        async def commits(partitions: frozenset[Partition]) -> None:
            revoked.append(partitions)
            try:
                await stalled.commit(dict.fromkeys(partitions, 1))
            except Fenced:
                lost.append(True)

        async with member(broker, "stalled", commits) as stalled:
            await log.publish([message(b"a")])
            await stalled.poll(full=(), timeout_s=0)
            await expelled(broker, stalled)
            async with member(broker, "other") as other, polling(other):
                await asyncio.sleep(1)
                await stalled.poll(full=(), timeout_s=10)
                await asyncio.sleep(1)
                assert lost == [True]
                assert revoked == [ALL]
                assert len(await owned(stalled)) + len(await owned(other)) == len(ALL)
                assert await owned(stalled)

    run(main())


async def expelled(broker: EmbeddedBroker, subscription: Subscription) -> None:
    """Let a rebalance pass that the subscription takes no part in."""
    async with member(broker, "passing") as passing, polling(passing):
        await asyncio.sleep(REBALANCE_S + 2)
    assert await owned(subscription) == set()


def test_who_was_replaced_lets_go_and_is_out_for_good() -> None:
    revoked: list[frozenset[Partition]] = []

    async def noted(partitions: frozenset[Partition]) -> None:
        revoked.append(partitions)

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "m", noted) as older:
            await older.poll(full=(), timeout_s=0)
            waiting = asyncio.create_task(older.poll(full=(), timeout_s=1000))
            await asyncio.sleep(1)
            async with member(broker, "m") as later:
                with pytest.raises(Fenced):
                    await waiting
                assert now() == 1
                assert revoked == [ALL]
                with pytest.raises(Fenced):
                    await older.poll(full=(), timeout_s=0)
                assert await owned(later) == ALL
        assert revoked == [ALL]

    run(main())


def test_a_later_instance_takes_the_place_without_a_rebalance() -> None:
    revoked: list[frozenset[Partition]] = []

    async def noted(partitions: frozenset[Partition]) -> None:
        revoked.append(partitions)

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "a", noted) as a, member(broker, "m") as older:
            async with polling(a, older):
                await asyncio.sleep(10)
                place = await owned(older)
            revoked.clear()
            async with polling(a), member(broker, "m") as later, polling(later):
                await asyncio.sleep(10)
                assert await owned(later) == place
                assert place
                assert revoked == []

    run(main())


def test_a_later_instance_takes_a_place_in_a_rebalance_too() -> None:
    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "a") as a, member(broker, "m") as older:
            async with polling(older):
                await asyncio.sleep(1)
            assert not await owned(older)
            async with member(broker, "m") as later, polling(a):
                await asyncio.sleep(1)
                assert len(await owned(a)) + len(await owned(later)) == len(ALL)
                assert await owned(later)

    run(main())


def test_a_process_that_was_held_up_as_a_whole_expels_nobody() -> None:
    loop = VirtualTimeLoop()

    async def main() -> None:
        broker, _ = await started()
        async with member(broker, "a") as a, member(broker, "b") as b, polling(a, b):
            await asyncio.sleep(1.5)
            before = await owned(a), await owned(b)
            loop.call_soon(loop.hold_up, 100.0)
            await asyncio.sleep(10)
            assert (await owned(a), await owned(b)) == before
            assert all(before)

    run(main(), loop=loop)


def test_a_canceled_poll_takes_nothing_along() -> None:
    async def main() -> None:
        broker, log = await started()
        async with member(broker, "m") as subscription:
            waiting = asyncio.create_task(subscription.poll(full=(), timeout_s=100))
            await asyncio.sleep(1)
            await log.publish([message(b"a")])
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            polled = await subscription.poll(full=(), timeout_s=100)
            assert [record.message.value for record in polled[Partition(TOPIC, 0)]] == [b"a"]

    run(main())


def test_a_revocation_that_fails_is_told_and_tried_again() -> None:
    attempts: list[frozenset[Partition]] = []

    async def fails_once(partitions: frozenset[Partition]) -> None:
        attempts.append(partitions)
        if len(attempts) == 1:
            raise Unavailable("for now")

    async def main() -> None:
        broker, _ = await started()
        async with (
            member(broker, "a", fails_once) as a,
            member(broker, "b") as b,
            polling(b),
        ):
            with pytest.raises(Unavailable):
                await a.poll(full=(), timeout_s=0)
            await asyncio.sleep(1)
            assert await owned(b) == set()
            await a.poll(full=(), timeout_s=0)
            await asyncio.sleep(1)
            assert attempts == [ALL, ALL]
            assert await owned(b)

    run(main())


def test_a_topic_that_is_made_later_is_dealt_to_who_wants_it() -> None:
    async def main() -> None:
        broker, log = await started()
        client = EmbeddedLog(broker, "m")
        async with (
            client.subscribe(GROUP, [TOPIC, "later"], ignored) as subscription,
            polling(subscription),
        ):
            assert await owned(subscription) == ALL
            await log.ensure(["later"])
            await asyncio.sleep(1)
            assert len(await owned(subscription)) == 2 * len(ALL)

    run(main())


def test_a_member_gets_only_topics_that_it_wants() -> None:
    async def main() -> None:
        broker, log = await started()
        await log.ensure(["users"])
        async with (
            EmbeddedLog(broker, "a").subscribe(GROUP, [TOPIC], ignored) as a,
            EmbeddedLog(broker, "b").subscribe(GROUP, [TOPIC, "users"], ignored) as b,
            polling(a, b),
        ):
            await asyncio.sleep(1)
            assert {partition.topic for partition in await owned(a)} == {TOPIC}
            assert len(await owned(a)) + len(await owned(b)) == 6

    run(main())


def test_a_poll_gives_a_bounded_number_of_each_partition() -> None:
    async def main() -> None:
        broker, log = await started()
        await log.publish([message()] * (RECORDS_PER_POLL + 1) + [message(number=1)])
        async with member(broker, "m") as subscription:
            first = await subscription.poll(full=(), timeout_s=0)
            second = await subscription.poll(full=(), timeout_s=0)
        assert [len(records) for records in first.values()] == [RECORDS_PER_POLL, 1]
        assert {p: len(records) for p, records in second.items()} == {Partition(TOPIC, 0): 1}

    run(main())


def test_seeking_keeps_to_what_is_possible() -> None:
    async def main() -> None:
        broker, log = await started()
        await log.publish([message(b"a")])
        async with member(broker, "m") as subscription:
            with pytest.raises(Fenced):
                await subscription.seek(Partition(TOPIC, 7), 0)
            with pytest.raises(ValueError, match="-1"):
                await subscription.seek(Partition(TOPIC, 0), -1)
            await subscription.seek(Partition(TOPIC, 0), 99)
            assert await subscription.lag() == dict.fromkeys(sorted(ALL), 0)
            polled = await subscription.poll(full=(), timeout_s=0)
            assert [record.offset for record in polled[Partition(TOPIC, 0)]] == [0]

    run(main())


def test_the_ends_of_a_topic_that_nobody_made_are_unknown() -> None:
    async def main() -> None:
        _, log = await started()
        with pytest.raises(Unavailable, match="there is no topic nowhere"):
            await log.ends([TOPIC, "nowhere"])
        with pytest.raises(Unavailable):
            [record async for record in log.read("nowhere")]

    run(main())


def test_the_same_steps_give_the_same_history() -> None:
    def history() -> list[object]:
        seen: list[object] = []

        async def reads(broker: EmbeddedBroker, name: str, begins_s: float, ends_s: float) -> None:
            async def noted(partitions: frozenset[Partition]) -> None:
                seen.append((now(), name, "revoked", sorted(partitions)))

            await asyncio.sleep(begins_s)
            async with member(broker, name, noted) as subscription:
                while now() < ends_s:
                    polled = await subscription.poll(full=(), timeout_s=0.7)
                    seen.append((now(), name, {p: len(polled[p]) for p in polled}))
                    await subscription.commit({p: polled[p][-1].offset + 1 for p in polled})

        async def main() -> None:
            broker, log = await started()
            readers = [
                asyncio.create_task(reads(broker, *plan))
                for plan in (("a", 0, 20), ("b", 1.1, 7), ("c", 3.3, 15))
            ]
            for number in range(60):
                await log.publish([message(number=number % 3)])
                await asyncio.sleep(0.3)
            await asyncio.gather(*readers)
            seen.append(broker.committed(GROUP))

        run(main())
        return seen

    first = history()
    assert history() == first
    assert first[-1] == dict.fromkeys(sorted(ALL), 20)


def test_records_are_given_as_they_are_read() -> None:
    async def main() -> None:
        broker, log = await started()
        await log.publish([message(b"a")])
        async with member(broker, "m") as subscription:
            assert isinstance(subscription, EmbeddedSubscription)
            polled = await subscription.poll(full=(), timeout_s=0)
        read: list[Record] = [record async for record in log.read(TOPIC)]
        assert list(polled[Partition(TOPIC, 0)]) == read

    run(main())
