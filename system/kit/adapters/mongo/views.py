"""The view store on MongoDB, by motor. PyMongo's own async client can take motor's place here.

A document is `{_id: key, versions: {part: version}, parts: {part: fields or null}}`, in one
collection per generation and view. Everything about generations is in one document, so that each
step below is atomic, and no step compares the clocks of two machines.

How a freeze lets no put land. A process (1) enters a name among the generation's `puts`, unless the
generation is frozen: one atomic update; (2) writes, and writes on for as long as its stay lasts, a
second; (3) takes the name out, once none of its puts is under way. `freeze` (a) marks the generation,
then (b) waits until no name is left.

- 1 before a: the freeze finds the name and waits for 3. 1 after a: the put is refused.
- The process that freezes ends its own stay; it waits for that of another, a second at the most.
- A put whose answer was lost leaves the name for as long as it may still land; so does a process
  that dies between 1 and 3. Such a freeze times out and thaws. A name that was seen for longer
  than any put may take is taken out, so that the next freeze goes through.
- A freeze has a token, and only who knows it thaws. A generation has one freeze at a time.
- The freezer dies: a member that has seen the same freeze for longer than it may last takes it off with
  its next put or freeze. `switch` demands the freeze of its own token, in the same document: once
  that is off, puts may have landed that the new generation has not seen. A switch also retires the
  generation that was live: its puts are refused from then on.

What remains: a request that sat in the network for longer than any put may take, and lands just
between a freeze and its switch. It shows nothing that the log did not hold when the freeze began,
and before it switches, the new generation has come to the log's ends as of then.
"""

from __future__ import annotations

import asyncio
import re
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import uuid4

from bson import Decimal128
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, UpdateOne, WriteConcern
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from system.kit.errors import Fenced, Frozen, Misconfigured, TimedOut, Unavailable
from system.kit.ports.views import Document, Fields, Generations, Put, Views
from system.kit.turns import in_turns
from system.kit.values import timestamp

DATABASE = "ecommerce"
WAIT_MS = 2_000
"""Of each step of the driver: finding a server, connecting, an answer."""
CALL_S = 5.0
"""Of each call of the port."""
STAY_S = 1.0
"""So long a process stays among the puts of a generation: those that follow need not enter again."""
STALE_S = STAY_S + CALL_S + 1.0
"""A put's name that is older has no put any more that a caller waits for."""
LOOK_S = 0.01
LEAVE_S = 1.0
"""The bound on leaving when the process stops."""

POINTER = {"_id": "generations"}
DUPLICATE_KEY = 11000
CLOSED = frozenset(
    {
        13,  # Unauthorized
        18,  # AuthenticationFailed
    }
)
AWAY = CLOSED | frozenset(
    {
        1,  # InternalError: what FerretDB says of everything while its engine is away
        6,  # HostUnreachable
        7,  # HostNotFound
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace
        16908292,  # FerretDB, while its engine starts or shuts down
    }
)
"""What the server says when it is the server's trouble, and not that of what it was asked for."""

Raw = dict[str, Any]  # BSON
Parts = tuple[Put, ...]
"""Puts of one document, each of another part."""
TIME = "@time"
"""BSON's dates have milliseconds only. A time is `{"@time": RFC 3339}`, with microseconds."""


class Refused(Exception):
    """The server does not do what it was asked for."""


class UnfitViews(Unavailable):
    """The server is there and refuses this login; waiting alone will not fix that."""


