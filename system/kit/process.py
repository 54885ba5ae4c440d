"""Processes: the services of several roles in one loop, from their start to their end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from functools import partial

from system.kit import logs
from system.kit.delivery.patience import patiently
from system.kit.errors import Fenced, Stopping
from system.kit.lifespan import Lifespan, Service
from system.kit.parts import Parts
from system.kit.roles import Role
from system.kit.spec import RoleSpec
from system.kit.stacks import SERVERS_HINT, StackError

GC_THRESHOLDS = (20_000, 20, 50)
"""Python's own are 700, 10, 10: with them every few thousand requests wait for a full collection."""


async def run(roles: Sequence[Role], lifespan: Lifespan) -> None:
    """Run the services of these roles until the process is asked to stop, or one of them fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for made in roles:
                group.create_task(_of_role(made.name, made.http, lifespan), name=made.http.name)
            # a process whose ports are taken disturbs no other: it takes no group and no lease
            for made in roles:
                await made.http.listening.wait()
            for made in roles:
                for service in made.services:
                    if service is not made.http:
                        group.create_task(_of_role(made.name, service, lifespan), name=service.name)
    finally:
        lifespan.stopping.set()


async def prepared(roles: Sequence[RoleSpec], parts: Parts, lifespan: Lifespan) -> bool:
    """Prepare what these roles need, for as long as a server of theirs is away.

    No more than that: commands are accepted, and views read, while the broker is away, and a role
    that starts just then must not wait for it. False if the process was asked to stop first.
    """
    prepare = partial(
        parts.prepare,
        tables=any(not spec.kind.is_of_views for spec in roles),
        shows=any(spec.kind.is_of_views for spec in roles),
        topics=any(not spec.kind.is_api for spec in roles),
    )
    preparing = asyncio.create_task(
        patiently(prepare, lifespan, logs.logger("start"), hint=SERVERS_HINT)
    )
    stopping = asyncio.create_task(lifespan.stopping.wait())
    await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    preparing.cancel()  # nothing, if it is done
    await asyncio.wait({preparing})
    if preparing.cancelled():
        return False
    try:
        preparing.result()
    except Stopping:
        return False
    return True


async def _of_role(name: str, service: Service, lifespan: Lifespan) -> None:
    logs.within(name)
    try:
        await service.run(lifespan)
    except Fenced as fenced:
        raise StackError(
            f"{name}: {fenced}; each process of a role needs an INSTANCE of its own"
        ) from fenced


def collect_rarely() -> None:
    """Keep what a start has made out of every collection, and collect less often.

    A full collection walks over all modules, models and statements, some 100,000 objects, and holds
    up each request meanwhile: those are the slowest hundredth. What requests leave is freed by
    counting references; only cycles wait for a collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
