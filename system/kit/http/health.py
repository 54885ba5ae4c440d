"""Whether a role lives, and whether it is ready for work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from pydantic import BaseModel

from system.kit.errors import Fault, NotReady, Unavailable
from system.kit.http.route import Answer, Request, Route
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.ports.work import Probe
from system.kit.values import dumps

log: Logger = structlog.get_logger()
"""Its lines name the role, from the context of the request that asks."""


class Status(BaseModel):
    """How a role is."""

    status: Literal["ok", "ready"]


@dataclass(slots=True)
class _Asked:
    """One question at a time, shared by all who want to know meanwhile, and for a moment after."""

    question: asyncio.Task[list[Fault]] | None = None
    good_until: float = 0.0

    async def once(
        self, ask: Callable[[], Coroutine[object, object, list[Fault]]], good_for_s: float
    ) -> list[Fault]:
        if self.question is None or (self.question.done() and _time() >= self.good_until):
            # a task of its own: the others get an answer also when the first to ask has left
            self.question = asyncio.create_task(ask())
            self.question.add_done_callback(partial(self._keep, good_for_s))
        return await asyncio.shield(self.question)

    def _keep(self, good_for_s: float, _: object) -> None:
        self.good_until = _time() + good_for_s


def _time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness depends on: the services of the process, and signs of life from its stores."""

    lifespan: Lifespan
    checks: Mapping[str, Probe] = field(default_factory=dict)
    timeout_s: float = 1.0
    good_for_s: float = 1.0
    """How long an answer of the stores counts: however many ask, each store is asked once."""
    _asked: _Asked = field(default_factory=_Asked)

    async def waited_for(self) -> list[Fault]:
        """What is missing for work, with the reason. Takes `timeout_s` at most."""
        if self.lifespan.stopping.is_set():
            return [Fault("process", "is stopping")]
        starting = [Fault(name, "is not ready yet") for name in sorted(self.lifespan.waited_for)]
        return starting + await self._asked.once(self._ask_all, self.good_for_s)

    async def _ask_all(self) -> list[Fault]:
        asked = await asyncio.gather(*(self._ask(name) for name in self.checks))
        return [fault for fault in asked if fault]

    async def _ask(self, name: str) -> Fault | None:
        try:
            async with asyncio.timeout(self.timeout_s):
                await self.checks[name]()
        except (Unavailable, TimeoutError):
            return Fault(name, "does not answer")
        except Exception:  # a check that is itself broken must not look like readiness
            log.exception("readiness check failed", check=name)
            return Fault(name, "cannot be checked")
        return None

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/healthz", "Whether the process lives", self._alive, answers=Status),
            Route(
                "GET",
                "/readyz",
                "Whether the service is ready for work",
                self._ready,
                answers=Status,
                problems=(NotReady,),
            ),
        ]

    async def _alive(self, _: Request) -> Answer:
        return Answer(200, dumps({"status": "ok"}))

    async def _ready(self, _: Request) -> Answer:
        waited_for = await self.waited_for()
        if waited_for:
            raise NotReady(errors=waited_for)
        return Answer(200, dumps({"status": "ready"}))
