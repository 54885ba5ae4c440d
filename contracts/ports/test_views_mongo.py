"""What only a real server can do to its client, and how the view store takes it."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pydantic import SecretStr
from pymongo import UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from scenarios.harness.servers import DocumentDB, Servers, shared
from system.kit import stacks
from system.kit.adapters.mongo import views as views_mongo
from system.kit.adapters.mongo.views import CALL_S, STALE_S, MongoViewStore, Refused
from system.kit.errors import Frozen, Misconfigured, TimedOut, Unavailable
from system.kit.ports.views import Generations, Put
from system.kit.stacks import StackError
from system.settings import Settings
from system.table import SHOP

pytestmark = pytest.mark.stack("local")

LIVE = 1
DEADLINE_S = 30.0
LONG_S = 60.0
BOUND_S = 6.0
"""Of one call, with something on top for a busy machine."""


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    servers = await shared.servers()
    yield servers
    await servers.toxiproxy.heal()
    await servers.mongo.start()


@pytest.fixture
def database() -> str:
    return f"views-{uuid4().hex[:12]}"


@pytest.fixture
async def store(servers: Servers, database: str) -> AsyncIterator[MongoViewStore]:
    """A process's store that reaches its server through Toxiproxy."""
    uri = servers.environment(proxied=True, views=database)["MONGO_URI"]
    store = MongoViewStore(uri, member="through-the-proxy")
    yield store
    await store.close()


@pytest.fixture
async def other(servers: Servers, database: str) -> AsyncIterator[MongoViewStore]:
    """Another process's store, which no toxic harms."""
    uri = servers.environment(views=database)["MONGO_URI"]
    other = MongoViewStore(uri, member="direct")
    assert await other.switch(Generations(), Generations(LIVE, None, LIVE))
    yield other
    with suppress(Unavailable):
        await other.drop()
    await other.close()


class Commands(CommandListener):
    """Hears what a client asks of its server."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not looked at."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not looked at."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What the stores that a test makes itself ask of their server."""
    commands = Commands()
    listening = partial(AsyncIOMotorClient, event_listeners=[commands])
    monkeypatch.setattr(views_mongo, "AsyncIOMotorClient", listening)
    return commands


def put(version: int, key: int = 1) -> Put:
    return Put("orders", key, "self", version, {"n": version})


async def versions(store: MongoViewStore, keys: range = range(1, 2)) -> dict[int, int]:
    found = await store.generation(LIVE).get("orders", keys)
    return {key: document.versions["self"] for key, document in found.items()}


