"""What the system owes and does not do is a broken promise; a fault that left no trace is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.kit.history import Op, Outcome
from chaos.kit.servers.scenario import NotAsPromised
from chaos.real.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Nothing of it runs."""
    return Stage(tmp_path, "mysql", 1)


async def never() -> int:
    return 0


def third() -> Iterator[str]:
    yield from ("", "", "the third")


async def test_what_does_not_come_in_time_is_not_as_promised_and_named(stage: Stage) -> None:
    with pytest.raises(NotAsPromised, match=r"^not within 0\.01 s: orders are shown$"):
        await stage.until(never, "orders are shown", within_s=0.01)


async def test_what_is_looked_for_and_not_there_is_for_the_scenario_to_judge(stage: Stage) -> None:
    assert await stage.look_for(never, within_s=0.01) == 0


async def test_what_is_there_in_the_end_was_seen(stage: Stage) -> None:
    looks = third()

    async def look() -> str:
        return next(looks)

    assert await stage.until(look, "it is there", every_s=0) == "the third"


def test_an_order_that_was_refused_is_named_before_its_fate_is_waited_for(stage: Stage) -> None:
    placed = Op("scenario", "POST", "/orders", Outcome.OK, status=201)
    refused = Op("scenario", "POST", "/orders", Outcome.FAIL, status=422)
    assert stage.taken(placed) is placed
    with pytest.raises(NotAsPromised, match=r"^the order was not taken: .* → 422"):
        stage.taken(refused)
