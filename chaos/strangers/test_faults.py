"""Every fault has its turn, in an order that the seed fixes."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.kit.blackbox import Event, Record, Topic
from chaos.strangers import faults
from chaos.strangers.adapters import load
from chaos.strangers.faults import Nemesis, Planned, plan, turns
from chaos.strangers.ground import Ground, Line
from chaos.strangers.processes import NotReady
from chaos.strangers.watch import LOOK_S, Watch


def test_a_seed_fixes_the_faults() -> None:
    stranger, _ = load("naive")
    lines = Ground(stranger).lines

    first = [str(fault) for fault in plan(stranger, lines, 1)]

    assert first == [str(fault) for fault in plan(stranger, lines, 1)]
    assert first != [str(fault) for fault in plan(stranger, lines, 2)]
    assert len(first) == len(set(first))


def test_each_process_is_killed_and_each_line_spoiled_in_each_way() -> None:
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


def record(topic: str, type: str, at_s: float = math.inf) -> Record:
    lines = [{"item": 1, "count": 2, "price": 1001}]
    value = {"id": "e", "type": type, "purchase": 7, "lines": lines}
    return Record(topic, 0, 0, b"", json.dumps(value).encode(), at_s=at_s)


PLACED = record("purchases", "purchase_placed")
RESERVED = record("stock", "stock_reserved")
REFUSED = record("stock", "stock_refused")
POISON = Record("stock", 0, 0, b"", b"no JSON")
STALE = record("stock", "stock_reserved", at_s=0.0)


async def nothing() -> dict[str, int]:
    return {}


class Recorder:
    """A proxy, a process, topics and a watch that only note what is done to them, in its order."""

    def __init__(
        self,
        *records: Record,
        comes_back: bool = True,
        is_answering: bool = False,
        shows_amounts: bool = False,
    ) -> None:
        self.records = records
        self._is_answering, self._shows_amounts = is_answering, shows_amounts
        self.done: list[str] = []
        self.toxics: dict[str, object] = {}
        self.aims: dict[str, list[Record]] = {}
        self._comes_back = comes_back

    async def spoil(self, line: str, toxic: str, **how: object) -> None:
        self.done.append(f"{line}: {toxic}")
        self.toxics[toxic] = how

    async def cure(self, line: str, toxic: str) -> None:
        self.done.append(f"{line}: no {toxic}")

    async def set_up(self, line: str, *, up: bool) -> None:
        self.done.append(f"{line}: {'up' if up else 'cut'}")

    async def renew(self, line: str) -> None:
        self.done.append(f"{line}: anew")

    async def heal(self) -> None:
        self.done.append("healed")

    async def wait_for_one(self, topics: Sequence[str], matters: Callable[[Record], bool]) -> None:
        self.done.append(f"a record of {', '.join(topics)}")
        aims = [one for one in (STALE, PLACED, RESERVED, REFUSED) if matters(one)]
        self.aims.setdefault(self.done[-1], aims)

    def events(self, records: Sequence[Record]) -> list[Event]:
        return list(Watch(load("naive")[0], (), (), nothing).events(records))

    def is_answering(self, _: str) -> bool:
        return self._is_answering

    async def shows_amounts_of(self, _: Sequence[str]) -> bool:
        return self._shows_amounts

    async def until_acknowledged(self, process: str) -> None:
        self.done.append(f"{process} answers")

    async def until_moved(self) -> None:
        self.done.append("an account moves")

    async def kill(self) -> None:
        self.done.append("killed")

    def start(self) -> None:
        self.done.append("started")

    async def until_ready(self) -> None:
        if not self._comes_back:
            raise NotReady("it stays away")
        self.done.append("ready")


@pytest.fixture
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWAY_S", "LOST_S", "LOST_MOST_S"):
        monkeypatch.setattr(faults, name, 0.0)
    for name in ("CALM_S", "DOWN_S", "BLIND_S"):
        monkeypatch.setattr(faults, name, (0.0, 0.0))
    monkeypatch.setattr(faults, "SLOW_MS", 0)
    monkeypatch.setattr(faults, "SLOW_S", 0.02)


def nemesis(recorder: Recorder, killed: set[str], *topics: Topic, quiet_s: float = 0.0) -> Nemesis:
    stranger, _ = load("naive")
    stranger.topics = topics or stranger.topics  # type: ignore[misc] # of this one alone
    stranger.quiet_s = quiet_s  # type: ignore[misc]
    ground: Any = SimpleNamespace(stranger=stranger, toxiproxy=recorder)
    both: Any = dict.fromkeys(("purchases", "warehouse"), recorder)
    seen: Any = recorder
    return Nemesis(ground, both, seen, seen, killed, Random(1))


class Failing(Recorder):
    """What is done to it as the step of this number fails."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.done = Noted(step)