async def put_until_refused(store: MongoViewStore, one: Put) -> None:
    """The engine's workers answer until they see that it is gone."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await store.generation(LIVE).put([one])


async def put_again_and_again(store: MongoViewStore, *puts: Put) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await store.generation(LIVE).put(puts)
            except Unavailable:
                await asyncio.sleep(0.1)


async def test_what_was_acknowledged_is_there_after_a_crash(
    servers: Servers, store: MongoViewStore, other: MongoViewStore
) -> None:
    await store.generation(LIVE).put([put(1, key) for key in range(1, 101)])

    await servers.mongo.kill()
    with pytest.raises(Unavailable):
        await store.generation(LIVE).put([put(2)])
    await servers.mongo.start()

    await put_again_and_again(store, put(3))
    assert await versions(other, range(1, 101)) == {1: 3} | dict.fromkeys(range(2, 101), 1)


@pytest.mark.parametrize("call", ["put", "get", "page", "generations", "freeze", "ping"])
async def test_a_server_that_answers_nothing_ends_each_call_in_time(
    servers: Servers, store: MongoViewStore, other: MongoViewStore, call: str
) -> None:
    views = store.generation(LIVE)
    await views.put([put(1)])
    calls = {
        "put": lambda: views.put([put(2)]),
        "get": lambda: views.get("orders", [1]),
        "page": lambda: views.page("orders", after=0, limit=1, having=(), where={}),
        "generations": store.generations,
        "freeze": lambda: store.freeze(LIVE, 5),
        "ping": store.ping,
    }
    await servers.toxiproxy.spoil("mongo", "timeout", timeout=0)

    began = time.monotonic()
    with pytest.raises(Unavailable):
        await calls[call]()
    took_s = time.monotonic() - began
    await servers.toxiproxy.heal()

    assert took_s < BOUND_S
    await put_again_and_again(store, put(3))
    assert await versions(other) == {1: 3}


async def test_connections_that_break_all_the_time_lose_nothing(
    servers: Servers, store: MongoViewStore, other: MongoViewStore
) -> None:
    writing = asyncio.gather(
        *(put_again_and_again(store, *(put(9, key), put(3, key))) for key in range(1, 41))
    )
    for _ in range(3):
        await servers.toxiproxy.spoil("mongo", "reset_peer", timeout=5)
        await asyncio.sleep(0.2)
        await servers.toxiproxy.heal()
        await asyncio.sleep(0.2)
    await writing

    assert await versions(other, range(1, 41)) == dict.fromkeys(range(1, 41), 9)


async def test_two_writers_of_the_same_documents_do_not_wait_for_each_other_for_ever(
    store: MongoViewStore, other: MongoViewStore
) -> None:
    """Where a bulk is one transaction, two that lock in different orders would deadlock."""
    keys = range(1, 101)

    async def write(writer: MongoViewStore, part: str, order: Sequence[int]) -> None:
        for version in range(1, 11):
            puts = [Put("orders", key, part, version, {"n": version}) for key in order]
            await writer.generation(LIVE).put(puts)

    await asyncio.gather(write(store, "self", keys), write(other, "names", keys[::-1]))

    found = await other.generation(LIVE).get("orders", keys)
    assert [dict(found[key].versions) for key in keys] == [{"self": 10, "names": 10}] * len(keys)


async def test_an_engine_that_is_gone_behind_its_server_is_an_outage(
    servers: Servers, store: MongoViewStore, other: MongoViewStore
) -> None:
    if not isinstance(servers.mongo, DocumentDB):
        pytest.skip(f"not applicable: {servers.mongo.product} is one process")
    await store.generation(LIVE).put([put(1)])

    await servers.mongo.postgres.kill()
    with pytest.raises(Unavailable):
        await put_until_refused(store, put(2))
    await servers.mongo.kill()
    await servers.mongo.start()

    await put_again_and_again(store, put(3))
    assert await versions(other) == {1: 3}


async def test_a_page_asks_for_no_more_than_it_shows(
    servers: Servers, database: str, commands: Commands
) -> None:
    store = MongoViewStore(servers.environment(views=database)["MONGO_URI"])

    await store.generation(LIVE).page("orders", after=0, limit=2, having=(), where={})
    await store.close()

    assert [command.get("limit") for command in commands.commands if "find" in command] == [2]


async def test_a_freeze_waits_for_a_put_of_another_process(
    servers: Servers, store: MongoViewStore, other: MongoViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_mongo, "STAY_S", CALL_S - 2)
    await store.generation(LIVE).put([put(1)])
    await servers.toxiproxy.spoil("mongo", "latency", stream="upstream", latency=400)
    putting = asyncio.create_task(store.generation(LIVE).put([put(2)]))
    await asyncio.sleep(0.2)  # the process has entered with its first, and the write is on its way
    assert await versions(other) == {1: 1}

    await other.freeze(LIVE, 60)

    assert await versions(other) == {1: 2}
    await putting


async def test_a_put_whose_connection_broke_may_still_land(
    store: MongoViewStore, other: MongoViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(views_mongo, "write", breaks)
    with pytest.raises(Unavailable):
        await store.generation(LIVE).put([put(1)])

    with pytest.raises(TimedOut):
        await other.freeze(LIVE, CALL_S)


async def test_a_put_that_was_refused_is_not_under_way_any_more(
    store: MongoViewStore, other: MongoViewStore
) -> None:
    with pytest.raises(OverflowError):
        await store.generation(LIVE).put([Put("orders", 1, "self", 1, {"n": 2**64})])

    await other.freeze(LIVE, CALL_S)


async def test_a_put_whose_document_another_part_made_meanwhile_is_not_lost(
    other: MongoViewStore,
) -> None:
    """MongoDB looks and inserts in two steps; between them another's insert may come."""
    raced = Raced(other.collection(LIVE, "orders"), Put("orders", 1, "stock", 1, {}))

    await views_mongo.write(raced, [put(1), Put("orders", 1, "names", 1, {})])  # type: ignore[arg-type]

    (document,) = (await other.generation(LIVE).get("orders", [1])).values()
    assert document.versions == {"self": 1, "names": 1, "stock": 1}


