"""Scenarios share a system as long as it is whole, and is the one that the next of them needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from chaos.kit.servers.scenario import Course, Scenario
from chaos.kit.servers.timeline import Timeline
from chaos.real import named
from chaos.real.stage import Stage

BROKEN = "broken"


@dataclass
class Empty:
    """A stage on which nothing runs."""

    folder: Path
    database: str
    seed: int
    brokers: int

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


async def shows_nothing(_: Stage, __: Course) -> None:
    pass


def scenario(name: str, *, brokers: int = 1) -> Scenario[Stage]:
    return Scenario(name, "It shows something.", shows_nothing, brokers=brokers)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """What was played, on which system, and on how many brokers."""
    calls: list[tuple[str, str, int]] = []

    async def play(
        scenario: Scenario[Stage], stage: Empty, _: Timeline, folder: Path
    ) -> named.Result:
        calls.append((scenario.name, stage.folder.name, stage.brokers))
        failure = "it did not hold" if scenario.name == BROKEN else ""
        return named.Result(scenario.name, failure, [], None, [], 0, 0.0, folder)

    monkeypatch.setattr(named, "Stage", Empty)
    monkeypatch.setattr(named, "play", play)
    return calls


async def test_after_a_failure_the_next_one_gets_a_new_system(
    played: list[tuple[str, str, int]], tmp_path: Path
) -> None:
    chosen = [scenario("first"), scenario(BROKEN), scenario("last")]

    await named.play_all(chosen, named.Wanted(seed=1), tmp_path)

    assert played == [("first", "system-1", 1), (BROKEN, "system-1", 1), ("last", "system-2", 1)]


async def test_one_that_needs_other_brokers_gets_a_system_with_them(
    played: list[tuple[str, str, int]], tmp_path: Path
) -> None:
    chosen = [
        scenario("first"),
        scenario("second", brokers=3),
        scenario("third", brokers=3),
        scenario("last"),
    ]

    await named.play_all(chosen, named.Wanted(seed=1), tmp_path)

    assert played == [
        ("first", "system-1", 1),
        ("second", "system-2", 3),
        ("third", "system-2", 3),
        ("last", "system-3", 1),
    ]