class Noted(list[str]):
    def __init__(self, fails: int) -> None:
        super().__init__()
        self._fails = fails

    def append(self, step: str) -> None:
        super().append(step)
        if len(self) == self._fails + 1:
            raise ZeroDivisionError(step)


STORE = Line("warehouse", "mysql", 1)
KILLED = "killed, {0}: cut, {0}: anew, started, ready"
OWN, HEARD = "a record of stock", "a record of stock, a record of purchases"
STEPS = {
    Planned("kill", "warehouse"): ["killed, started, healed, ready"],
    Planned("away", line=STORE): ["warehouse-mysql: cut, healed"],
    Planned("slow, then kill", "warehouse", STORE): [
        *(
            step
            for moment in (OWN, HEARD, OWN)
            for step in (f"warehouse-mysql: latency, {moment}", KILLED.format("warehouse-mysql"))
        ),
        "healed, ready",
    ],
    Planned("slow, then kill", "warehouse", Line("", "kafka", 2)): [
        *[f"kafka: latency, {HEARD}", KILLED.format("kafka")] * faults.SLOW_TIMES_BEFORE_KAFKA,
        "healed, ready",
    ],
    Planned("lose answers", line=STORE): [
        *[
            "warehouse-mysql: latency, warehouse-mysql: anew",
            "warehouse-mysql: limit_data, warehouse-mysql: no limit_data",
        ]
        * (faults.LOST_TIMES // 2),
        "healed",
    ],
}


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize("planned", STEPS, ids=str)
async def test_a_fault_is_done_step_by_step_healed_and_noted(planned: Planned) -> None:
    recorder, killed = Recorder(), set[str]()
    one = nemesis(recorder, killed)

    await one.inject(planned)

    assert recorder.done == ", ".join(STEPS[planned]).split(", ")
    assert [fault.what for fault in one.faults] == [str(planned)]
    assert killed == set()


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize(
    ("kind", "toxics"),
    [
        ("slow, then kill", {"latency": {"stream": "upstream", "latency": 77}}),
        ("lose answers", {"latency": {"latency": faults.LATE_MS}, "limit_data": {"bytes": 0}}),
    ],
)
async def test_requests_get_slow_and_answers_late_or_lost(
    kind: faults.Kind, toxics: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is downstream comes late to one that has acted; a request, before it has."""
    monkeypatch.setattr(faults, "SLOW_MS", 77)
    recorder = Recorder()

    await nemesis(recorder, set()).inject(Planned(kind, "warehouse", STORE))

    assert recorder.toxics == toxics


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize("planned", STEPS, ids=str)
async def test_whichever_step_fails_the_lines_are_healed_and_who_was_killed_is_started(
    planned: Planned,
) -> None:
    steps = ", ".join(STEPS[planned]).split(", ")
    before = steps[: steps.index("healed")]
    can_fail = [number for number, step in enumerate(before) if step != "started"]
    assert can_fail

    for number in can_fail:
        recorder, killed = Failing(number), set[str]()
        one = nemesis(recorder, killed)

        with pytest.raises(ZeroDivisionError):
            await one.inject(planned)

        assert recorder.done[: number + 1] == steps[: number + 1]
        assert recorder.done[-1] == "healed"
        assert [fault.what for fault in one.faults] == [str(planned)]
        assert recorder.done.count("started") == recorder.done.count("killed")
        assert killed == set()


@pytest.mark.usefixtures("_without_pauses")
async def test_a_fault_is_noted_from_its_beginning_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(faults, "_now", lambda: 100.0 + len(recorder.done))
    one = nemesis(recorder, set())

    await one.inject(Planned("kill", "warehouse"))
    await one.inject(Planned("away", line=STORE))

    assert [(fault.began_s, fault.ended_s) for fault in one.faults] == [(100, 103), (104, 106)]


@pytest.mark.usefixtures("_without_pauses")
async def test_where_a_process_stays_away_the_lines_are_healed_all_the_same() -> None:
    recorder, killed = Recorder(comes_back=False), set[str]()
    one = nemesis(recorder, killed)

    with pytest.raises(NotReady, match="stays away"):
        await one.inject(Planned("slow, then kill", "warehouse", STORE))

    assert recorder.done[-1] == "healed"
    assert len(one.faults) == 1
    assert killed == set()


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize(
    ("seen", "aims"),
    [
        ([PLACED, RESERVED], [PLACED, RESERVED]),
        ([PLACED, REFUSED], [PLACED, RESERVED, REFUSED]),
        ([record("stock", ""), PLACED], [PLACED, RESERVED, REFUSED]),
    ],
    ids=["some move amounts or begin a thing", "none does", "some tell nothing"],
)
async def test_a_kill_is_aimed_at_a_record_that_moves_amounts_or_begins_a_thing_where_there_are_such(
    seen: list[Record], aims: list[Record]
) -> None:
    recorder = Recorder(*seen)

    await nemesis(recorder, set()).inject(Planned("slow, then kill", "warehouse", STORE))

    assert recorder.aims[OWN] == aims


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize("process", ["purchases", "warehouse"])
async def test_of_a_topic_that_several_write_a_record_is_waited_for_before_each_is_killed(
    process: str,
) -> None:
    recorder = Recorder()
    shared = Topic("stock", by=("purchases", "warehouse"))

    await nemesis(recorder, set(), shared).inject(Planned("slow, then kill", process, STORE))

    assert "a record of stock" in recorder.done


SHARED = Topic("events", by=("purchases", "warehouse"))
SOLD, MOVED = Topic("sold", by="purchases"), Topic("moved", by="warehouse")
KAFKA = Line("", "kafka", 2)


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize(
    ("line", "topics", "aimed"),
    [
        (STORE, (SHARED, SOLD, MOVED), ["moved", "sold"]),
        (STORE, (SHARED, SOLD), ["events", "sold"]),
        (STORE, (SHARED,), ["events"]),
        (KAFKA, (SHARED, SOLD, MOVED), ["moved", "sold"]),
        (KAFKA, (SHARED, SOLD), ["sold"]),
        (KAFKA, (SHARED, MOVED), ["moved", "events"]),
    ],
)
async def test_a_kill_is_aimed_by_topics_that_a_process_alone_writes_where_there_are_some(
    line: Line, topics: tuple[Topic, ...], aimed: list[str]
) -> None:
    recorder = Recorder()

    await nemesis(recorder, set(), *topics).inject(Planned("slow, then kill", "warehouse", line))

    steps = (step for step in recorder.done if step.startswith("a record of"))
    assert list(dict.fromkeys(steps)) == [f"a record of {topic}" for topic in aimed]


PLACES, ANSWERS, MOVES = "a record of purchases", "warehouse answers", "an account moves"


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize(
    ("is_answering", "shows_amounts", "moments"),
    [
        (False, False, [PLACES] * 4),
        (True, False, [ANSWERS, PLACES] * 2),
        (False, True, [MOVES, PLACES] * 2),
        (True, True, [ANSWERS, MOVES, PLACES, ANSWERS]),
    ],
)
async def test_behind_a_slow_kafka_what_a_process_shows_before_it_can_tell_is_aimed_at(
    is_answering: bool, shows_amounts: bool, moments: list[str]
) -> None:
    recorder = Recorder(is_answering=is_answering, shows_amounts=shows_amounts)

    await nemesis(recorder, set()).inject(
        Planned("slow, then kill", "warehouse", Line("", "kafka", 2))
    )

    assert [step for step in recorder.done if step in (PLACES, ANSWERS, MOVES)] == moments


@pytest.mark.usefixtures("_without_pauses")
async def test_a_moment_that_does_not_come_is_waited_for_no_longer_than_so() -> None:
    recorder = Recorder(shows_amounts=True)
    recorder.until_moved = asyncio.Event().wait  # type: ignore[assignment,method-assign]

    await nemesis(recorder, set()).inject(Planned("slow, then kill", "warehouse", KAFKA))

    assert recorder.done.count("killed") == faults.SLOW_TIMES_BEFORE_KAFKA


@pytest.mark.usefixtures("_without_pauses")
async def test_a_moment_is_waited_for_as_long_as_the_system_may_pause() -> None:
    recorder = Recorder()

    async def comes_late(*_: Any) -> None:
        await asyncio.sleep(2 * faults.SLOW_S)
        recorder.done.append("came")

    recorder.wait_for_one = comes_late  # type: ignore[assignment,method-assign]
    one = nemesis(recorder, set(), quiet_s=10 * faults.SLOW_S)

    await one.inject(Planned("slow, then kill", "warehouse", STORE))

    assert "came" in recorder.done


@pytest.mark.usefixtures("_without_pauses")
async def test_answers_are_lost_until_a_slow_system_has_told_of_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faults, "LOST_MOST_S", 60.0)
    recorder = Recorder(PLACED)
    losing = asyncio.create_task(
        nemesis(recorder, set()).inject(Planned("lose answers", line=STORE))
    )
    while recorder.done.count("warehouse-mysql: limit_data") < 3 * faults.LOST_TIMES:
        await asyncio.sleep(0)

    recorder.records = (PLACED, RESERVED)

    await losing


async def test_no_fault_is_injected_before_each_topic_that_can_be_aimed_at_has_a_record() -> None:
    recorder = Recorder(PLACED)
    waiting = asyncio.create_task(nemesis(recorder, set()).until_it_flows())

    done, _ = await asyncio.wait([waiting], timeout=3 * LOOK_S)
    recorder.records = (PLACED, POISON)
    poisoned, _ = await asyncio.wait([waiting], timeout=3 * LOOK_S)
    recorder.records = (PLACED, POISON, RESERVED)
    await waiting

    assert not done
    assert not poisoned