async def test_parts_of_one_document_are_put_by_one_update(other: MongoViewStore) -> None:
    collection = other.collection(LIVE, "orders")
    counted = Counted(collection)
    puts = [Put("orders", key, part, 1, {}) for key in (1, 2, 3) for part in ("self", "names")]

    await views_mongo.write(counted, puts)  # type: ignore[arg-type]

    assert counted.updates == [3]
    assert await versions(other, range(1, 4)) == {1: 1, 2: 1, 3: 1}


class Counted:
    """A collection that counts the updates of each of its bulks."""

    def __init__(self, collection: AsyncIOMotorCollection[Any]) -> None:
        self._collection = collection
        self.updates: list[int] = []

    async def bulk_write(self, updates: Sequence[UpdateOne], *, ordered: bool) -> None:
        self.updates.append(len(updates))
        await self._collection.bulk_write(updates, ordered=ordered)


class Raced:
    """A collection whose first write finds that another's insert was faster."""

    def __init__(self, collection: AsyncIOMotorCollection[Any], faster: Put) -> None:
        self._collection = collection
        self._faster: Put | None = faster

    async def bulk_write(self, updates: Sequence[UpdateOne], *, ordered: bool) -> None:
        if self._faster is not None:
            faster, self._faster = self._faster, None
            await views_mongo.write(self._collection, [faster])
            raise BulkWriteError({"writeErrors": [{"index": 0, "code": 11000}]})
        await self._collection.bulk_write(updates, ordered=ordered)


async def test_an_error_does_not_quote_what_was_put(store: MongoViewStore) -> None:
    names = [{"name": "Ada Lovelace"}, {"name": "Grace Hopper"}]
    views = store.generation(LIVE)
    await views.put([Put("users", 1, "self", 1, names[0])])

    with pytest.raises(Refused) as refused:
        await views.put([Put("users", 1, "self.name.x", 1, names[1])])

    told = "".join(traceback.format_exception(refused.value))
    assert "code " in told
    assert "Ada" not in told
    assert "Grace" not in told


