"""A run is judged at rest: when nothing lags, nothing moves and every read is answered, for long enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

import pytest

from chaos.kit.blackbox import (
    Answer,
    Client,
    Command,
    Event,
    Meant,
    Record,
    Request,
    Shown,
    Sight,
    States,
    Stranger,
    Topic,
    Unreadable,
)
from chaos.strangers import run
from chaos.strangers.adapters import BadAdapter
from chaos.strangers.run import Judging, Wanted, decoded

One = TypeVar("One")

PLACED = Record("things", 0, 0, b"", b"placed 1")


class Teller(Client):
    def request(self, command: Command) -> Request | None:
        return Request("shop", "GET", command.about) if command.do == "read" else None

    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant("ok", shows=Shown(answer.body.decode()))


class Shop(Stranger):
    name = "shop"
    needs = ()
    topics = (Topic("things"),)
    processes = ()
    states = States({}, (), ())
    sees = ~Sight(0)
    quiet_s: ClassVar[float] = 0.05
    rest_s: ClassVar[float] = 60.0

    def client(self, number: int) -> Client:
        return Teller()

    def events(self, record: Record) -> Iterable[Event]:
        if record.value == b"broken":
            raise Unreadable("it is broken")
        if record.value.startswith(b"placed"):
            yield Event("placed", record.value.decode().split()[1])
        if record.value == b"unforeseen":
            raise KeyError("kind")


class Following:
    """Topics as they were seen one look after the other; the last look lasts."""

    def __init__(self, lags: Iterable[Mapping[str, int]] = (), ends: Iterable[int] = ()) -> None:
        self.records = [PLACED]
        self.looks = 0
        self.asked = 0
        self._lags, self._ends = [*lags, {}], [*ends, 9]

    async def ends(self) -> Mapping[str, int]:
        self.looks += 1
        return {"things": _next(self._ends)}

    async def lags(self, _: object) -> Mapping[str, int]:
        return _next(self._lags)

    async def is_read(self) -> bool:
        self.asked += 1
        return self.asked > 3


class Says:
    """Answers with these states one after the other; the last one lasts. Empty: no answer."""

    def __init__(self, *states: str) -> None:
        self._states = [*states, "DONE"]

    async def send(self, _: Request) -> Answer:
        state = _next(self._states)
        return Answer("answered", 200, state.encode()) if state else Answer("sent", error="late")


def _next(left: list[One]) -> One:
    return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(autouse=True)
def _looks_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LOOK_S", 0.0)


def running(topics: Following, sender: Says, shop: Shop) -> Judging:
    ground: Any = SimpleNamespace(stranger=shop)
    made: Any = topics
    return Judging(ground, {}, made, sender, Wanted(1))  # type: ignore[arg-type] # it sends, no more


class Hasty(Shop):
    rest_s = 0.1


@pytest.mark.parametrize(
    ("lags", "ends", "states"),
    [
        ([{"group": 1}] * 30, [], []),
        ([], list(range(30)), []),
        ([], [], [f"STEP {step}" for step in range(30)]),
        ([], [], [""] * 30),
    ],
    ids=["a group lags", "a topic grows", "a thing changes", "a read is not answered"],
)
async def test_it_is_not_at_rest_while(
    lags: list[dict[str, int]], ends: list[int], states: list[str]
) -> None:
    topics = Following(lags, ends)

    missing, readings = await running(topics, Says(*states), Shop()).come_to_rest()

    assert topics.looks > 30
    assert topics.asked == 4
    assert (missing, readings.read) == ([], {"1": Shown("DONE")})


@pytest.mark.parametrize(
    ("topics", "sender", "said"),
    [
        (Following([{"group": 3}] * 10_000), Says(), "group group lags by 3, 0.1 s after"),
        (Following(), Says(*[""] * 10_000), "1 reads are not answered"),
        (Following(ends=range(10_000)), Says(), "it still moves"),
    ],
)
async def test_what_never_comes_to_rest_is_said(topics: Following, sender: Says, said: str) -> None:
    missing, _ = await running(topics, sender, Hasty()).come_to_rest()

    assert said in missing[0]


def test_what_is_decoded_leaves_poison_out_and_keeps_what_cannot_be_read() -> None:
    broken = Record("things", 0, 1, b"", b"broken")
    poison = Record("things", 0, 2, b"", b"poison")

    told, unreadable = decoded(Shop(), [PLACED, broken, poison], {b"poison"})

    assert [(one.event.about, one.record) for one in told] == [("1", PLACED)]
    assert unreadable == [(broken, "it is broken")]


def test_an_adapter_that_fails_at_a_record_is_told_which() -> None:
    record = Record("things", 2, 7, b"", b"unforeseen")

    with pytest.raises(
        BadAdapter, match=r"events\(\) raised KeyError: 'kind' for things 2@7 b'unf"
    ):
        decoded(Shop(), [record], ())
