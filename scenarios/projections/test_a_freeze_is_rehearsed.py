"""When the views that are read may be frozen: only once a rebuild has shown that it would not be long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from chaos.kit.virtual_time import run
from system.kit.ports.log import Partition
from system.kit.views.generations import FREEZE_PAUSE_S, NEAR_S, Rehearsals

PLACE = Partition("order.created", 0)
POLL_S = 0.05


class Building:
    """A generation of views that reads the log at some speed, perhaps to no end."""

    def __init__(self, *, behind: int, per_s: float, stands_at: int | None = None) -> None:
        self._end = behind
        self._per_s = per_s
        self._stands_at = stands_at

    async def ends(self) -> Mapping[Partition, int]:
        return {PLACE: self._end + int(asyncio.get_running_loop().time())}  # one more each second

    async def has_reached(self, ends: Mapping[Partition, int]) -> bool:
        read = asyncio.get_running_loop().time() * self._per_s
        if self._stands_at is not None:
            read = min(read, self._stands_at)
        return read >= ends[PLACE]


async def first(rehearsals: Rehearsals, building: Building, *, within_s: float) -> float | None:
    """When the first rehearsal succeeds."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    while loop.time() < ends_at:
        took_s = await rehearsals.took_s(building.ends, building.has_reached)
        if took_s is not None:
            assert took_s <= NEAR_S
            return loop.time()
        await asyncio.sleep(POLL_S)
    return None


def test_one_that_is_there_is_frozen_for_at_once() -> None:
    async def rehearse() -> None:
        at_s = await first(Rehearsals(), Building(behind=0, per_s=1_000), within_s=10)
        assert at_s == pytest.approx(POLL_S, abs=POLL_S)

    run(rehearse())


def test_one_that_is_far_behind_comes_near_first() -> None:
    async def rehearse() -> None:
        at_s = await first(Rehearsals(), Building(behind=10_000, per_s=1_000), within_s=60)
        assert at_s == pytest.approx(10, abs=0.5)

    run(rehearse())


def test_one_that_stands_at_an_event_that_it_cannot_show_freezes_nobody() -> None:
    async def rehearse() -> None:
        building = Building(behind=100, per_s=1_000, stands_at=99)
        assert await first(Rehearsals(), building, within_s=3_600) is None

    run(rehearse())


def test_after_each_freeze_in_vain_the_pause_grows() -> None:
    async def rehearse() -> None:
        rehearsals, building = Rehearsals(), Building(behind=0, per_s=1_000)
        loop = asyncio.get_running_loop()
        pauses = []
        for _ in range(6):
            failed_at = loop.time()
            rehearsals.was_in_vain()
            assert await first(rehearsals, building, within_s=100)
            pauses.append(loop.time() - failed_at)
        least_s, most_s = FREEZE_PAUSE_S
        wanted = [least_s, 2 * least_s, 4 * least_s, 8 * least_s, most_s, most_s]
        assert pauses == pytest.approx(wanted, abs=0.2)

    run(rehearse())
