"""What happens at the fault points of a stack, told by the scenario that runs on it.

`fail` lets calls fail, `hold` keeps one waiting until it is released, `outage` takes a store away.
Without a rule nothing happens but that each hop is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chaos.kit.points import Hop, Point
from scenarios.harness.settled import default_deadline_s
from system.kit.errors import Unavailable


class FaultRule:
    """One rule: at which hops, how often, and what then."""

    def __init__(
        self,
        call: str,
        hop: Hop,
        process: str | None,
        times: int | None,
        error: Callable[[str], BaseException] | None,
    ) -> None:
        self.injected = 0
        self._reached = asyncio.Event()
        self._call = call
        self._hop = hop
        self._process = process
        self._left = times
        self._error = error
        self._released = asyncio.Event()

    def is_at(self, point: Point) -> bool:
        return (
            self._left != 0
            and self._process in (None, point.process)
            and self._hop is point.hop
            and (point.call == self._call or point.call.startswith(f"{self._call}."))
        )

    async def inject(self, point: Point) -> None:
        self.injected += 1
        if self._left is not None:
            self._left -= 1
        self._reached.set()
        if self._error is not None:
            raise self._error(f"hit at {point.process} {point.call} {point.hop}")
        await self._released.wait()

    async def reached(self) -> None:
        """Wait until a call has come here. Raises TimeoutError."""
        async with asyncio.timeout(default_deadline_s()):
            await self._reached.wait()

    def release(self) -> None:
        """Let go what is held, and hit no more."""
        self._left = 0
        self._released.set()


class Switchboard:
    """The rules of a stack. Implements `points.FaultPolicy`."""

    def __init__(self) -> None:
        self.seen: Counter[Point] = Counter()
        """How often each hop was passed, hit or not."""
        self._rules: list[FaultRule] = []

    async def at(self, point: Point) -> None:
        self.seen[point] += 1
        for rule in self._rules:
            if rule.is_at(point):
                return await rule.inject(point)
        return None

    def fail(
        self,
        call: str,
        *,
        hop: Hop = Hop.REQUEST,
        process: str | None = None,
        times: int | None = 1,
        error: Callable[[str], BaseException] = Unavailable,
    ) -> FaultRule:
        """Fail the next calls of this name, or of this store: `sql.commit`, `log`. None: all."""
        return self._add(FaultRule(call, hop, process, times, error))

    def hold(
        self,
        call: str,
        *,
        hop: Hop = Hop.REQUEST,
        process: str | None = None,
        times: int | None = 1,
    ) -> FaultRule:
        """Keep the next calls waiting here until `release`."""
        return self._add(FaultRule(call, hop, process, times, None))

    @contextmanager
    def outage(self, *stores: str, process: str | None = None) -> Iterator[list[FaultRule]]:
        """Take stores away: no call to `sql`, `log` or `views` comes through inside."""
        rules = [self.fail(store, process=process, times=None) for store in stores]
        try:
            yield rules
        finally:
            for rule in rules:
                rule.release()

    def _add(self, rule: FaultRule) -> FaultRule:
        self._rules.append(rule)
        return rule
