"""What every write model must do, told by the port alone, on the system's own tables."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, func, insert, select, update

from contracts.ports.bindings import WorkBench, WorkBinding
from system.events import BY_TYPE, User, UserUpdated
from system.kit.commands.idempotency import commands
from system.kit.delivery import inbox, outbox
from system.kit.errors import (
    Conflict,
    LockWaitTimeout,
    ReferenceViolation,
    StoreBusy,
    TimedOut,
    Unavailable,
    UniqueViolation,
)
from system.kit.events import Cause
from system.kit.ports.work import Row, UnitOfWork, UnitOfWorkFactory
from system.kit.values import dumps
from system.orders.store import orders
from system.products.store import products
from system.users.store import users

AT = datetime(2026, 1, 1, 12, 30, 15, 123457, tzinfo=UTC)
NOTHING_SPECIAL = Cause(UUID(int=1), None, "")
EVERY_KIND_OF_TEXT = "é ß 😀 𐍈 \0 \\ \\0 ' \" % %s :x ? \r\n\t end"
LOCK_WAIT_S = 3.0


class Refused(Exception):
    """What a caller raises who has decided against it."""


def user(email: str, name: str = "Somebody", at: datetime = AT) -> Row:
    return {"name": name, "email": email, "version": 1, "created_at": at, "updated_at": at}


def product(name: str, price: str = "1.00") -> Row:
    moments = {"created_at": AT, "updated_at": AT}
    return {"name": name, "price": Decimal(price), "version": 1, **moments}


def order(user_id: int) -> Row:
    return {
        "user_id": user_id,
        "status": "CREATED",
        "paid": False,
        "total_amount": Decimal(1),
        "payment_method": None,
        "cancel_reason": None,
        "refund_due": False,
        "version": 1,
        "reservation": "pending",
        "reservation_version": 0,
        "created_at": AT,
        "updated_at": AT,
    }


def command(id: str) -> Row:
    return {"id": id, "created_at": AT}


def event(id: int, version: int, name: str = "Somebody") -> UserUpdated:
    shown = User(id=id, name=name, email="a@b.example", created_at=AT, updated_at=AT)
    return UserUpdated(event_id=uuid4(), occurred_at=AT, user=shown, version=version)


async def emails(unit: UnitOfWork) -> list[str]:
    return list((await unit.sql.execute(select(users.c.email).order_by(users.c.id))).scalars())


async def sent(work: UnitOfWorkFactory) -> list[UserUpdated]:
    """The events that are in the outbox, in the order of their ids."""
    async with work() as unit:
        rows = await outbox.unsent(unit.sql, "user", limit=1_000)
    return [
        outbox.decode(row.message, BY_TYPE).event for row in sorted(rows, key=lambda row: row.id)
    ]


async def lock(unit: UnitOfWork, user_id: int) -> int:
    """Lock a user; the version that it has."""
    locked = select(users.c.version).where(users.c.id == user_id).with_for_update()
    return int((await unit.sql.execute(locked)).scalar_one())


async def set_version(unit: UnitOfWork, user_id: int, version: int) -> None:
    await unit.sql.execute(update(users).where(users.c.id == user_id).values(version=version))


async def add_users(work: UnitOfWorkFactory, *rows: Row) -> Sequence[int]:
    async with work() as unit:
        return await unit.insert(users, rows)


async def add_user(work: UnitOfWorkFactory, email: str = "a@b.example") -> int:
    (id,) = await add_users(work, user(email))
    return id


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction of another process that has begun and wants a lock."""

    task: asyncio.Task[int]

    async def waits(self) -> bool:
        """Whether it goes on waiting, as far as can be told in a moment."""
        done, _ = await asyncio.wait({self.task}, timeout=0.3)
        return not done


async def locking(work: UnitOfWorkFactory, user_id: int) -> Waiting:
    begun = asyncio.Event()

    async def lock_it() -> int:
        async with work() as unit:
            begun.set()
            return await lock(unit, user_id)

    task = asyncio.create_task(lock_it())
    await begun.wait()
    return Waiting(task)


