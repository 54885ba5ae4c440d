"""Generations of views: one is read, the next one may be being built, from the log's beginning.

A rebuild is a second subscription, `projections.g2` beside `projections.g1`, and takes
nothing away from readers. How a reader never goes back in time:

1. g2 has rehearsed: it came to where the log ended a moment before. What cannot come there, for an
   event that it cannot show, or because it waits for g1, freezes nothing.
2. g1 is frozen: no put lands in it any more. Whatever g1 shows was in the log by then. The log's
   ends are read now, after the freeze.
3. Once g2 has come to those ends it shows all that g1 does, or newer: one compare-and-set
   switches, and fails if the freeze has expired meanwhile. If g2 takes much longer than it did in
   the rehearsal, g1 is let go, and frozen again only after another one and a growing pause.

Clearing g1 at once would show empty lists to readers that still hold its number: it stays until
the next rebuild begins. The first start, and each start of an empty view store, is the same code
with nothing to freeze.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from system.kit.chains import ChainParts, view_chain
from system.kit.delivery.consumer import Chain, Consumer
from system.kit.delivery.dead_letters import DeadLetters, Park
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Step
from system.kit.delivery.middleware.projected import Projection, projected
from system.kit.delivery.patience import Outage
from system.kit.errors import Fenced, Frozen, RebuildInProgress, Stopping, Unavailable
from system.kit.events import Event
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.parts import Parts
from system.kit.ports.log import Log, Partition, Record
from system.kit.ports.views import Generations, ViewStore
from system.kit.steps import chain
from system.kit.timing import TIMING, Timing

NEAR_S = 2.0
"""A rehearsal that takes longer is none."""
FREEZE_S = 5.0
FREEZE_SPARE_S = 0.5
"""A freeze may take this, and twice as long as its rehearsal."""
FREEZE_PAUSE_S = (5.0, 60.0)
"""After a freeze in vain: the first pause, and the longest."""
WATCH_S = 1.0
SWITCH_POLL_S = 0.02
PUT_MAX = 500
"""Events that share a put. It holds no locks that others wait for, so they may be many."""


class BuildFailed(Exception):
    """The generation being built cannot show what the live one does."""


@dataclass(frozen=True, slots=True)
class ProjectionParts:
    parts: Parts
    log: Log
    metrics: Metrics
    logger: Logger
    letters: DeadLetters
    retry_delays_s: Sequence[float]
    events: Mapping[str, type[Event]]
    """The model of each topic."""
    timing: Timing = TIMING

    @property
    def store(self) -> ViewStore:
        return self.parts.views


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild has come. `failure` is why the last one was given up."""

    live: int | None
    building: int | None
    records_read: int
    records_total: int
    failure: str | None


Ends = Callable[[], Awaitable[Mapping[Partition, int]]]
HasReached = Callable[[Mapping[Partition, int]], Awaitable[bool]]


class Rehearsals:
    """Says when to freeze: once it has been tried, without a freeze, how long that would take."""

    def __init__(self) -> None:
        self._ends: Mapping[Partition, int] | None = None
        self._began_at = 0.0
        self._pause_s, self._pause_max_s = FREEZE_PAUSE_S
        self._not_before = 0.0

    async def took_s(self, ends: Ends, has_reached: HasReached) -> float | None:
        """How long the one that has just ended took; None while none has, and in a pause."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            return None
        if self._ends is None:
            self._ends, self._began_at = await ends(), now
            return None
        if not await has_reached(self._ends):
            return None
        self._ends = None
        took_s = now - self._began_at
        return took_s if took_s <= NEAR_S else None

    def was_in_vain(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._pause_max_s)


@dataclass(slots=True)
class _Member:
    """This process's consumer of one generation."""

    lifespan: Lifespan
    task: asyncio.Task[None]
    targets: Mapping[Partition, int] = field(default_factory=dict)
    rehearsals: Rehearsals = field(default_factory=Rehearsals)


