"""What only a database server can do to its clients, and how the write model takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from contracts.ports.databases import Database
from contracts.ports.work_suite import (
    NOTHING_SPECIAL,
    Refused,
    add_user,
    add_users,
    command,
    emails,
    event,
    lock,
    user,
)
from scenarios.harness.servers import MariaDB, ProxiedSql
from system.kit import stacks
from system.kit.adapters.sql import work as work_sql
from system.kit.adapters.sql.work import UnfitDatabase, create_tables
from system.kit.columns import metadata
from system.kit.commands.idempotency import commands
from system.kit.errors import Conflict, OutcomeUnknown, TimedOut, Unavailable
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.stacks import StackError
from system.settings import Settings
from system.table import SHOP
from system.users.store import users

pytestmark = pytest.mark.stack("local")

BOUND_S = 1.5
"""Of one transaction that meets a server which does not answer."""
THROW_AWAY_S = 2.0
"""What throwing its connection away may take on top."""
BACK_S = 20.0
MAX_CONNECTIONS = 1_000
"""Of the servers of these tests."""


@asynccontextmanager
async def setting(sql: ProxiedSql, name: str, value: int, *, usual: int) -> AsyncIterator[None]:
    """The server with another global setting, which new sessions have."""
    await sql.server.run(f"SET GLOBAL {name} = {value}", user="root")
    try:
        yield
    finally:
        await sql.server.run(f"SET GLOBAL {name} = {usual}", user="root")


@asynccontextmanager
async def held(database: Database, lock: str, unlock: str) -> AsyncIterator[None]:
    """What the superuser's session holds meanwhile."""
    url = database.engine().url.set(username="root", password="", database=None)
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(lock))
            yield
            await connection.execute(text(unlock))
    finally:
        await engine.dispose()


async def within(seconds: float, action: Awaitable[object]) -> None:
    """Fail if it takes longer, whatever comes of it."""
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            await action
    finally:
        assert not bound.expired(), f"it took longer than {seconds} s"


async def ask(work: UnitOfWorkFactory) -> list[str]:
    async with work() as unit:
        return await emails(unit)


async def ask_until_it_answers(work: UnitOfWorkFactory) -> list[str]:
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await ask(work)
            except Unavailable:
                await asyncio.sleep(0.05)


# Sessions


async def test_every_session_is_set_up_as_the_system_needs_it(database: Database) -> None:
    wanted = {
        "transaction_isolation": "READ-COMMITTED",
        "innodb_lock_wait_timeout": 3,
        "lock_wait_timeout": 6,
        "wait_timeout": 30,
        "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
        "time_zone": "+00:00",
        "character_set_client": "utf8mb4",
        "autocommit": 0,
    }
    async with database.work()() as unit:
        if isinstance(database.sql.server, MariaDB):
            wanted["tx_isolation"] = wanted.pop("transaction_isolation")
        variables = ", ".join(f"@@SESSION.{name} AS {name}" for name in wanted)
        (found,) = (await unit.sql.execute(text(f"SELECT {variables}"))).mappings()

    assert dict(found) == wanted


# Locks


async def test_of_two_that_lock_crosswise_one_has_a_conflict_and_the_other_goes_on(
    database: Database,
) -> None:
    work = database.work()
    ids = await add_users(work, user("a@b.example"), user("b@b.example"))
    both_hold_one = asyncio.Barrier(2)

    async def lock_both(first: int, second: int) -> str:
        async with work() as unit:
            await lock(unit, first)
            await both_hold_one.wait()
            await lock(unit, second)
        return "went on"

    ends = await asyncio.gather(
        lock_both(ids[0], ids[1]), lock_both(ids[1], ids[0]), return_exceptions=True
    )

    assert "went on" in ends
    assert [type(end) for end in ends if end != "went on"] == [Conflict]


async def test_a_ghosts_locks_end_with_its_session(database: Database) -> None:
    work = database.work()
    id = await add_user(work)
    ghost = await database.engine(pool_size=1).connect()
    await ghost.execute(text("SET SESSION wait_timeout = 1"))
    await ghost.execute(select(users.c.id).where(users.c.id == id).with_for_update())

    async with work() as unit:  # waits at most as long as a lock may be waited for
        assert await lock(unit, id) == 1

    await ghost.invalidate()
    await ghost.close()


# Queries cut off


# Tables that others have locked


