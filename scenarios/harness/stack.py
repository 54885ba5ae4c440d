"""A running system for scenarios: eight roles with their APIs, and a window onto the stores.

All roles run in the test's own loop, each as a process of its own that can be stopped and killed;
on the embedded parts, or on real servers, where each process has pools and clients of its own.
What a stack cannot do, it does not claim among its abilities.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from scenarios.harness.client import Client, sends_once
from scenarios.harness.fault_rules import Switchboard
from scenarios.harness.given import Given
from scenarios.harness.history import History
from scenarios.harness.process import OpenParts, Process, RoleFell
from scenarios.harness.settled import Reading, Waits, eventually, waits
from system.events import EVENTS, TOPICS
from system.kit import process, stacks
from system.kit.chains import ChainParts, write_chain
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import without_replay
from system.kit.delivery.middleware import Middleware
from system.kit.delivery.outbox import Unsent
from system.kit.delivery.relay import leases
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.kit.ports.log import Log, Message, Record
from system.kit.ports.views import Document, ViewStore
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.roles import Blueprint
from system.kit.stacks import StackError
from system.kit.table import Row, System
from system.kit.values import loads
from system.roles import QUERY_CONSUMER, ROLES
from system.settings import Settings, load_settings
from system.table import SHOP, TABLE

_IN_THE_LOOP = frozenset({"faults", "kills", "stops", "handlers", "data"})
ABILITIES: Mapping[str, frozenset[str]] = {
    "embedded": _IN_THE_LOOP,
    "local": _IN_THE_LOOP,
    "docker": _IN_THE_LOOP,
    "addresses": _IN_THE_LOOP,
}
"""What each stack can do beyond HTTP; a scenario names what it needs by `@pytest.mark.needs`."""

ALL_ROLES = tuple(spec.name for spec in ROLES)
QUICK = Settings().model_copy(update={"port": 0, "retry_delays_s": (0.01, 0.01, 0.01, 0.01, 0.01)})
"""Free ports, and short pauses between retries: for where the real ones are not the point."""

recent: list[Stack] = []
"""The stacks that the running test has used, for its history."""
witnesses: list[Callable[[Stack], Awaitable[None]]] = []
"""They look at each stack at its end: its roles are dead then, and its stores still there.

