"""Fault points: what a hanging store does to a call, and when faults are on."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from chaos.kit.points import Hop, Point
from chaos.kit.simulated.faults import CALL_S, Faults, TimedFault, Trace
from chaos.kit.simulated.loop import SimulatedLoop
from chaos.kit.virtual_time import run
from system.kit.errors import Unavailable

HANGS_S = 30.0
READ = Point("queries", "views.get", Hop.REQUEST)
STATEMENT = Point("orders", "sql.select-orders", Hop.REQUEST)


def test_a_call_to_a_hanging_store_ends_at_its_adapters_bound() -> None:
    async def main() -> None:
        with pytest.raises(Unavailable, match=r"^views\.get: no answer within 2 s$"):
            await _hanging("views").at(READ)
        assert asyncio.get_running_loop().time() == CALL_S

    run(main(), loop=SimulatedLoop())


def test_a_hanging_statement_hangs_on_for_the_bound_of_the_transaction_around_it() -> None:
    async def main() -> None:
        await _hanging("sql").at(STATEMENT)
        assert asyncio.get_running_loop().time() >= HANGS_S

    run(main(), loop=SimulatedLoop())


def test_a_hop_takes_no_time_and_is_not_counted_until_faults_begin() -> None:
    async def main() -> None:
        faults = _hanging("views")
        faults.end()
        await faults.at(READ)
        assert (asyncio.get_running_loop().time(), faults.places) == (0.0, [])
        faults.begin()
        with pytest.raises(Unavailable):
            await faults.at(READ)
        assert [place.call for place in faults.places] == ["views.get"]

    run(main(), loop=SimulatedLoop())


def _hanging(store: str) -> Faults:
    timed_fault = TimedFault("hang", store, 0.0, HANGS_S)
    faults = Faults((timed_fault,), Random(1), Trace(), asyncio.get_running_loop())
    faults.begin()
    return faults
