"""Every fault has its turn, in an order that the seed fixes."""

from __future__ import annotations

import asyncio
from collections import Counter

from chaos.strangers.adapters import load
from chaos.strangers.faults import plan, turns
from chaos.strangers.ground import Ground


def test_a_seed_fixes_the_faults() -> None:
    stranger, _ = load("naive")
    lines = Ground(stranger).lines

    first = [str(fault) for fault in plan(stranger, lines, 1)]

    assert first == [str(fault) for fault in plan(stranger, lines, 1)]
    assert first != [str(fault) for fault in plan(stranger, lines, 2)]
    assert len(first) == len(set(first))


def test_each_process_is_killed_and_each_line_struck_in_each_way() -> None:
    stranger, _ = load("naive")
    planned = plan(stranger, Ground(stranger).lines, 1)
    kinds = Counter(fault.kind for fault in planned)

    assert kinds == {"kill": 2, "lose answers": 4, "away": 4, "slow, then kill": 5}
    assert {fault.process for fault in planned if fault.kind == "kill"} == {
        "purchases",
        "warehouse",
    }


async def test_each_fault_has_one_turn_or_as_many_as_there_is_time_for() -> None:
    stranger, _ = load("naive")
    planned = plan(stranger, Ground(stranger).lines, 1)
    now_s = asyncio.get_running_loop().time()

    assert list(turns(planned, None)) == planned
    assert list(turns(planned, now_s)) == []
    endless = turns(planned, now_s + 3600)
    assert [next(endless) for _ in range(2 * len(planned))] == planned * 2