def _client(uri: str) -> AsyncIOMotorClient[Raw]:
    """Raises Misconfigured. The driver connects later, and only warns of options unknown to it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return AsyncIOMotorClient(
                uri,
                serverSelectionTimeoutMS=WAIT_MS,
                connectTimeoutMS=WAIT_MS,
                socketTimeoutMS=WAIT_MS,
                waitQueueTimeoutMS=WAIT_MS,
                retryWrites=False,  # the caller tries again, and knows that it may repeat
            )
    except (PyMongoError, ValueError, TypeError, UserWarning) as error:
        reason = " ".join(str(error).split())
        raise Misconfigured(f"MONGO_URI cannot be used: {reason}") from None


@asynccontextmanager
async def bounded(what: str, bound_s: float = CALL_S) -> AsyncIterator[None]:
    """Hold a call to its bound, and say the driver's errors in the port's kinds."""
    try:
        async with asyncio.timeout(bound_s):
            yield
    except (TimeoutError, NetworkTimeout, ExecutionTimeout, WaitQueueTimeoutError) as error:
        raise TimedOut(f"{what}: not done in time") from error
    except ConnectionFailure as error:
        raise Unavailable(f"{what}: {error}") from error
    except OperationFailure as error:
        is_away = isinstance(error, WriteConcernError) or error.code in AWAY
        kind = UnfitViews if error.code in CLOSED else Unavailable if is_away else Refused
        raise kind(f"{what}: {said(error.details)}") from None


def said(of: Mapping[str, Any] | None) -> str:
    """What the server says of an error, without the values that it quotes: people's data.

    The driver's own text quotes them, too. So the driver's error is no cause of ours either.
    """
    text, code = (of or {}).get("errmsg", ""), (of or {}).get("code")
    return re.split(r'[{"]', text, maxsplit=1)[0].rstrip(" :") + f" (code {code})"


class Stay:
    """One process's stay among the puts of a generation: until it is over, puts may join it."""

    def __init__(self, number: int, name: str, ends_at: float) -> None:
        self.number = number
        self.name = name
        self.keeps_its_name = False
        """A put of it may still land."""
        self._ends_at = ends_at
        self._under_way = 0
        self._over = asyncio.Event()
        self._empty = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._over.is_set() or asyncio.get_running_loop().time() >= self._ends_at

    def end(self) -> None:
        """Let no put join it any more."""
        self._over.set()

    def join(self) -> None:
        self._under_way += 1
        self._empty.clear()

    def part(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._empty.set()

    def may_still_land(self) -> None:
        self.keeps_its_name = True
        self.end()

    async def ended(self) -> None:
        """Wait until it is over, and the last put has parted."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._ends_at):
                await self._over.wait()
        self.end()
        await self._empty.wait()


class MongoViewStore:
    """All generations of views in one database, that of the URI."""

    def __init__(self, uri: str, *, member: str = "") -> None:
        self._member = re.sub(r"[^\w-]", "_", member)  # part of a field's name
        self._client = _client(uri)
        # Acknowledged means on the disk of a majority: an offset is committed after the put.
        self._database = self._client.get_default_database(
            DATABASE, write_concern=WriteConcern(w="majority", j=True)
        )
        self._pointer = self._database["generations"]
        self._pointer_is_there = False
        self._indexed: set[tuple[str, str]] = set()
        self._freeze_seen: dict[str, float] = {}
        self._puts_seen: dict[str, float] = {}
        self._entering = asyncio.Lock()
        self._stays: dict[int, Stay] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._unanswered: dict[str, float] = {}
        """Where the names of our own puts are that may still land, and since when."""

    def generation(self, number: int) -> Views:
        return MongoViews(self, number)

    async def generations(self) -> Generations:
        async with bounded("reading the generations"):
            found = await self._pointer.find_one(POINTER, {"live": 1, "building": 1, "last": 1})
        if found is None:
            return Generations()
        return Generations(found.get("live"), found.get("building"), found.get("last", 0))

    async def switch(
        self, old: Generations, new: Generations, *, freeze: str | None = None
    ) -> bool:
        holds: Raw = {"live": old.live, "building": old.building, "last": old.last}
        change: Raw = {"$set": {"live": new.live, "building": new.building, "last": new.last}}
        if new.live != old.live and old.live is not None:
            if freeze is None:
                return False
            holds[f"frozen.{old.live}.token"] = freeze
            change["$set"][f"retired.{old.live}"] = True
        async with bounded("switching generations"):
            await self._ensure_pointer()
            switched = await self._pointer.update_one(POINTER | holds, change)
        return switched.matched_count == 1

    async def freeze(self, number: int, seconds: float) -> str:
        token = uuid4().hex
        mark = {"token": token, "seconds": seconds}
        async with bounded(f"freezing generation {number}"):
            await self._ensure_pointer()
            if not await self._marked(number, mark):
                await self._end_if_expired(number)
                if not await self._marked(number, mark):
                    raise Frozen(f"generation {number} is frozen already")
        if (own := self._stays.get(number)) is not None:
            own.end()
        try:
            bound_s = min(seconds, CALL_S)
            async with bounded(f"waiting for puts into generation {number}", bound_s):
                await self._until_none_is_under_way(number)
        except Unavailable:
            await self.thaw(number, token)
            raise
        return token

    async def _marked(self, number: int, mark: Raw) -> bool:
        marked = await self._pointer.update_one(
            POINTER | {f"frozen.{number}": {"$exists": False}},
            {"$set": {f"frozen.{number}": mark}},
        )
        return marked.matched_count == 1

    async def thaw(self, number: int, freeze: str) -> None:
        async with bounded(f"thawing generation {number}"):
            await self._thaw(number, freeze)

    async def _thaw(self, number: int, freeze: str) -> None:
        await self._pointer.update_one(
            POINTER | {f"frozen.{number}.token": freeze}, {"$unset": {f"frozen.{number}": ""}}
        )

    async def _until_none_is_under_way(self, number: int) -> None:
        now = asyncio.get_running_loop().time
        while True:
            found = await self._pointer.find_one(POINTER, {f"puts.{number}": 1}) or {}
            under_way = set(found.get("puts", {}).get(str(number), {}))
            if not under_way:
                return
            self._puts_seen = {name: self._puts_seen.get(name, now()) for name in under_way}
            for name, seen_at in self._puts_seen.items():
                if now() - seen_at > STALE_S:
                    await self.leave(number, name)
            await asyncio.sleep(LOOK_S)

    @asynccontextmanager
    async def putting(self, number: int) -> AsyncIterator[None]:
        """Be among the generation's puts meanwhile. Raises Frozen, Fenced."""
        async with self._entering:  # puts that wait here for each other share a stay
            stay = self._stays.get(number)
            if stay is None or stay.is_over:
                ends_at = asyncio.get_running_loop().time() + STAY_S  # its name may be seen by now
                stay = self._stays[number] = Stay(number, await self.enter(number), ends_at)
                leaving = asyncio.create_task(self._leave_after(stay))
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)
            stay.join()
        try:
            yield
        except (ConnectionFailure, asyncio.CancelledError):  # canceled: its time is up
            stay.may_still_land()
            self.may_still_land(number, stay.name)
            raise
        finally:
            stay.part()

    async def _leave_after(self, stay: Stay) -> None:
        """Take a stay's name out when its time is over, and no put of it is under way any more."""
        await stay.ended()
        if not stay.keeps_its_name:
            with suppress(Unavailable):  # its name is noted, and goes with a later one's entry
                async with bounded(f"leaving generation {stay.number}"):
                    await self.leave(stay.number, stay.name)

    async def enter(self, number: int) -> str:
        """Announce a put; the name to leave with. Raises Frozen, Fenced."""
        await self._ensure_pointer()
        name = f"{self._member}-{uuid4().hex}"
        if await self._entered(number, name):
            return name
        await self._end_if_expired(number)
        if await self._entered(number, name):
            return name
        if await self._is_retired(number):
            raise Fenced(f"another generation is live in the place of {number}")
        raise Frozen(f"generation {number} takes no puts for now")

    async def _entered(self, number: int, name: str) -> bool:
        closed = ("frozen", "retired")
        now = asyncio.get_running_loop().time()
        stale = [place for place, since in self._unanswered.items() if now - since > STALE_S]
        change: Raw = {"$set": {f"puts.{number}.{name}": True}}
        if stale:
            change["$unset"] = dict.fromkeys(stale, "")
        entered = await self._pointer.update_one(
            POINTER | {f"{reason}.{number}": {"$exists": False} for reason in closed}, change
        )
        if entered.matched_count == 0:
            return False
        for place in stale:
            self._unanswered.pop(place, None)
        return True

    def may_still_land(self, number: int, name: str) -> None:
        """Note a put or a leave without an answer: the name stays, and goes with a later put."""
        self._unanswered[f"puts.{number}.{name}"] = asyncio.get_running_loop().time()

    async def leave(self, number: int, name: str) -> None:
        try:
            await self._pointer.update_one(POINTER, {"$unset": {f"puts.{number}.{name}": ""}})
        except BaseException:  # canceled, too: its time is up
            self.may_still_land(number, name)
            raise

    async def _is_retired(self, number: int) -> bool:
        found = await self._pointer.find_one(POINTER, {f"retired.{number}": 1}) or {}
        return str(number) in found.get("retired", {})

    async def _end_if_expired(self, number: int) -> None:
        """Take a freeze off that this process has seen for longer than it may last."""
        found = await self._pointer.find_one(POINTER, {f"frozen.{number}": 1}) or {}
        mark = found.get("frozen", {}).get(str(number))
        if mark is None:
            return
        now = asyncio.get_running_loop().time()
        seen_at = self._freeze_seen.get(mark["token"], now)
        if now - seen_at < mark["seconds"]:
            self._freeze_seen = {mark["token"]: seen_at}
            return
        await self._thaw(number, mark["token"])

    async def _ensure_pointer(self) -> None:
        if self._pointer_is_there:
            return
        empty = {"live": None, "building": None, "last": 0}
        with suppress(DuplicateKeyError):  # another process was faster
            await self._pointer.update_one(POINTER, {"$setOnInsert": empty}, upsert=True)
        self._pointer_is_there = True

    async def clear(self, number: int) -> None:
        async with bounded(f"clearing generation {number}"):
            for name in await self._database.list_collection_names():
                if name.startswith(f"g{number}_"):
                    await self._database.drop_collection(name)
            self._indexed = {i for i in self._indexed if not i[0].startswith(f"g{number}_")}
            about = {f"{field}.{number}": "" for field in ("frozen", "puts")}
            await self._pointer.update_one(POINTER, {"$unset": about})

    async def ping(self) -> None:
        async with bounded("a sign of life"):
            await self._database.command("ping")

    def collection(self, number: int, view: str) -> AsyncIOMotorCollection[Raw]:
        return self._database[f"g{number}_{view}"]

    async def index(self, collection: AsyncIOMotorCollection[Raw], place: str) -> None:
        """Have pages by this value without a walk through all documents."""
        if (collection.name, place) not in self._indexed:
            await collection.create_index([(place, ASCENDING), ("_id", ASCENDING)])
            self._indexed.add((collection.name, place))

    async def drop(self) -> None:
        """Delete the whole database: for tests."""
        await self._client.drop_database(self._database.name)

    async def close(self) -> None:
        for stay in self._stays.values():
            stay.end()
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=LEAVE_S)
            for leaving in late:
                leaving.cancel()
        self._client.close()


