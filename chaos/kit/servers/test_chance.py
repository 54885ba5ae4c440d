"""Faults by chance are fixed by their seed, and all of them are healed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from chaos.kit.servers.chance import FaultyHandler, draw, inject
from chaos.kit.servers.lines import Ends, Lines
from chaos.kit.servers.scenario import Course, NotInjected
from chaos.kit.servers.test_lines import Proxies
from chaos.kit.servers.timeline import Timeline


class Target:
    """Counts what is done to it."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    async def kill(self) -> None:
        self.done["kill"] += 1

    async def start(self) -> None:
        self.done["start"] += 1

    async def pause(self) -> None:
        self.done["pause"] += 1

    async def resume(self) -> None:
        self.done["resume"] += 1


NAMES = {Ends(c, s): f"{s}.{c}" for c in ("reader", "writer") for s in ("db", "queue")}


def drawn(seed: int) -> list[FaultyHandler]:
    lines = Lines(Proxies(), NAMES)
    return draw(Random(seed), lines, {name: Target() for name in ("a", "b", "c", "d")})


@pytest.mark.parametrize("seed", range(10))
def test_a_seed_fixes_the_faults(seed: int) -> None:
    assert [*map(str, drawn(seed))] == [*map(str, drawn(seed))]


def test_all_kinds_come() -> None:
    words = {str(trouble).split(" ")[0] for seed in range(60) for trouble in drawn(seed)}
    assert words == {"kill", "SIGSTOP", "lines"}


@pytest.mark.parametrize("seed", range(40))
async def test_all_that_is_spoiled_is_healed(seed: int, tmp_path: Path) -> None:
    proxies = Proxies()
    targets = {name: Target() for name in ("a", "b", "c", "d")}
    troubles = draw(Random(seed), Lines(proxies, NAMES), targets)
    at_once = [FaultyHandler(one.text, 0, 0, one.during) for one in troubles]
    course = Course(Timeline(tmp_path / "timeline.jsonl", lambda _: None))
    await inject(at_once, course)
    assert course.faults == len(troubles)
    for target in targets.values():
        assert target.done["kill"] == target.done["start"]
        assert target.done["pause"] == target.done["resume"]
    assert not proxies.down
    assert not any(proxies.toxics.values())


class Fails:
    """A fault that cannot be injected."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __aenter__(self) -> None:
        raise self._error

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_what_cannot_be_injected_is_said_in_one_line_and_the_others_are_healed(
    tmp_path: Path,
) -> None:
    healed: list[str] = []

    @asynccontextmanager
    async def other() -> AsyncIterator[None]:
        try:
            yield
        finally:
            healed.append("other")

    refused = Fails(OSError("no proxy listens at 1234"))
    troubles = [
        FaultyHandler("a line is cut", 0, 60, other),
        FaultyHandler("a line is slow", 0, 60, lambda: refused),
    ]
    course = Course(Timeline(tmp_path / "timeline.jsonl", lambda _: None))
    with pytest.raises(NotInjected, match=r"^no proxy listens at 1234$"):
        await inject(troubles, course)
    assert healed == ["other"]


async def test_a_mistake_in_a_fault_is_no_fault_that_cannot_be_injected(tmp_path: Path) -> None:
    mistaken = Fails(LookupError("no line from here to there"))
    course = Course(Timeline(tmp_path / "timeline.jsonl", lambda _: None))
    with pytest.raises(ExceptionGroup) as raised:
        await inject([FaultyHandler("a line is slow", 0, 0, lambda: mistaken)], course)
    assert [*map(repr, raised.value.exceptions)] == ["LookupError('no line from here to there')"]
