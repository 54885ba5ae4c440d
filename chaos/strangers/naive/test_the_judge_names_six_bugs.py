"""On real servers: the naive shop has six bugs, which the judge names; its repaired copy has none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from chaos.strangers.adapters import load
from chaos.strangers.report import lines
from chaos.strangers.run import Result, Wanted, run

pytestmark = pytest.mark.outside

BUGS = {
    "acknowledged_has_its_event",  # two commits instead of one
    "acknowledged_has_its_effect",  # total never computed
    "one_partition_per_key",  # keys at random
    "one_effect_per_cause",  # check, act, mark
    "events_have_their_effect",  # offset before effect
    "ended_things_hold_nothing",  # cancel that releases nothing
}
CONSEQUENCES = {
    "amounts_conserved",  # of an event that was lost with its sender
    "amounts_are_held_by_things",  # of nearly all of them
    "final_states_reached",  # of an event that was lost, or its effect
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Result]:
    """Both at once, each on servers of its own: most of a run is waiting."""

    async def one(name: str) -> Result:
        stranger, folder = load(name)
        return await run(stranger, folder, tmp_path_factory.mktemp(name), Wanted(seed=1))

    async def both() -> Mapping[str, Result]:
        async with asyncio.TaskGroup() as tasks:
            judging = {name: tasks.create_task(one(name)) for name in ("naive", "repaired")}
        return {name: task.result() for name, task in judging.items()}

    return asyncio.run(both())


def broken(result: Result) -> set[str]:
    return {one.promise for one in result.verdicts if one.outcome == "broken"}


def test_it_names_the_six_bugs_of_the_naive_shop_and_blames_nothing_else(
    judged: Mapping[str, Result],
) -> None:
    result = judged["naive"]

    assert broken(result) - CONSEQUENCES == BUGS, "\n".join(lines(result))


def test_it_finds_nothing_in_the_repaired_shop(judged: Mapping[str, Result]) -> None:
    result = judged["repaired"]

    assert broken(result) == set(), "\n".join(lines(result))
    assert {one.promise for one in result.verdicts if one.outcome == "kept"} > BUGS