class MongoViews:
    """One generation."""

    def __init__(self, store: MongoViewStore, number: int) -> None:
        self._store = store
        self._number = number

    async def put(self, puts: Sequence[Put]) -> None:
        by_view: defaultdict[str, list[Put]] = defaultdict(list)
        for put in newest(puts):
            by_view[put.view].append(put)
        if not by_view:
            return
        async with (
            bounded(f"putting into generation {self._number}"),
            self._store.putting(self._number),
        ):
            # One after the other: an error leaves no other write behind.
            for view, of_view in by_view.items():
                await write(self._store.collection(self._number, view), of_view)

    async def get(self, view: str, keys: Collection[int]) -> Mapping[int, Document]:
        if not keys:
            return {}
        collection = self._store.collection(self._number, view)
        async with bounded(f"reading {view}"):
            found = await collection.find({"_id": {"$in": list(keys)}}).to_list(None)
        return {document.key: document async for document in in_turns(map(decoded, found))}

    async def page(
        self, view: str, *, after: int, limit: int, having: Collection[str], where: Fields
    ) -> Sequence[Document]:
        collection = self._store.collection(self._number, view)
        wanted: Raw = {"_id": {"$gt": after}}
        wanted |= {f"parts.{part}": {"$ne": None} for part in having}
        wanted |= {f"parts.{place}": encode(value) for place, value in where.items()}
        async with bounded(f"reading a page of {view}"):
            for place in where:
                await self._store.index(collection, f"parts.{place}")
            found = await collection.find(wanted).sort("_id", ASCENDING).limit(limit).to_list(None)
        return [decoded(each) async for each in in_turns(found)]