@pytest.mark.parametrize("how", ["WRITE", "READ"])
async def test_a_table_that_is_locked_is_no_sign_of_death_and_not_writable(
    database: Database, how: str
) -> None:
    work = database.work(timeout_s=BOUND_S)
    async with database.engine().connect() as other:
        await other.execute(text(f"LOCK TABLES users {how}"))
        await work.probe()
        with pytest.raises(Unavailable, match="lets no one write"):
            await within(BOUND_S + THROW_AWAY_S, work.writable())
        await other.execute(text("UNLOCK TABLES"))
    await work.writable()


async def test_a_backups_lock_on_all_tables_is_not_writable(database: Database) -> None:
    work = database.work(timeout_s=BOUND_S)
    async with held(database, "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"):
        await work.probe()
        with pytest.raises(Unavailable, match="lets no one write"):
            await within(BOUND_S + THROW_AWAY_S, work.writable())
    await work.writable()


@pytest.mark.filterwarnings("ignore:.*PROCESSLIST.*:Warning")  # the other one MariaDB has not
async def test_who_waited_for_a_table_and_has_left_takes_no_connection_for_long(
    database: Database,
) -> None:
    work = database.work(timeout_s=BOUND_S)
    waits = (
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%users%'"  # noqa: S608
        f" AND db = '{database.name}' AND command <> 'Sleep'"
    )
    async with database.engine().connect() as other:
        await other.execute(text("LOCK TABLES users WRITE"))
        for _ in range(3):
            with pytest.raises(TimedOut):
                await ask(work)
        async with asyncio.timeout(BACK_S):
            while await database.sql.server.ask(waits, user="root"):
                await asyncio.sleep(0.1)
        await other.execute(text("UNLOCK TABLES"))


async def test_tables_that_cannot_be_made_now_are_waited_for(empty: Database) -> None:
    async with held(empty, "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"):
        with pytest.raises(Unavailable, match="cannot be made now"):
            await create_tables(empty.engine(timeout_s=0.5))
    await create_tables(empty.engine())


async def test_a_query_cut_off_leaves_its_answer_to_nobody(database: Database) -> None:
    work = database.work(pool_size=1)
    before = await connection_id(work)
    asked = asyncio.Event()

    async def ask_slowly() -> None:
        async with work() as unit:
            asked.set()
            await unit.sql.execute(text("SELECT SLEEP(0.5), 'of another'"))

    asking = asyncio.create_task(ask_slowly())
    await asked.wait()
    await asyncio.sleep(0.1)  # so that the query is on its way, not before it
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    async with work() as unit:
        assert await unit.sql.scalar(text("SELECT 'own'")) == "own"
    assert await connection_id(work) != before


async def connection_id(work: UnitOfWorkFactory) -> int:
    async with work() as unit:
        return int(await unit.sql.scalar(text("SELECT CONNECTION_ID()")) or 0)


async def test_a_query_that_takes_too_long_is_told_and_its_connection_thrown_away(
    database: Database,
) -> None:
    work = database.work(pool_size=1, timeout_s=0.5)
    before = await connection_id(work)

    with pytest.raises(TimedOut):
        async with work() as unit:
            await unit.sql.execute(text("SELECT SLEEP(2)"))

    assert await connection_id(work) != before


async def test_a_connection_that_ended_well_is_used_again(database: Database) -> None:
    work = database.work(pool_size=1)
    before = await connection_id(work)

    with pytest.raises(Refused):
        async with work():
            raise Refused

    assert await connection_id(work) == before


async def test_a_commit_costs_one_trip_and_no_rollback_after_it(database: Database) -> None:
    work = database.work(pool_size=1)
    await ask(work)

    async with work() as unit:
        before = await rollbacks(unit)
    async with work() as unit:
        assert await rollbacks(unit) == before


async def rollbacks(unit: UnitOfWork) -> int:
    rows = await unit.sql.execute(text("SHOW SESSION STATUS LIKE 'Com_rollback'"))
    return int(rows.one()[1])


# The server away


async def test_a_server_that_was_killed_is_unavailable_and_back_it_works(
    database: Database,
) -> None:
    work = database.work()
    id = await add_user(work)
    async with asyncio.TaskGroup() as several:
        for _ in range(4):
            several.create_task(ask(work))
    async with work() as unit:
        await unit.sql.execute(delete(users).where(users.c.id == id))

    await database.sql.server.kill()
    for _ in range(6):  # one more than the pool has
        with pytest.raises(Unavailable):
            await within(1, ask(work))
    with pytest.raises(Unavailable):
        await work.probe()
    await database.sql.server.start()

    assert await ask_until_it_answers(work) == []
    await work.probe()
    assert await add_user(work) > id  # ids of deleted rows are not given again after a restart


