"""On real servers: the naive shop has six bugs, which the judge names; its repaired copy has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.strangers.adapters import load
from chaos.strangers.report import lines
from chaos.strangers.run import Result, Wanted, run

pytestmark = pytest.mark.outside

BUGS = {
    "acknowledged has its event",  # two commits instead of one
    "acknowledged has its effect",  # total never computed
    "one partition per key",  # keys at random
    "one effect per cause",  # check, act, mark
    "events have their effect",  # offset before effect
    "ended things hold nothing",  # cancel that releases nothing
}
CONSEQUENCES = {
    "amounts conserved",  # of an event that was lost with its sender
    "amounts are held by things",  # of nearly all of them
    "final states reached",  # of an event that was lost, or its effect
}


async def judged(name: str, logs: Path) -> Result:
    stranger, folder = load(name)
    return await run(stranger, folder, logs, Wanted(seed=1))


def broken(result: Result) -> set[str]:
    return {one.promise.name for one in result.verdicts if one.outcome == "broken"}


async def test_it_names_the_six_bugs_of_the_naive_shop_and_blames_nothing_else(
    tmp_path: Path,
) -> None:
    result = await judged("naive", tmp_path)

    assert broken(result) - CONSEQUENCES == BUGS, "\n".join(lines(result))


async def test_it_finds_nothing_in_the_repaired_shop(tmp_path: Path) -> None:
    result = await judged("repaired", tmp_path)

    assert broken(result) == set(), "\n".join(lines(result))
    assert {one.promise.name for one in result.verdicts if one.outcome == "kept"} > BUGS