def newest(puts: Sequence[Put]) -> Collection[Put]:
    """Of puts that meet in a part, the one that would win; sorted by key."""
    winners: dict[tuple[str, int, str], Put] = {}
    for put in puts:
        place = (put.view, put.key, put.part)
        if place not in winners or winners[place].version < put.version:
            winners[place] = put
    # Where a bulk is one transaction, as in DocumentDB, two that lock the same documents, each
    # beginning with another, would wait for each other.
    return sorted(winners.values(), key=lambda put: put.key)


async def write(collection: AsyncIOMotorCollection[Raw], puts: Sequence[Put]) -> None:
    """Write each put whose version is newer; puts of one document, which stand together, at once."""
    of_documents = [tuple(parts) for _, parts in groupby(puts, key=lambda put: put.key)]
    refused = await _bulk(collection, of_documents, upsert=True)
    # The document exists, but the puts did not match it: because one of them is stale, or because
    # another part's put made the document between this one's look and its insert. The others must
    # not be lost, so each is tried by itself; without an upsert a stale one changes nothing.
    apart = [(put,) for parts in refused for put in parts]
    if apart:
        await _bulk(collection, apart, upsert=False)


async def _bulk(
    collection: AsyncIOMotorCollection[Raw], puts: Sequence[Parts], *, upsert: bool
) -> list[Parts]:
    """Those that were refused because their document exists."""
    try:
        await collection.bulk_write(
            [_update(parts, upsert=upsert) for parts in puts], ordered=False
        )
    except BulkWriteError as error:
        details = error.details or {}
        others = [e for e in details["writeErrors"] if e["code"] != DUPLICATE_KEY]
        away = [*details.get("writeConcernErrors", ()), *(e for e in others if e["code"] in AWAY)]
        if away:
            raise Unavailable(f"a put was not acknowledged: {said(away[0])}") from None
        if others:
            raise Refused(f"a put was refused: {said(others[0])}") from None
        return [puts[e["index"]] for e in details["writeErrors"]]
    return []