Whoever judges stacks from above, as the contracts do, adds itself; no scenario knows of it.
"""
put_in: set[Message] = set()
"""What scenarios of this run have made up and put into a log: poison, and what is no event."""


def was_put_in(message: Message) -> bool:
    """Whether a scenario made this message up. A dead letter of it that is replayed still is it."""
    return message in put_in or without_replay(message) in put_in


@dataclass(frozen=True)
class StackOptions:
    """How a stack shall be, where it shall not be as always."""

    settings: Settings = QUICK
    table: Sequence[Row] = TABLE
    write_chain: Callable[[ChainParts], list[Middleware]] = write_chain
    data: Path | None = None
    """The data directory, to be found again by a stack that is started later."""
    roles: Collection[str] = ALL_ROLES
    """What runs from the start."""

    @property
    def system(self) -> System:
        return replace(SHOP, rows=self.table)


@dataclass(eq=False)
class Stack:
    """The handle of a running system."""

    client: Client
    given: Given
    history: History
    faults: Switchboard
    log: Log
    views: ViewStore
    work: UnitOfWorkFactory
    _open_parts: OpenParts
    _options: StackOptions
    _processes: dict[str, Process]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _dead: list[Process] = field(default_factory=list)
    _fallen: list[RoleFell] = field(default_factory=list)
    broker: str | None = None
    """Where another system's producer would find the log, on servers, …"""
    prefix: str = ""
    """… and what its topics' names begin with there."""

    # --- roles ------------------------------------------------------------------------------------

    async def start(self, role: str, instance: int = 1) -> None:
        """Start a role, or another instance of it."""
        blueprint = Blueprint(
            self._options.system, self._options.settings, self._options.write_chain
        )
        process = Process(role, self._open_parts, blueprint, self.faults, instance)
        assert process.name not in self._processes, f"{process.name} runs already"
        self._processes[process.name] = process
        await process.start()

    async def stop(self, name: str) -> None:
        """Ask a role to stop, and wait for its end."""
        await self._processes.pop(name).stop()

    async def kill(self, name: str) -> None:
        """Let a role die at once, in whatever it was doing."""
        process = self._processes.pop(name)
        self._dead.append(process)
        if fell := process.fell:
            self._fallen.append(fell)
        await process.kill()

    async def ended(self, name: str) -> None:
        """Wait until a role ends by itself."""
        await self._processes[name].ended()

    async def restart(self, name: str) -> None:
        await self.stop(name)
        await self.start(name)

    async def kill_all(self) -> None:
        for name in list(self._processes):
            await self.kill(name)

    def url(self, role: str) -> str:
        return self._processes[role].url

    def is_running(self, role: str) -> bool:
        return any(process.role == role for process in self._processes.values())

    async def end(self) -> None:
        """End all of it at once: what stopping takes is for other scenarios to see.

        Raises what roles fell by: their clients saw no more of it than a refused connection.
        """
        await self.kill_all()
        await asyncio.gather(*(process.bury() for process in self._dead))
        if self._fallen:
            raise ExceptionGroup("roles ended by themselves", self._fallen)

    # --- causes -----------------------------------------------------------------------------------

    async def settled(self, *, deadline_s: float | None = None) -> None:
        """Wait until nothing is under way between the roles that run: outboxes empty, lag zero."""
        await eventually(self._waits, lambda waits: not waits, deadline_s=deadline_s)

    async def _waits(self) -> Waits:
        readings = [
            Reading(role, topics)
            for role in ALL_ROLES
            if self.is_running(role) and (topics := self._options.system.handlers_of(role).keys())
        ]
        generations = await self.views.generations()
        if self.is_running(QUERY_CONSUMER):
            readings.append(Reading(f"{QUERY_CONSUMER}.g{generations.live}", TOPICS))
        relayed = [spec.relays for spec in ROLES if spec.relays and self.is_running(spec.name)]
        return await waits(self.log, self.work, readings, relayed)

    # --- stores -----------------------------------------------------------------------------------

    async def records(self, topic: str, key: int | None = None) -> list[Record]:
        """What lies in a topic, per partition in order; of one key, or all."""
        wanted = None if key is None else str(key).encode()
        found = [record async for record in self.log.read(topic)]
        return [record for record in found if wanted in (None, record.message.key)]

    async def events(self, topic: str, key: int) -> list[dict[str, Any]]:
        """The events of a topic and key as they were told, each once however often it lies there."""
        found = [loads(record.message.value) for record in await self.records(topic, key)]
        return list({event["event_id"]: event for event in found}.values())

    async def unsent(self, topic: str, key: int) -> list[Message]:
        """What the outbox still holds of one topic and key."""
        rows: list[Unsent] = []
        async with self.work() as unit:
            for aggregate in {event.aggregate for event in EVENTS if event.type == topic}:
                rows += await outbox.unsent(unit.sql, aggregate, limit=10_000)
        messages = [row.message for row in rows]
        return [
            message for message in messages if (message.topic, int(message.key)) == (topic, key)
        ]

    async def deliver(self, *messages: Message) -> None:
        """Put messages into the log that no outbox ever held: they are never judged as ours."""
        put_in.update(messages)
        await self._publish(*messages)

    async def deliver_early(self, topic: str, key: int) -> None:
        """Deliver what the outbox still holds, before all that should come first."""
        messages = await self.unsent(topic, key)
        assert messages, f"no {topic} of {key} waits in the outbox"
        await self._publish(*messages)

    async def deliver_again(self, topic: str, key: int, times: int = 1) -> None:
        """Deliver the events of a topic and key once more, as they lie in the log."""
        messages = [record.message for record in await self.records(topic, key)]
        assert messages, f"there was no {topic} of {key}"
        await self._publish(*(messages * times))

    async def _publish(self, *messages: Message) -> None:
        assert await self.log.publish(messages) == [None] * len(messages)

    async def document(self, view: str, key: int) -> Document | None:
        """What the live views hold, shown or not."""
        live = (await self.views.generations()).live
        assert live is not None, "no generation of views is live"
        return (await self.views.generation(live).get(view, [key])).get(key)

    async def letters(self, consumer: str) -> list[dict[str, Any]]:
        """The open dead letters of one consumer."""
        found: list[dict[str, Any]] = (
            (await self.client.letters(consumer)).ok().body["dead_letters"]
        )
        return found

    async def end_leases(self) -> None:
        """Let the leases of all relays be over, as after the three seconds that they last."""
        async with self.work() as unit:
            long_ago = unit.now.at - timedelta(hours=1)
            await unit.sql.execute(update(leases).values(expires_at=long_ago))

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        """All rows of a table of the write model."""
        async with self.work() as unit:
            return [dict(row._mapping) for row in await unit.sql.execute(select(table))]