class WorkSuite:
    """Bound to an adapter by the fixtures `binding` and `bench`."""

    @pytest.fixture
    def work(self, bench: WorkBench) -> UnitOfWorkFactory:
        return bench.process()

    @pytest.fixture
    def others(self, bench: WorkBench) -> UnitOfWorkFactory:
        """The same database, from another process."""
        return bench.process()

    # All or nothing

    async def test_what_a_transaction_did_is_there_once_it_is_left(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        async with work() as unit:
            (id,) = await unit.insert(users, [user("a@b.example")])
            unit.emit(event(id, 1), because=NOTHING_SPECIAL)

        async with others() as unit:
            assert await emails(unit) == ["a@b.example"]
        assert [(each.key, each.version) for each in await sent(others)] == [(id, 1)]

    @pytest.mark.parametrize("error", [Refused, Conflict, Unavailable, KeyError])
    async def test_an_exception_undoes_all_of_it_and_comes_out_as_it_was(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory, error: type[Exception]
    ) -> None:
        raised = error("for a reason")
        with pytest.raises(error) as caught:
            async with work() as unit:
                (id,) = await unit.insert(users, [user("a@b.example")])
                unit.emit(event(id, 1), because=NOTHING_SPECIAL)
                raise raised

        assert caught.value is raised
        async with others() as unit:
            assert await emails(unit) == []
        assert await sent(others) == []

    async def test_others_see_nothing_of_it_before_it_is_committed(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        async with work() as unit:
            await unit.insert(users, [user("a@b.example")])
            async with others() as other:
                assert await emails(other) == []

    async def test_what_others_commit_meanwhile_is_seen(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        async with work() as unit:
            assert await emails(unit) == []
            await add_user(others, "a@b.example")
            assert await emails(unit) == ["a@b.example"]

    async def test_whose_events_were_committed_is_told_after_the_commit(
        self, bench: WorkBench
    ) -> None:
        told: list[set[str]] = []
        work = bench.process(committed=lambda aggregates: told.append(set(aggregates)))

        async with work() as unit:
            unit.emit(event(1, 1), because=NOTHING_SPECIAL)
            unit.emit(event(2, 1), because=NOTHING_SPECIAL)
            assert told == []
        with pytest.raises(Refused):
            async with work() as unit:
                unit.emit(event(1, 2), because=NOTHING_SPECIAL)
                raise Refused
        async with work():
            pass

        assert told == [{"user"}, set()]

    # Events

    async def test_events_are_inserted_last_and_in_order(self, work: UnitOfWorkFactory) -> None:
        async with work() as unit:
            for version in range(1, 6):
                unit.emit(event(1, version), because=NOTHING_SPECIAL)
            await unit.insert(users, [user("a@b.example")])
            assert await unit.sql.scalar(select(func.count()).select_from(outbox.outbox)) == 0

        assert [each.version for each in await sent(work)] == [1, 2, 3, 4, 5]

    async def test_events_of_an_aggregate_have_ids_in_the_order_of_commits(
        self, bench: WorkBench
    ) -> None:
        id = await add_user(bench.process())

        async def change(work: UnitOfWorkFactory) -> None:
            async with work() as unit:
                version = await lock(unit, id) + 1
                await set_version(unit, id, version)
                unit.emit(event(id, version), because=NOTHING_SPECIAL)

        processes = [bench.process() for _ in range(4)]
        await asyncio.gather(*(change(work) for work in processes for _ in range(5)))

        assert [each.version for each in await sent(processes[0])] == list(range(2, 22))

    async def test_more_events_than_one_statement_holds_stay_in_order(
        self, work: UnitOfWorkFactory
    ) -> None:
        async with work() as unit:
            for version in range(1, 11):
                unit.emit(event(1, version, name="x" * 200_000), because=NOTHING_SPECIAL)

        assert [each.version for each in await sent(work)] == list(range(1, 11))

    async def test_an_event_is_kept_byte_by_byte(self, work: UnitOfWorkFactory) -> None:
        emitted = event(1, 1, name=EVERY_KIND_OF_TEXT)
        async with work() as unit:
            unit.emit(emitted, because=NOTHING_SPECIAL)

        async with work() as unit:
            (row,) = await outbox.unsent(unit.sql, "user", limit=10)
        assert row.message.value == dumps(emitted.model_dump())

    async def test_an_event_that_no_relay_could_send_is_refused_and_the_rest_goes_on(
        self, work: UnitOfWorkFactory
    ) -> None:
        async with work() as unit:
            with pytest.raises(ValueError, match="256 kB"):
                unit.emit(event(1, 1, name="x" * 256 * 1024), because=NOTHING_SPECIAL)
            unit.emit(event(1, 2), because=NOTHING_SPECIAL)

        assert [each.version for each in await sent(work)] == [2]

    # Generated ids

    async def test_rows_inserted_together_have_consecutive_ids_in_their_order(
        self, work: UnitOfWorkFactory
    ) -> None:
        wanted = [f"{number}@b.example" for number in range(100)]
        ids = await add_users(work, *map(user, wanted))

        assert list(ids) == list(range(ids[0], ids[0] + 100))
        async with work() as unit:
            assert await emails(unit) == wanted

    async def test_each_of_many_who_insert_at_once_knows_its_ids(self, bench: WorkBench) -> None:
        async def add(work: UnitOfWorkFactory, who: int, turn: int) -> dict[int, str]:
            rows = [user(f"{who}.{turn}.{number}@b.example") for number in range(20)]
            ids = await add_users(work, *rows)
            return {id: row["email"] for id, row in zip(ids, rows, strict=True)}

        processes = [bench.process() for _ in range(4)]
        known = await asyncio.gather(
            *(add(work, who, turn) for who, work in enumerate(processes) for turn in range(5))
        )

        async with processes[0]() as unit:
            rows = (await unit.sql.execute(select(users.c.id, users.c.email))).all()
        there = {row.id: row.email for row in rows}
        assert len(there) == 400
        assert {id: email for ids in known for id, email in ids.items()} == there

    async def test_the_id_of_a_row_that_was_deleted_is_not_given_again(
        self, work: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)
        async with work() as unit:
            await unit.sql.execute(delete(users).where(users.c.id == id))

        assert await add_user(work) > id

    # Rows that change together

    async def test_each_row_gets_values_of_its_own_and_no_other_row_does(
        self, work: UnitOfWorkFactory
    ) -> None:
        many = [user(f"{number}@b.example") for number in range(300)]
        left, *changed = await add_users(work, *many)
        wanted = {
            id: {"name": f"{EVERY_KIND_OF_TEXT}{id}", "updated_at": AT + timedelta(seconds=id)}
            for id in changed
        }
        async with work() as unit:
            await unit.update_each(users, [{"id": id, **new} for id, new in wanted.items()])

        async with work() as unit:
            rows = (await unit.sql.execute(select(users))).all()
        there = {row.id: {"name": row.name, "updated_at": row.updated_at} for row in rows}
        assert there == wanted | {left: {"name": "Somebody", "updated_at": AT}}

    async def test_no_rows_to_change_are_no_statement(self, work: UnitOfWorkFactory) -> None:
        async with work() as unit:
            await unit.update_each(users, [])

    # Values

    async def test_a_moment_keeps_its_microseconds(self, work: UnitOfWorkFactory) -> None:
        a_little_later = AT + timedelta(microseconds=1)
        await add_users(work, user("a@b.example", at=AT), user("b@b.example", at=a_little_later))

        moments = select(users.c.created_at).order_by(users.c.created_at)
        later = select(users.c.email).where(users.c.created_at > AT)
        async with work() as unit:
            found = list((await unit.sql.execute(moments)).scalars())
            assert found == [AT, a_little_later]
            assert found[0].utcoffset() == timedelta(0)
            assert list((await unit.sql.execute(later)).scalars()) == ["b@b.example"]

    async def test_an_amount_keeps_its_cents(self, work: UnitOfWorkFactory) -> None:
        prices = [Decimal("0.01"), Decimal("0.10"), Decimal("9999999999.99")]
        async with work() as unit:
            await unit.insert(products, [product(str(price), str(price)) for price in prices])

        async with work() as unit:
            rows = await unit.sql.execute(select(products.c.price).order_by(products.c.id))
            assert list(rows.scalars()) == prices

    async def test_bytes_keep_every_one(self, work: UnitOfWorkFactory) -> None:
        bodies = [bytes(range(256)) * 2, b"", b"x'00'", None]
        async with work() as unit:
            for number, body in enumerate(bodies):
                row = {**command(str(number)), "body": body}
                await unit.sql.execute(insert(commands), [row])

        async with work() as unit:
            rows = await unit.sql.execute(select(commands.c.body).order_by(commands.c.id))
            assert list(rows.scalars()) == bodies

    async def test_text_keeps_every_character(self, work: UnitOfWorkFactory) -> None:
        names = [EVERY_KIND_OF_TEXT, " both ends ", "e\u0301"]
        await add_users(work, *(user(str(n), name=name) for n, name in enumerate(names)))

        async with work() as unit:
            rows = await unit.sql.execute(select(users.c.name).order_by(users.c.id))
            assert list(rows.scalars()) == names

    @pytest.mark.parametrize("other", ["A@b.example", "á@b.example", "a\u0301@b.example"])
    async def test_emails_are_compared_by_bytes(self, work: UnitOfWorkFactory, other: str) -> None:
        first, second = await add_users(work, user("a@b.example"), user(other))

        async with work() as unit:
            found = await unit.sql.execute(select(users.c.id).where(users.c.email == other))
            assert list(found.scalars()) == [second]
            found = await unit.sql.execute(select(users.c.id).where(users.c.email == "a@b.example"))
            assert list(found.scalars()) == [first]

    async def test_ids_are_compared_by_bytes(self, work: UnitOfWorkFactory) -> None:
        async with work() as unit:
            await unit.sql.execute(insert(commands), [command("abc"), command("ABC")])

        async with work() as unit:
            found = await unit.sql.execute(select(commands.c.id).where(commands.c.id == "ABC"))
            assert list(found.scalars()) == ["ABC"]

    async def test_trailing_blanks_tell_two_texts_apart(
        self, work: UnitOfWorkFactory, binding: WorkBinding
    ) -> None:
        adding = add_users(work, user("a@b.example"), user("a@b.example "))

        if binding.trailing_blanks_count:
            await adding
        else:
            with pytest.raises(UniqueViolation):
                await adding

    async def test_what_does_not_fit_is_refused_and_never_cut(
        self, work: UnitOfWorkFactory, binding: WorkBinding
    ) -> None:
        too_long = "x" * 256
        adding = add_users(work, user("a@b.example", name=too_long))

        if binding.checks_lengths:
            with pytest.raises(Exception, match="too long") as refused:
                await adding
            assert not isinstance(refused.value, Conflict | Unavailable)
        else:
            await adding
            async with work() as unit:
                assert await unit.sql.scalar(select(users.c.name)) == too_long

    # Conditions

    async def test_an_update_counts_the_rows_that_it_found_also_when_nothing_changes(
        self, work: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)
        found = update(users).where(users.c.id == id, users.c.version == 1).values(version=1)
        missed = update(users).where(users.c.id == id, users.c.version == 2).values(version=1)

        async with work() as unit:
            assert (await unit.sql.execute(found)).rowcount == 1
            assert (await unit.sql.execute(missed)).rowcount == 0

    async def test_a_unique_key_that_is_taken_is_a_conflict_of_its_own_and_undoes_all(
        self, work: UnitOfWorkFactory
    ) -> None:
        await add_user(work, "a@b.example")

        with pytest.raises(UniqueViolation):
            async with work() as unit:
                await unit.insert(users, [user("b@b.example")])
                await unit.insert(users, [user("a@b.example")])

        async with work() as unit:
            assert await emails(unit) == ["a@b.example"]

    async def test_an_event_is_claimed_once_per_consumer(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        id = uuid4()

        async def claim(work: UnitOfWorkFactory, consumer: str) -> None:
            async with work() as unit:
                await inbox.remember(unit.sql, consumer, [id], AT)

        await claim(work, "one")
        await claim(work, "another")
        with pytest.raises(UniqueViolation):
            await claim(others, "one")

    async def test_a_reference_to_a_row_that_is_not_there_is_told(
        self, work: UnitOfWorkFactory
    ) -> None:
        with pytest.raises(ReferenceViolation):
            async with work() as unit:
                await unit.insert(orders, [order(user_id=404)])

    async def test_a_row_that_is_referred_to_cannot_be_deleted(
        self, work: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)
        async with work() as unit:
            await unit.insert(orders, [order(user_id=id)])

        with pytest.raises(ReferenceViolation):
            async with work() as unit:
                await unit.sql.execute(delete(users).where(users.c.id == id))

        async with work() as unit:
            assert len(await emails(unit)) == 1

    # Locks

    async def test_a_locked_row_is_others_only_after_the_commit(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)

        async with work() as unit:
            version = await lock(unit, id)
            second = await locking(others, id)
            assert await second.waits()
            await set_version(unit, id, version + 1)

        assert await second.task == version + 1

    async def test_a_locked_row_can_be_read(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)

        async with work() as unit:
            await lock(unit, id)
            await set_version(unit, id, 9)
            async with others() as other:
                assert await other.sql.scalar(select(users.c.version)) == 1

    async def test_a_lock_on_one_row_holds_no_other_up(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory, binding: WorkBinding
    ) -> None:
        first, second = await add_users(work, user("a@b.example"), user("b@b.example"))

        async with work() as unit:
            await lock(unit, first)
            other = await locking(others, second)
            if binding.locks_rows:
                assert await other.task == 1
            else:
                assert await other.waits()

        assert await other.task == 1

    async def test_who_waits_too_long_for_a_lock_loses_all_that_was_done_before(
        self, work: UnitOfWorkFactory, others: UnitOfWorkFactory
    ) -> None:
        id = await add_user(work)
        loop = asyncio.get_running_loop()

        async with work() as unit:
            await lock(unit, id)
            began = loop.time()
            with pytest.raises((LockWaitTimeout, StoreBusy)):
                async with others() as other:
                    # where there is one lock for all, this waits already
                    await other.sql.execute(insert(commands), [command("before")])
                    await lock(other, id)
            waited_s = loop.time() - began

        assert LOCK_WAIT_S - 1.1 < waited_s < LOCK_WAIT_S + 1.5  # MySQL counts whole seconds
        async with others() as unit:
            assert await unit.sql.scalar(select(func.count()).select_from(commands)) == 0

    # Bounds

    async def test_one_bound_holds_around_all_of_a_transaction(self, bench: WorkBench) -> None:
        work = bench.process(timeout_s=0.5, pool_size=1)

        with pytest.raises(TimedOut):
            async with work() as unit:
                await unit.insert(users, [user("a@b.example")])
                await asyncio.Event().wait()

        async with work() as unit:
            assert await emails(unit) == []

    async def test_when_every_connection_is_in_use_that_is_told_in_time(
        self, bench: WorkBench
    ) -> None:
        work = bench.process(pool_size=2)
        loop = asyncio.get_running_loop()

        async with AsyncExitStack() as held:
            for _ in range(2):
                await held.enter_async_context(work())
            began = loop.time()
            with pytest.raises(Unavailable, match="in use"):
                async with work():
                    pass
            assert loop.time() - began < LOCK_WAIT_S + 1

        async with work() as unit:
            assert await emails(unit) == []

    async def test_a_transaction_that_is_canceled_is_undone_and_disturbs_nobody(
        self, bench: WorkBench
    ) -> None:
        work = bench.process(pool_size=1)
        begun = asyncio.Event()

        async def begin() -> None:
            async with work() as unit:
                await unit.insert(users, [user("a@b.example")])
                begun.set()
                await asyncio.Event().wait()

        beginning = asyncio.create_task(begin())
        await begun.wait()
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning

        async with work() as unit:
            assert await emails(unit) == []
            await unit.insert(users, [user("b@b.example")])

    async def test_a_pool_of_one_survives_every_kind_of_end(self, bench: WorkBench) -> None:
        work = bench.process(pool_size=1)
        (id,) = await add_users(work, user("a@b.example"))

        for attempt in ENDINGS:
            with pytest.raises((Refused, UniqueViolation, ReferenceViolation, Unavailable)):
                async with work() as unit:
                    await lock(unit, id)
                    await attempt(unit)

        async with work() as unit:
            assert await lock(unit, id) == 1


async def _refuse(_: UnitOfWork) -> None:
    raise Refused


async def _insert_twice(unit: UnitOfWork) -> None:
    await unit.insert(users, [user("a@b.example")])


async def _refer_to_nothing(unit: UnitOfWork) -> None:
    await unit.insert(orders, [order(user_id=404)])


async def _lose_the_store(_: UnitOfWork) -> None:
    raise Unavailable("as an adapter tells it")


ENDINGS: tuple[Any, ...] = (_refuse, _insert_twice, _refer_to_nothing, _lose_the_store)
