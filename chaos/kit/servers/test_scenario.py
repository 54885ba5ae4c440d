"""A scenario has to give a proof of its fault, and to measure its recovery."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chaos.kit.servers.scenario import Course, NotAsPromised, NothingHappened, Scenario
from chaos.kit.servers.timeline import Timeline

Play = Callable[[list[str], Course], Awaitable[None]]


@pytest.fixture
async def course(tmp_path: Path) -> Course:
    return Course(Timeline(tmp_path / "timeline.jsonl", lambda _: None))


async def run(play: Play, course: Course) -> None:
    await Scenario("one", "It shows something.", play).run([], course)


async def yes() -> bool:
    return True


async def no_lag() -> int:
    return 0


async def test_one_with_a_proof_and_a_recovery_is_good(course: Course) -> None:
    async def play(_: list[str], course: Course) -> None:
        with course.fault("the plug is pulled"):
            course.saw(True, "the light is out")
        await course.recovers(yes, no_lag, within_s=10)

    await run(play, course)
    assert course.seen == ["the light is out"]
    assert course.recovery_s is not None
    kinds = [moment.kind for moment in course.timeline.moments]
    assert kinds == ["fault", "seen", "healed", "recovered"]


async def test_one_without_a_proof_has_shown_nothing(course: Course) -> None:
    async def play(_: list[str], course: Course) -> None:
        with course.fault("a plug is pulled that is in no socket"):
            pass
        await course.recovers(yes, no_lag, within_s=10)

    with pytest.raises(NothingHappened, match="no proof"):
        await run(play, course)


async def test_a_proof_that_is_not_there_fails_it(course: Course) -> None:
    async def play(_: list[str], course: Course) -> None:
        course.saw(False, "the light is out")

    with pytest.raises(NothingHappened, match="not seen: the light is out"):
        await run(play, course)


async def test_a_fault_is_noted_as_healed_also_when_the_scenario_fails(course: Course) -> None:
    async def play(_: list[str], course: Course) -> None:
        with course.fault("the plug is pulled"):
            course.holds(False, "the clock goes on")

    with pytest.raises(NotAsPromised, match="does not hold: the clock goes on"):
        await run(play, course)
    assert [moment.kind for moment in course.timeline.moments] == ["fault", "healed"]


async def test_recovery_counts_from_the_first_good_answer_until_no_lag_is_left(
    course: Course,
) -> None:
    asked: list[str] = []

    async def answers() -> bool:
        asked.append("answer")
        return asked.count("answer") == 2

    async def lag() -> int:
        asked.append("lag")
        return 3 - asked.count("lag")

    await course.recovers(answers, lag, within_s=60)
    assert asked == ["answer", "answer", "lag", "lag", "lag"]


async def test_a_recovery_that_does_not_come_is_a_failure_in_time(course: Course) -> None:
    async def lag() -> int:
        return 7

    with pytest.raises(NotAsPromised, match="7 events behind"):
        await course.recovers(yes, lag, within_s=0.01)


async def test_all_clocks_lie_on_one(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl", lambda _: None)
    assert timeline.of_loop(timeline.began_s + 2.5) == 2.5
    assert timeline.of_wall(timeline.began_at + timedelta(seconds=2.5)) == 2.5
    timeline.note("fault", "the plug is pulled")
    (line,) = (tmp_path / "timeline.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == "the plug is pulled"
