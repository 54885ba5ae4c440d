"""The nemesis: whom it hits is fixed by the seed, and everybody has a turn."""

from __future__ import annotations

from collections import Counter

import pytest

from chaos.real.nemesis import Nemesis, NotRecovered, TimedFault, plan

NAMES = ["order-api", "order-consumer", "kafka", "mysql", "mongo"]
LINES = ["kafka silent", "sql slow"]


def test_a_seed_fixes_the_faults() -> None:
    assert plan(3, NAMES, LINES, kills=20, pauses=5) == plan(3, NAMES, LINES, kills=20, pauses=5)
    assert plan(3, NAMES, LINES, kills=20, pauses=5) != plan(4, NAMES, LINES, kills=20, pauses=5)


@pytest.mark.parametrize("seed", range(20))
def test_everybody_has_a_turn_in_each_round(seed: int) -> None:
    hit = Counter(
        (fault.kind, name)
        for fault in plan(seed, NAMES, LINES, kills=15, pauses=7)
        for name in fault.targets
    )
    # one that would be hit twice at once is hit once
    assert all(hit["kill", name] in (2, 3) for name in NAMES)
    assert all(hit["pause", name] == 1 for name in NAMES)
    assert all(hit["cut", name] == 1 for name in LINES)
    assert not any(hit["kill", name] for name in LINES)


class Victim:
    """Writes down what is done to it."""

    def __init__(self, name: str, done: list[str]) -> None:
        self.name = name
        self._done = done

    async def kill(self) -> None:
        self._done.append(f"kill {self.name}")

    async def start(self) -> None:
        self._done.append(f"start {self.name}")

    async def pause(self) -> None:
        self._done.append(f"pause {self.name}")

    async def resume(self) -> None:
        self._done.append(f"resume {self.name}")


async def test_it_heals_what_it_has_hit_and_waits_for_recovery() -> None:
    done: list[str] = []
    waiting = [["mysql"], ["mysql"], []]

    async def not_ready() -> list[str]:
        done.append("look")
        return waiting.pop(0)

    names = ("kafka", "mysql")
    victims = {name: Victim(name, done) for name in names}
    lines = {"sql slow": Victim("sql slow", done)}
    nemesis = Nemesis(victims, lines, not_ready, lambda _: None)
    await nemesis.inject(TimedFault("kill", names, 0.0))
    await nemesis.inject(TimedFault("pause", ("kafka",), 0.0, recover=False))
    await nemesis.inject(TimedFault("cut", ("sql slow",), 0.0, recover=False))
    assert done[:4] == ["kill kafka", "kill mysql", "start kafka", "start mysql"]
    assert done[4:7] == ["look", "look", "look"]
    assert done[7:] == ["pause kafka", "resume kafka", "pause sql slow", "resume sql slow"]
    assert [one.ready_after_s is None for one in nemesis.injected] == [False, True, True]


async def test_it_says_who_does_not_recover(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_ready() -> list[str]:
        return ["order-consumer"]

    monkeypatch.setattr("chaos.real.nemesis.RECOVER_S", 0.0)
    nemesis = Nemesis({"kafka": Victim("kafka", [])}, {}, not_ready, lambda _: None)
    with pytest.raises(NotRecovered, match="order-consumer"):
        await nemesis.inject(TimedFault("kill", ("kafka",), 0.0))