async def test_a_sign_of_life_takes_no_connection_of_the_pool(database: Database) -> None:
    work = database.work(pool_size=1)
    async with work() as unit:
        await unit.sql.execute(text("SELECT 1"))
        assert work.connections_in_use() == 1
        await within(1, work.probe())


async def test_a_sign_of_life_is_not_asked_of_a_connection_that_broke(database: Database) -> None:
    work = database.work(proxied=True, pool_size=1)
    await ask(work)
    await database.sql.toxiproxy.set_up(database.sql.proxy, up=False)
    await database.sql.toxiproxy.set_up(database.sql.proxy, up=True)

    await work.probe()
    with pytest.raises(Unavailable):
        await ask(work)


async def test_a_transaction_that_loses_its_server_is_unavailable_and_undone(
    database: Database,
) -> None:
    work = database.work()

    with pytest.raises(Unavailable) as lost:
        async with work() as unit:
            await unit.insert(users, [user("a@b.example")])
            await database.sql.server.kill()
            await unit.insert(users, [user("b@b.example")])
    await database.sql.server.start()

    assert not isinstance(lost.value, OutcomeUnknown)
    assert await ask_until_it_answers(work) == []


async def test_a_proxy_that_refuses_is_unavailable_at_once(database: Database) -> None:
    work = database.work(proxied=True)
    await ask(work)

    await database.sql.toxiproxy.set_up(database.sql.proxy, up=False)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await within(1, ask(work))
    await database.heal()

    assert await ask(work) == []


async def test_a_server_that_takes_no_writes_is_unavailable(database: Database) -> None:
    async with setting(database.sql, "read_only", 1, usual=0):
        with pytest.raises(Unavailable, match="read-only"):
            await add_user(database.work())

    await add_user(database.work())


async def test_a_server_with_too_many_connections_is_unavailable(database: Database) -> None:
    at_most = 10  # the least that MariaDB can be told
    async with (
        setting(database.sql, "max_connections", at_most, usual=MAX_CONNECTIONS),
        AsyncExitStack() as others,
    ):
        with pytest.raises(Unavailable, match="Too many connections"):
            for _ in range(at_most + 1):
                _ = await others.enter_async_context(database.work()())

    assert await ask(database.work()) == []


# Connections half open: what is sent is never answered


async def nothing(_: UnitOfWork) -> None:
    """Do nothing more before COMMIT."""


async def refuse(_: UnitOfWork) -> None:
    raise Refused


async def read(unit: UnitOfWork) -> None:
    await emails(unit)


