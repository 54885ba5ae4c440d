"""One role in the test's own loop, as if it were a process: it starts, stops, and can be killed.

Killed means: from that moment on nothing of it reaches a store, whatever its code still does.

1. Every fault point of it holds, for ever. 2. Its tasks are canceled: its transactions roll back,
as a server rolls back those of a connection that broke, and its sockets close. 3. It leaves no
group: the others find out when its session ends, or when it comes back under the same name.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from chaos.kit.points import FaultPolicy, Point, faulty_work, with_faults
from system.kit import process, roles
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Middleware
from system.kit.errors import Unavailable
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.kit.ports.log import Log, Message, Partition, Record, Revoked, Subscription
from system.kit.roles import Blueprint

READY_S = 30.0
STOP_S = 12.0
DIE_S = 5.0

OpenParts = Callable[[int], AbstractAsyncContextManager[Parts]]
"""Opens the parts of a process: of this instance of its role."""

_inside: ContextVar[Process | None] = ContextVar("process", default=None)


class RoleFell(Exception):
    """A role ended, and no scenario had asked it to. The cause is what it fell by."""


class Process:
    """A role, from its start to its end. `name` has the instance in it, where there are several."""

    def __init__(
        self,
        role: str,
        open_parts: OpenParts,
        blueprint: Blueprint,
        policy: FaultPolicy,
        instance: int = 1,
    ) -> None:
        self.role = role
        self.suffix = "" if instance == 1 else f"#{instance}"
        self.name = role + self.suffix
        self.dead = False
        self.buried = False
        self.lifespan = Lifespan()
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.memberships: list[AbstractAsyncContextManager[Subscription]] = []
        """Those that it had when it was killed: kept, or they would be left when collected."""
        self._policy = policy
        self._instance = instance
        self._open_parts = open_parts
        self._opened = AsyncExitStack()
        self._blueprint = blueprint
        self._task: asyncio.Task[None] | None = None
        self.url = ""

    def _made_of(self, parts: Parts) -> tuple[Parts, Blueprint]:
        """The parts with their fault points, and the blueprint with those of its lanes.

        A lane's transactions have fault points of their own: `sql.commit` of `ROLE-lane`.
        """
        mortal = replace(
            parts, log=lambda client: _MortalLog(parts.log(client + self.suffix), self)
        )
        faulty = with_faults(mortal, self, self.role)
        of_lane = replace(faulty, work=faulty_work(mortal.work, self, f"{self.role}-lane"))
        own = self._blueprint.write_chain

        def write_chain(made_of: ChainParts) -> list[Middleware]:
            return own(replace(made_of, parts=of_lane))

        return faulty, replace(self._blueprint, write_chain=write_chain)

    async def at(self, point: Point) -> None:
        """Every hop of this process passes here. Implements `points.FaultPolicy`."""
        if not self.dead:
            await self._policy.at(replace(point, process=point.process + self.suffix))
        if self.buried:
            raise Unavailable(f"{self.name} is dead")
        if self.dead:
            await asyncio.Event().wait()

    async def start(self) -> None:
        """Run, and wait until it is ready for work."""
        loop = asyncio.get_running_loop()
        _count_tasks(loop)
        opened = await self._opened.enter_async_context(self._open_parts(self._instance))
        parts, blueprint = self._made_of(opened)
        context = copy_context()
        context.run(_inside.set, self)
        role = context.run(roles.build, self.role, parts, blueprint, self.lifespan)
        self._task = loop.create_task(process.run([role], self.lifespan), context=context)
        ready = asyncio.ensure_future(self.lifespan.all_ready.wait())
        try:
            done = await asyncio.wait(
                [ready, self._task], timeout=READY_S, return_when=asyncio.FIRST_COMPLETED
            )
            assert done[0], (
                f"{self.name} was not ready in time; missing: {self.lifespan.waited_for}"
            )
            if self._task.done():
                await self._task
        finally:
            ready.cancel()
        self.url = f"http://127.0.0.1:{role.http.port}"

    async def stop(self) -> None:
        """Ask it to stop, as SIGTERM does, and wait for its end."""
        self.lifespan.stopping.set()
        try:
            if self._task is not None:
                async with asyncio.timeout(STOP_S):
                    await self._task
        finally:
            await self._opened.aclose()

    @property
    def fell(self) -> RoleFell | None:
        """What ended it before anybody asked it to stop, or killed it."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        fell = RoleFell(self.name)
        fell.__cause__ = self._task.exception()
        return fell

    async def ended(self) -> None:
        """Wait until it has ended, for whatever reason."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def kill(self) -> None:
        """End it here and now, as kill -9 does."""
        self.dead = True
        async with asyncio.timeout(DIE_S):
            while tasks := [task for task in self._own_tasks() if not task.done()]:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=0.1)
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()  # of the dead no errors are told

    async def bury(self) -> None:
        """Give back what it held when it was killed, now that nobody looks any more."""
        self.buried = True
        for membership in self.memberships:
            await membership.__aexit__(None, None, None)
        await self._opened.aclose()

    def _own_tasks(self) -> Collection[asyncio.Task[Any]]:
        if sys.version_info >= (3, 12):  # aiohttp makes its tasks without asking a factory there
            return [task for task in asyncio.all_tasks() if task.get_context().get(_inside) is self]
        return list(self.tasks)


def _count_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let each process know the tasks that it has started."""
    if loop.get_task_factory() is not _task_of_process:
        loop.set_task_factory(_task_of_process)


def _task_of_process(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
    context = options.get("context")
    process = _inside.get() if context is None else context.get(_inside)
    if process is not None:
        process.tasks.add(task)
    return task


class _MortalLog:
    """The log's client of a process, which may die and then takes leave of nobody."""

    def __init__(self, log: Log, process: Process) -> None:
        self._log = log
        self._process = process

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        membership = self._log.subscribe(group, topics, revoked)
        subscription = await membership.__aenter__()
        try:
            yield subscription
        finally:
            if self._process.dead:
                self._process.memberships.append(membership)
            else:
                await membership.__aexit__(*sys.exc_info())

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        return await self._log.publish(messages)

    def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        return self._log.read(*topics, start=start)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        return await self._log.record(partition, offset)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return await self._log.committed(group)

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return await self._log.ends(topics)

    async def ensure(self, topics: Collection[str]) -> None:
        await self._log.ensure(topics)