@pytest.mark.parametrize(("code", "kind"), [(28, Refused), (91, Unavailable)])
async def test_an_error_tells_its_code_and_what_the_server_says_of_it(
    code: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as refused:
        await views_mongo.write(Refusing(code), [put(1)])  # type: ignore[arg-type]

    told = "".join(traceback.format_exception(refused.value))
    assert f"Cannot create field 'x' in element (code {code})" in told
    assert "Ada" not in told


class Refusing:
    """A collection that takes nothing, and quotes what it was sent."""

    def __init__(self, code: int) -> None:
        self._code = code

    async def bulk_write(self, _: Sequence[UpdateOne], *, ordered: bool) -> None:
        error = {
            "index": 0,
            "code": self._code,
            "errmsg": "Cannot create field 'x' in element {name: \"Ada\"}",
            "op": {"u": {"$set": {"parts.self": {"name": "Ada"}}}, "ordered": ordered},
        }
        raise BulkWriteError({"writeErrors": [error]})


async def test_a_put_without_an_answer_fails_a_freeze_and_not_for_ever(
    servers: Servers, store: MongoViewStore, other: MongoViewStore
) -> None:
    await store.generation(LIVE).put([put(1)])
    await servers.toxiproxy.spoil("mongo", "timeout", stream="downstream", timeout=0)
    with pytest.raises(Unavailable):
        await store.generation(LIVE).put([put(2)])

    with pytest.raises(TimedOut):
        await other.freeze(LIVE, CALL_S)

    await other.generation(LIVE).put([put(1, 2)])  # it has thawed
    await asyncio.sleep(STALE_S)
    with suppress(TimedOut):  # the look that finds the name too old
        await other.thaw(LIVE, await other.freeze(LIVE, CALL_S))
    await other.freeze(LIVE, CALL_S)


async def test_a_freeze_whose_owner_died_ends_and_its_switch_is_refused(
    store: MongoViewStore, other: MongoViewStore
) -> None:
    freeze = await other.freeze(LIVE, 0.5)

    await put_again_and_again(store, put(1))

    old, new = Generations(LIVE, None, LIVE), Generations(2, None, 2)
    assert not await other.switch(old, new, freeze=freeze)
    assert await versions(other) == {1: 1}


async def test_names_of_puts_without_an_answer_do_not_pile_up(
    store: MongoViewStore, other: MongoViewStore
) -> None:
    store.may_still_land(LIVE, await store.enter(LIVE))
    await asyncio.sleep(STALE_S)

    await store.generation(LIVE).put([put(1)])

    await other.freeze(LIVE, CALL_S)


async def test_nor_does_that_of_a_put_that_landed_and_could_not_leave(
    servers: Servers,
    store: MongoViewStore,
    other: MongoViewStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def written(*put: Any) -> None:
        await write(*put)
        await servers.toxiproxy.spoil("mongo", "timeout", stream="upstream", timeout=0)

    write = views_mongo.write
    monkeypatch.setattr(views_mongo, "write", written)
    await store.generation(LIVE).put([put(1)])
    with pytest.raises(TimedOut):
        await other.freeze(LIVE, CALL_S)
    await servers.toxiproxy.heal()
    monkeypatch.setattr(views_mongo, "write", write)
    await asyncio.sleep(STALE_S)

    await put_again_and_again(store, put(2))

    await store.freeze(LIVE, 1)  # by one that has not seen the name for long


async def test_puts_that_follow_each_other_enter_once(
    servers: Servers, database: str, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_mongo, "STAY_S", LONG_S)
    store = MongoViewStore(servers.environment(views=database)["MONGO_URI"])
    views = store.generation(LIVE)

    await asyncio.gather(*(views.put([put(1, key)]) for key in range(1, 4)))
    await views.put([put(2)])

    updates = [each for command in commands.commands for each in command.get("updates", ())]
    assert len([update for update in updates if f"puts.{LIVE}." in str(update)]) == 1
    await store.drop()
    await store.close()


async def test_a_process_that_puts_nothing_more_leaves_by_itself(
    store: MongoViewStore, other: MongoViewStore
) -> None:
    await store.generation(LIVE).put([put(1)])

    await other.freeze(LIVE, CALL_S)

    with pytest.raises(Frozen):
        await store.generation(LIVE).put([put(2)])
    assert await versions(other) == {1: 1}


async def test_a_process_that_ends_leaves_at_once(
    servers: Servers, database: str, other: MongoViewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_mongo, "STAY_S", LONG_S)
    ending = MongoViewStore(servers.environment(views=database)["MONGO_URI"])
    await ending.generation(LIVE).put([put(1)])

    await ending.close()

    await other.freeze(LIVE, CALL_S)


async def test_the_mark_of_a_time_is_no_name_for_a_field(store: MongoViewStore) -> None:
    with pytest.raises(ValueError, match="@time"):
        await store.generation(LIVE).put([Put("orders", 1, "self", 1, {"@time": "now"})])


async def test_a_wrong_password_ends_a_start_with_one_line(servers: Servers) -> None:
    if not isinstance(servers.mongo, DocumentDB):
        pytest.skip("the other servers let everybody in")
    uri = servers.environment()["MONGO_URI"].replace("//admin:admin@", "//admin:wrong@")
    async with stacks.servers(Settings(mongo_uri=SecretStr(uri)), SHOP.all_topics) as parts:
        with pytest.raises(StackError) as refused:
            await parts.prepare(tables=False, topics=False)

    assert str(refused.value).startswith("cannot use the views at MONGO_URI: a sign of life: ")
    assert "(code 18)" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_views_that_are_away_end_no_start() -> None:
    uri = "mongodb://localhost:1/ecommerce"
    async with stacks.servers(Settings(mongo_uri=SecretStr(uri)), SHOP.all_topics) as parts:
        await parts.prepare(tables=False, topics=False)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:secret@localhost:99999/e",
        "mongodb://u:secret@localhost:x/e",
        "mongodb://u:secret@localhost/e?unheardof=1",
        "mongodb://u:secret@localhost/e?w=-1",
        "mongodb://u:secret@localhost/e?authMechanism=NONE",
        "mongodb://u:sec%ret@localhost/e",
        "mongodb+srv://localhost:1/e",
    ],
)
def test_a_bad_address_or_option_is_one_line(uri: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        MongoViewStore(uri)

    assert str(refused.value).startswith("MONGO_URI cannot be used: ")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