async def think(_: UnitOfWork) -> None:
    """Be cut off by the bound outside of a query."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("then", "told"),
    [(read, TimedOut), (think, TimedOut), (refuse, TimedOut), (nothing, OutcomeUnknown)],
)
async def test_a_connection_that_falls_silent_is_told_in_time_and_thrown_away(
    database: Database,
    then: Callable[[UnitOfWork], Awaitable[None]],
    told: type[Exception],
) -> None:
    work = database.work(proxied=True, pool_size=1, timeout_s=BOUND_S)

    async def fall_silent() -> None:
        async with work() as unit:
            await unit.insert(users, [user("a@b.example")])
            await database.spoil("timeout", timeout=0)
            await then(unit)

    with pytest.raises(told) as raised:
        await within(BOUND_S + THROW_AWAY_S + 0.5, fall_silent())
    await database.heal()

    assert type(raised.value) is told
    await ask_until_it_answers(work)


async def test_a_server_that_is_silent_from_the_first_byte_is_told_in_time(
    database: Database,
) -> None:
    work = database.work(proxied=True, pool_size=1, timeout_s=BOUND_S)
    await database.spoil("timeout", timeout=0)

    for _ in range(2):
        with pytest.raises(TimedOut):
            await within(BOUND_S + THROW_AWAY_S, ask(work))
    with pytest.raises(Unavailable):
        await within(BOUND_S + THROW_AWAY_S, work.probe())
    await database.heal()

    assert await ask(work) == []


# COMMIT


async def test_a_commit_whose_answer_is_lost_has_an_unknown_outcome_and_is_done(
    database: Database,
) -> None:
    work = database.work(proxied=True)

    with pytest.raises(OutcomeUnknown):
        async with work() as unit:
            await unit.insert(users, [user("a@b.example")])
            await database.spoil("limit_data", bytes=0)  # closes at the next byte of an answer
    await database.heal()

    assert await ask_until_it_answers(work) == ["a@b.example"]


async def test_a_commit_that_is_lost_on_its_way_has_an_unknown_outcome_and_is_not_done(
    database: Database,
) -> None:
    work = database.work(proxied=True, timeout_s=BOUND_S)

    with pytest.raises(OutcomeUnknown):
        async with work() as unit:
            await unit.insert(users, [user("a@b.example")])
            await database.spoil("timeout", stream="upstream", timeout=0)
    await database.heal()

    assert await ask_until_it_answers(work) == []
    async with work() as unit:  # waits for the ghost, should it still be there
        await unit.insert(users, [user("a@b.example")])


async def test_events_lost_before_commit_was_sent_are_no_unknown_outcome(
    database: Database,
) -> None:
    work = database.work(proxied=True, timeout_s=BOUND_S)

    with pytest.raises(Unavailable) as lost:
        async with work() as unit:
            await unit.insert(commands, [command("a")])
            unit.emit(event(1, 1), because=NOTHING_SPECIAL)
            await database.spoil("limit_data", bytes=0)
    await database.heal()

    assert not isinstance(lost.value, OutcomeUnknown)
    async with work() as unit:
        assert await unit.sql.scalar(select(func.count()).select_from(commands)) == 0


# Start


async def test_eight_processes_make_the_tables_at_once(empty: Database) -> None:
    for _ in range(3):
        await asyncio.gather(*(create_tables(empty.engine(pool_size=1)) for _ in range(8)))

        async with empty.engine().connect() as connection:
            names = set((await connection.execute(text("SHOW TABLES"))).scalars())
            assert names == set(metadata.tables)
            await connection.run_sync(metadata.drop_all)


async def test_tables_that_are_there_are_left_alone(database: Database) -> None:
    await add_user(database.work())
    await create_tables(database.engine())

    assert await ask(database.work()) == ["a@b.example"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE users DROP COLUMN name", "users .*: lacks name; change the table by hand"),
        ("ALTER TABLE users ADD COLUMN nick INT", "users .*: has nick; change the table by hand"),
    ],
)
async def test_tables_of_another_version_are_refused(
    empty: Database, change: str, said: str
) -> None:
    await create_tables(empty.engine())
    async with empty.engine().begin() as connection:
        await connection.execute(text(change))

    with pytest.raises(UnfitDatabase, match=said):
        await create_tables(empty.engine())


async def test_a_lock_that_another_start_holds_is_waited_for_in_time(empty: Database) -> None:
    async with empty.engine().connect() as other:
        name = {"name": f"tables of {empty.name}"}
        assert await other.scalar(text("SELECT GET_LOCK(:name, 0)"), name) == 1

        with pytest.raises(Unavailable):
            await within(2, create_tables(empty.engine(), timeout_s=1))
        await other.invalidate()

    await create_tables(empty.engine())


async def test_a_step_of_ids_other_than_one_is_refused(empty: Database) -> None:
    async with setting(empty.sql, "auto_increment_increment", 2, usual=1):
        with pytest.raises(UnfitDatabase, match="auto_increment_increment is 2; it must be 1"):
            await create_tables(empty.engine())


async def test_a_server_that_rolls_back_all_when_a_lock_is_waited_for_too_long_is_refused(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it can be set at the server's start alone, so what is wanted is set instead
    monkeypatch.setitem(work_sql.VARIABLES, "innodb_rollback_on_timeout", (1, "for this test"))
    with pytest.raises(UnfitDatabase, match="innodb_rollback_on_timeout is 0; it must be 1, for"):
        await create_tables(empty.engine())


async def test_a_server_that_is_too_old_is_refused(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for least in ("MYSQL_LEAST", "MARIADB_LEAST"):
        monkeypatch.setattr(work_sql, least, (99, 1))

    with pytest.raises(UnfitDatabase, match=r"its version is \d+\.\d+.*; the least is 99\.1"):
        await create_tables(empty.engine())


@pytest.mark.parametrize(
    ("part", "wrong", "reason"),
    [
        (":ecommerce@", ":another@", "Access denied"),
        ("ecommerce:", "somebody:", "Access denied"),
        ("/ecommerce_", "/ecommerce-", "Unknown database"),
        ("/ecommerce_", "/another_", "Access denied"),
    ],
)
async def test_a_database_that_refuses_ends_a_start_with_one_line(
    empty: Database, part: str, wrong: str, reason: str
) -> None:
    settings = Settings(mysql_dsn=SecretStr(empty.dsn().replace(part, wrong)))

    async with stacks.servers(settings, SHOP.all_topics) as parts:
        with pytest.raises(StackError) as refused:
            await parts.prepare()

    said = str(refused.value)
    assert said.startswith(f"cannot use the database at {empty.sql.server.address}: {reason}")
    assert "\n" not in said