@asynccontextmanager
async def embedded(options: StackOptions) -> AsyncIterator[Stack]:
    """On SQLite, the embedded log and views, which all processes share."""
    async with (
        stacks.embedded(options.settings, SHOP.all_topics, options.data) as parts,
        _running(options, parts, lambda _: nullcontext(parts)) as stack,
    ):
        yield stack


@asynccontextmanager
async def started(options: StackOptions) -> AsyncIterator[Stack]:
    """On the servers that this run has started, without containers or in them."""
    from scenarios.harness.servers import shared  # noqa: PLC0415 (drivers, for these stacks only)

    servers = await shared.servers()
    async with _on_servers(Settings.model_validate(servers.environment()), options) as stack:
        yield stack


@asynccontextmanager
async def addresses(options: StackOptions) -> AsyncIterator[Stack]:
    """On the servers at MYSQL_DSN, KAFKA_BROKERS and MONGO_URI."""
    missing = {"MYSQL_DSN", "KAFKA_BROKERS", "MONGO_URI"} - os.environ.keys()
    if missing:
        raise StackError(f"--stack addresses needs {', '.join(sorted(missing))} to be set")
    async with _on_servers(load_settings(None), options) as stack:
        yield stack


@asynccontextmanager
async def _on_servers(servers: Settings, options: StackOptions) -> AsyncIterator[Stack]:
    """Each process with clients of its own, as in reality; all in a place that is theirs alone."""
    from scenarios.harness.namespace import places  # noqa: PLC0415 (drivers, for these stacks only)

    async with places.place(servers, options.data) as place:

        def open_parts(instance: int) -> AbstractAsyncContextManager[Parts]:
            return place.parts(options.settings, instance=str(instance))

        async with place.parts(options.settings, instance="scenario") as parts:
            await process.prepared(ROLES, parts, Lifespan())
            async with _running(options, parts, open_parts) as stack:
                stack.broker, stack.prefix = servers.kafka_brokers[0], f"{place.prefix}."
                yield stack


@asynccontextmanager
async def _running(
    options: StackOptions, parts: Parts, open_parts: OpenParts
) -> AsyncIterator[Stack]:
    """All roles in the running loop, on free ports; `parts` are those of the handle."""
    async with sends_once() as session:
        log = parts.log("scenario")
        history = History(log, parts.views)
        processes: dict[str, Process] = {}
        client = Client(lambda role: processes[role].url, session, note=history.asked.append)
        stack = Stack(
            client,
            Given(client),
            history,
            Switchboard(),
            log,
            parts.views,
            parts.work,
            open_parts,
            options,
            processes,
        )
        recent.append(stack)
        await history.begin()
        try:
            await asyncio.gather(*(stack.start(role) for role in options.roles))
            yield stack
        except BaseException:
            await history.keep()
            raise
        finally:
            await stack.end()
        for look in witnesses:
            await look(stack)


STACKS: Mapping[str, Callable[[StackOptions], Any]] = {
    "embedded": embedded,
    "local": started,
    "docker": started,
    "addresses": addresses,
}