class Projecting:
    """Keeps this process's consumers of the live generation and of the one being built."""

    def __init__(
        self, consumer: str, projections: Mapping[str, Sequence[Projection]], parts: ProjectionParts
    ) -> None:
        self.name = consumer
        self._projections = projections
        self._parts = parts
        self._members: dict[int, _Member] = {}
        self._live: int | None = None
        self._cleared_for: int | None = None
        self._failure: str | None = None
        self._begun = asyncio.Event()
        """A rebuild was begun in this process: there is something to follow."""

    async def run(self, lifespan: Lifespan) -> None:
        outage = Outage(self._parts.logger, "generations cannot be read")
        with suppress(Stopping):
            while not lifespan.stopping.is_set():
                self._begun.clear()  # before looking, so that one begun from here on wakes
                try:
                    building = await self._watch_once(lifespan)
                except Unavailable as away:
                    outage.goes_on(away)
                    building = False
                else:
                    outage.is_over()
                await lifespan.sleep(
                    self._parts.timing.build_watch_s if building else WATCH_S, self._begun
                )
        await self._stop(list(self._members))

    async def rebuild(self) -> int:
        """Begin a new generation; its number. Raises RebuildInProgress, Unavailable."""
        store = self._parts.store
        old = await store.generations()
        if old.building is not None:
            raise RebuildInProgress(f"generation {old.building} is being built")
        number = old.last + 1
        while await self._parts.log.committed(self._group(number)):
            number += 1  # a group of that name has read before: its offsets are not ours
        if not await store.switch(old, Generations(old.live, number, number)):
            raise RebuildInProgress("another process has just begun")
        self._failure = None
        self._begun.set()
        self._parts.logger.info("rebuild begun", generation=number)
        return number

    async def progress(self) -> Progress:
        generations = await self._parts.store.generations()
        ends = await self._parts.log.ends(self._projections)
        read = 0
        if generations.building is not None:
            read = sum(
                (await self._parts.log.committed(self._group(generations.building))).values()
            )
        return Progress(
            generations.live, generations.building, read, sum(ends.values()), self._failure
        )

    async def _watch_once(self, lifespan: Lifespan) -> bool:
        """Follow the generations, and bring the one being built on; whether there is one."""
        generations = await self._parts.store.generations()
        if generations.live is None and generations.building is None:
            with suppress(RebuildInProgress):
                await self.rebuild()
            return True
        await self._follow(generations)
        self._live = generations.live
        if generations.live is not None:
            lifespan.ready(self.name)
        if generations.building is None:
            return False
        await self._clear_old(generations)
        try:
            self._raise_if_broken(generations.building)
            await self._switch_when_built(generations, generations.building, lifespan)
        except BuildFailed as failed:
            await self._give_up(generations, failed)
        return True

    async def _clear_old(self, generations: Generations) -> None:
        """Drop what no reader reads, once a build: here, where a store that is away is waited for."""
        if self._cleared_for == generations.building:
            return
        for number in range(1, generations.last):
            if number not in (generations.live, generations.building):
                await self._parts.store.clear(number)
        self._cleared_for = generations.building

    async def _follow(self, generations: Generations) -> None:
        wanted = {generations.live, generations.building} - {None}
        await self._stop([number for number in self._members if number not in wanted])
        for number in sorted(number for number in wanted if number is not None):
            if number not in self._members:
                await self._start(number)
            elif number == generations.live:
                self._raise_if_broken(number)

    async def _start(self, number: int) -> None:
        targets = await self._parts.log.ends(self._projections)
        lifespan = Lifespan()
        park = self._park_of(number)
        consumer = Consumer(
            f"{self.name} g{number}",
            self._group(number),
            {topic: self._chain(topic, number, park) for topic in self._projections},
            log=self._parts.log,
            metrics=self._parts.metrics,
            logger=self._parts.logger,
            batch_max=PUT_MAX,
            timing=self._parts.timing,
        )
        self._members[number] = _Member(
            lifespan, asyncio.create_task(consumer.run(lifespan)), targets
        )

    def _chain(self, topic: str, number: int, park: Park) -> Chain:
        parts = self._parts

        def lane(lifespan: Lifespan) -> Step:
            made_of = ChainParts(
                consumer=self.name,
                parts=parts.parts,
                park=park,
                retry_delays_s=parts.retry_delays_s,
                metrics=parts.metrics,
                logger=parts.logger,
                lifespan=lifespan,
                events=parts.events,
            )
            return chain(
                view_chain(made_of),
                projected(
                    self._projections[topic],
                    parts.store.generation(number),
                    is_read=lambda: self._live == number,
                    world=parts.parts.world,
                    metrics=parts.metrics,
                ),
            )

        return lane

    def _park_of(self, number: int) -> Park:
        """What becomes of a message that this generation cannot show.

        It depends on what the generation is by then: one that was built and is live now parks like
        any consumer. One that is being built parks nothing: it passes over what the live one has
        parked, and what the live one has shown, and this one cannot, ends the build. The first one
        has no live one beside it and parks, but for what an earlier run has parked.
        """
        parked = self._parts.letters.parked(self._projections)

        async def park(record: Record, failure: Failure) -> None:
            live = (await self._parts.store.generations()).live
            if live == number:
                return await self._parts.letters.park(record, failure)
            if await parked.has(record):
                return None
            if live is None:
                return await self._parts.letters.park(record, failure)
            shown = await self._parts.log.committed(self._group(live))
            if shown.get(record.partition, 0) <= record.offset:
                raise Unavailable("the live generation has not come here yet")
            if await parked.has_by_now(record):
                return None
            place = f"{record.partition.topic} {record.partition.number} {record.offset}"
            raise BuildFailed(f"{place}: {failure.text}") from failure.error

        return park

    async def _switch_when_built(
        self, generations: Generations, building: int, lifespan: Lifespan
    ) -> None:
        if generations.live is None:
            if await self._has_reached(building, self._members[building].targets):
                await self._switch(generations, building)
            return
        rehearsals = self._members[building].rehearsals
        took_s = await rehearsals.took_s(
            partial(self._parts.log.ends, self._projections), partial(self._has_reached, building)
        )
        if took_s is not None:
            await self._freeze_and_switch(generations, generations.live, building, took_s, lifespan)

    async def _freeze_and_switch(
        self,
        generations: Generations,
        live: int,
        building: int,
        rehearsed_s: float,
        lifespan: Lifespan,
    ) -> None:
        store = self._parts.store
        try:
            freeze = await store.freeze(live, FREEZE_S)
        except Frozen:  # by another process, which is about to switch
            return self._members[building].rehearsals.was_in_vain()
        try:
            ends = await self._parts.log.ends(self._projections)
            async with asyncio.timeout(min(FREEZE_S, 2 * rehearsed_s + FREEZE_SPARE_S)):
                while not await self._has_reached(building, ends):
                    self._raise_if_broken(building)
                    await lifespan.sleep(SWITCH_POLL_S)
            await self._switch(generations, building, freeze)
        except TimeoutError:
            self._members[building].rehearsals.was_in_vain()
            self._parts.logger.warning("not switched in time, to be tried again")
        finally:
            await store.thaw(live, freeze)

    async def _switch(
        self, generations: Generations, building: int, freeze: str | None = None
    ) -> None:
        new = Generations(building, None, generations.last)
        if await self._parts.store.switch(generations, new, freeze=freeze):
            self._parts.logger.info("views switched", generation=building)

    async def _has_reached(self, number: int, offsets: Mapping[Partition, int]) -> bool:
        committed = await self._parts.log.committed(self._group(number))
        return all(committed.get(place, 0) >= offset for place, offset in offsets.items())

    async def _give_up(self, generations: Generations, failed: BuildFailed) -> None:
        self._failure = str(failed)
        self._parts.logger.error(
            "rebuild given up", generation=generations.building, error=self._failure
        )
        await self._parts.store.switch(
            generations, Generations(generations.live, None, generations.last)
        )

    def _raise_if_broken(self, number: int) -> None:
        task = self._members[number].task
        if task.done() and (broken := task.exception()):
            raise broken

    async def _stop(self, numbers: Sequence[int]) -> None:
        """End these consumers; the lanes and the group have bounds of their own."""
        members = [self._members.pop(number) for number in numbers]
        for member in members:
            member.lifespan.stopping.set()
        results = await asyncio.gather(*(member.task for member in members), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, Fenced | BuildFailed):
                raise result

    def _group(self, number: int) -> str:
        return f"{self.name}.g{number}"