def _update(parts: Parts, *, upsert: bool) -> UpdateOne:
    wanted: Raw = {"_id": parts[0].key}
    change: Raw = {}
    for put in parts:
        # `$lt` alone would miss a part that is not there yet.
        wanted[f"versions.{put.part}"] = {"$not": {"$gte": put.version}}
        change[f"parts.{put.part}"] = encode(put.fields)
        change[f"versions.{put.part}"] = put.version
    return UpdateOne(wanted, {"$set": change}, upsert=upsert)


def encode(value: Any) -> Any:  # JSON values of any shape, Decimal and datetime; BSON
    match value:
        case Mapping():
            if TIME in value:
                raise ValueError(f"{TIME} is no name for a field: it marks a time")
            return {name: encode(member) for name, member in value.items()}
        case list() | tuple():
            return [encode(member) for member in value]
        case Decimal():
            return Decimal128(value)
        case datetime():
            return {TIME: timestamp(value)}
        case _:
            return value


def decode(value: Any) -> Any:
    match value:
        case {"@time": str(moment)}:
            return datetime.fromisoformat(moment).astimezone(UTC)
        case dict():
            return {name: decode(member) for name, member in value.items()}
        case list():
            return [decode(member) for member in value]
        case Decimal128():
            return value.to_decimal()
        case bool():
            return value
        case int():
            return int(value)  # not bson's Int64
        case _:
            return value


def decoded(found: Raw) -> Document:
    return Document(decode(found["_id"]), decode(found["parts"]), decode(found["versions"]))
