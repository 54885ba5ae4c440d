"""A run is judged at rest: when nothing lags, nothing moves and every read is answered, for long enough."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

import pytest

from chaos.kit.blackbox import (
    READS,
    Answer,
    Client,
    Command,
    Event,
    Exchange,
    Fault,
    Meant,
    Observations,
    Record,
    Request,
    Shown,
    Sight,
    States,
    Stranger,
    Topic,
    Unreadable,
    Workload,
)
from chaos.strangers import run
from chaos.strangers.adapters import BadAdapter
from chaos.strangers.processes import NotReady
from chaos.strangers.run import Judging, Result, Wanted, decoded, hardly_scarce

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
    topics: ClassVar[Sequence[Topic]] = (Topic("things"),)
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
        if record.value == b"no event":
            yield "placed"  # type: ignore[misc] # as adapters do that nobody checks
        if record.value == b"a number":
            yield Event("placed", 7)  # type: ignore[arg-type]
        if record.value == b"a kind":
            yield Event("reservd", "7")  # type: ignore[arg-type]
        if record.value == b"a move":
            yield Event("reserved", "7", {"1": "2"})  # type: ignore[dict-item]
        if record.value == b"a state":
            yield Event("changed", "7", state=None)  # type: ignore[arg-type]
        if record.value == b"unforeseen":
            raise KeyError("kind")


class Following:
    """Topics as they were seen one look after the other; the last look lasts."""

    def __init__(self, lags: Iterable[Mapping[str, int]] = (), ends: Iterable[int] = ()) -> None:
        self.records = [PLACED]
        self.looks = 0
        self.asked = 0
        self.unseen: list[str] = []
        self.poisoned: list[tuple[str, bytes]] = []
        self._lags, self._ends = [*lags, {}], [*ends, 9]

    async def ends(self) -> Mapping[str, int]:
        self.looks += 1
        return {"things": _next(self._ends)}

    async def lags(self, _: object) -> Mapping[str, int]:
        return _next(self._lags)

    async def is_read(self) -> bool:
        self.asked += 1
        return self.asked > 3

    async def put_in(self, topic: str, value: bytes) -> None:
        self.poisoned.append((topic, value))

    async def without_lag(self, _: object) -> list[str]:
        return self.unseen


class Says:
    """Answers with these states one after the other; the last one lasts. Empty: no answer.

    refused: nobody listens.
    """

    def __init__(self, *states: str) -> None:
        self._states = [*states, "DONE"]

    async def send(self, _: Request) -> Answer:
        match _next(self._states):
            case "":
                return Answer("sent", error="late")
            case "refused":
                return Answer("refused", error="nobody listens")
            case state:
                return Answer("answered", 200, state.encode())


def _next(left: list[One]) -> One:
    return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(autouse=True)
def _looks_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LOOK_S", 0.0)


def running(
    topics: Following, sender: Says, shop: Shop, processes: Mapping[str, Any] | None = None
) -> Judging:
    ground: Any = SimpleNamespace(stranger=shop, lines={})
    made: Any = topics
    return Judging(ground, processes or {}, made, sender, Wanted(1))  # type: ignore[arg-type] # it sends, no more


class Hasty(Shop):
    rest_s = 0.1


@pytest.mark.parametrize(
    ("lags", "ends", "states"),
    [
        ([{"group": 1}] * 30, [], []),
        ([], list(range(30)), []),
        ([], [], [f"STEP {step}" for step in range(30)]),
        ([], [], [""] * 30),
        ([], [], ["refused"] * 30),
    ],
    ids=[
        "a group lags",
        "a topic grows",
        "a thing changes",
        "a read is not answered",
        "a read is refused",
    ],
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
        (
            Following([{"group": 3}] * 10_000),
            Says(),
            "group group lags by 3, 5 s after the last fault",
        ),
        (Following(), Says(*[""] * 10_000), "1 reads are not answered"),
        (Following(ends=range(10_000)), Says(), "it still moves"),
    ],
)
async def test_what_never_comes_to_rest_is_said(
    topics: Following, sender: Says, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _count_seconds(monkeypatch)

    missing, _ = await running(topics, sender, Hasty()).come_to_rest()

    assert said in missing[0]


def _count_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second each time that it is looked at."""
    seconds = itertools.count()
    monkeypatch.setattr(run, "_now", lambda: next(seconds))


@pytest.mark.parametrize(
    ("falling", "is_waited_for"), [(30, True), (3000, False)], ids=["slow", "without end"]
)
async def test_a_backlog_that_gets_smaller_is_waited_for_but_not_for_ever(
    falling: int, is_waited_for: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a relay that sends one event a second: its hundred are no fault, and no rest either."""
    _count_seconds(monkeypatch)
    monkeypatch.setattr(Shop, "rest_s", 60.0)
    monkeypatch.setattr(Shop, "quiet_s", 5.0)
    topics = Following([{"group": lag} for lag in range(falling, 0, -1)])

    missing, _ = await running(topics, Says(), Shop()).come_to_rest()

    assert topics.looks > 30, "far longer than it may stand still"
    assert (missing == []) is is_waited_for


@pytest.mark.parametrize(
    ("unseen", "sees", "said"),
    [
        ([], ~Sight(0), "kept"),
        (["group g commits no offset of things"], ~Sight(0), "not judged"),
        ([], ~Sight.GROUPS, "not judged"),
    ],
    ids=["all commit", "one commits nothing", "the adapter sees none"],
)
async def test_rest_is_kept_only_where_every_lag_was_seen(
    unseen: list[str], sees: Sight, said: str
) -> None:
    topics, shop = Following(), Shop()
    topics.unseen = unseen
    shop.sees = sees  # type: ignore[misc] # of this one alone

    result = await running(topics, Says(), shop).judged_at_rest([], [])

    (rest,) = (one for one in result.verdicts if one.promise == "rest_is_reached")
    assert rest.outcome == said
    assert all(why in rest.because for why in unseen)


class Seller(Teller):
    def request(self, command: Command) -> Request | None:
        makes = command.do in ("open", "place")
        return Request("shop", "POST", command.do) if makes else super().request(command)

    def meaning(self, command: Command, answer: Answer) -> Meant:
        if command.do == "open":
            return Meant("ok", about=str(command.mark))
        return super().meaning(command, answer)


class Poisonable(Shop):
    topics = (Topic("things", dead_letters="things.dlq"), Topic("others"))
    workload = Workload(clients=1, accounts=2)

    def client(self, number: int) -> Client:
        return Seller()

    def poison(self, topic: str) -> bytes:
        return b"poison"


class Harmless:
    """A nemesis that injects nothing."""

    faults: ClassVar[list[Fault]] = []

    def __init__(self, *_: object) -> None: ...

    async def until_it_flows(self) -> None: ...

    async def inject(self, fault: object) -> None: ...


class Deadly(Harmless):
    async def inject(self, fault: object) -> None:
        raise NotReady("the shop was not ready after 60 s")


async def judged(
    monkeypatch: pytest.MonkeyPatch,
    topics: Following,
    shop: Shop,
    nemesis: type[Harmless],
    processes: Mapping[str, Any] | None = None,
) -> Result:
    monkeypatch.setattr(run, "Nemesis", nemesis)
    monkeypatch.setattr(run, "plan", lambda *_: ["a fault"])
    return await running(topics, Says(), shop, processes).judged()


async def test_a_process_that_stays_away_breaks_rest_and_names_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = await judged(monkeypatch, Following(), Poisonable(), Deadly)

    (rest,) = (one for one in result.verdicts if one.promise == "rest_is_reached")
    assert rest.outcome == "broken"
    assert "the shop was not ready after 60 s" in str(rest)


@pytest.mark.parametrize(
    ("sees", "poisoned"),
    [(~Sight(0), [("things", b"poison")]), (~Sight.DEAD_LETTERS, [])],
    ids=["seen", "blind"],
)
async def test_poison_is_put_in_only_where_dead_letters_can_be_seen(
    monkeypatch: pytest.MonkeyPatch, sees: Sight, poisoned: list[tuple[str, bytes]]
) -> None:
    topics, shop = Following(), Poisonable()
    shop.sees = sees  # type: ignore[misc] # of this one alone

    result = await judged(monkeypatch, topics, shop, Harmless)

    assert topics.poisoned == poisoned
    assert result.evidence.poison == ({"things.dlq": [b"poison"]} if poisoned else {})


class TwoSided(Seller):
    """Each reading says which it is."""

    def request(self, command: Command) -> Request | None:
        if command.do in READS:
            return Request("shop", "GET", command.do)
        return super().request(command)

    def meaning(self, command: Command, answer: Answer) -> Meant:
        if command.do in READS:
            return Meant("ok", shows=Shown(command.do))
        return super().meaning(command, answer)


class Mirrored(Poisonable):
    known: ClassVar[Mapping[str, str]] = {"no_process_falls": "issue 17"}

    def client(self, number: int) -> Client:
        return TwoSided()


class Fallen:
    falls = ("shop ended with 1",)

    def has_fallen(self) -> bool:
        return False


async def test_the_evidence_has_each_reading_in_its_place_and_what_fell_and_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = await judged(monkeypatch, Following(), Mirrored(), Harmless, {"shop": Fallen()})

    evidence = result.evidence
    assert {str(one) for one in evidence.read.values()} == {"read"}
    assert {str(one) for one in evidence.viewed.values()} == {"view"}
    assert {str(one) for one in evidence.held.values()} == {"read account"}
    assert {str(one) for one in evidence.held_in_views.values()} == {"view account"}
    assert evidence.falls == ["shop ended with 1"]
    (falls,) = (one for one in result.verdicts if one.promise == "no_process_falls")
    assert (falls.outcome, falls.is_known) == ("broken", True)


class Noting(Says):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def send(self, request: Request) -> Answer:
        self.asked.append(request.path)
        await asyncio.sleep(0)
        return await super().send(request)


class Made(TwoSided):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        if command.do == "place":
            return Meant("ok", about=str(command.mark))
        return super().meaning(command, answer)


class Placing(Poisonable):
    workload = Workload(clients=1, accounts=2, pause_s=0.0, weights={"place": 1})

    def client(self, number: int) -> Client:
        return Made()


async def test_what_was_placed_is_read_on_both_sides_while_a_fault_strikes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender = Noting()

    class Lasting(Harmless):
        async def inject(self, fault: object) -> None:
            while not {"read", "view"} <= set(sender.asked):
                await asyncio.sleep(0)

    monkeypatch.setattr("chaos.strangers.callers.LOOKED_AT", 0.0)
    monkeypatch.setattr(run, "READ_S", 0.0)
    monkeypatch.setattr(run, "Nemesis", Lasting)
    monkeypatch.setattr(run, "plan", lambda *_: ["a fault"])

    async with asyncio.timeout(10):
        await running(Following(), sender, Placing()).judged()


async def test_a_dead_letter_is_no_event_though_it_can_be_read_as_one() -> None:
    topics = Following()
    letter = Record("things.dlq", 0, 0, b"", b"placed 2")
    topics.records = [PLACED, letter]

    result = await running(topics, Says(), Poisonable()).judged_at_rest([], [])

    assert [one.record for one in result.evidence.told] == [PLACED]
    assert result.evidence.letters == {"things.dlq": [letter]}


@pytest.mark.parametrize("mark_is_amount", [True, False])
async def test_the_judge_is_told_by_the_workload_whether_a_thing_takes_its_mark(
    mark_is_amount: bool,
) -> None:
    shop = Shop()
    shop.workload = Workload(mark_is_amount=mark_is_amount)  # type: ignore[misc] # of this one alone

    result = await running(Following(), Says(), shop).judged_at_rest([], [])

    assert result.evidence.mark_is_amount == mark_is_amount


class Emptying(Poisonable):
    def poison(self, topic: str) -> bytes:
        return "poison"  # type: ignore[return-value] # as adapters do that nobody checks

    def letter(self, record: Record) -> bytes:
        return None  # type: ignore[return-value]


async def test_poison_and_dead_letters_that_are_no_bytes_are_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BadAdapter, match=r"poison\('things'\) gave 'poison', and neither bytes"):
        await judged(monkeypatch, Following(), Emptying(), Harmless)

    topics = Following()
    topics.records = [Record("things.dlq", 0, 0, b"", b"letter")]
    with pytest.raises(BadAdapter, match=r"letter\(\) gave None, and no bytes, for things.dlq 0@0"):
        await running(topics, Says(), Emptying()).judged_at_rest([], [])


class Wrapping(Poisonable):
    def letter(self, record: Record) -> bytes:
        return record.value.removeprefix(b"this failed: ")


async def test_a_dead_letter_that_its_topic_wraps_is_known_by_what_was_put_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = Following()
    topics.records = [Record("things.dlq", 0, 0, b"", b"this failed: poison")]

    result = await judged(monkeypatch, topics, Wrapping(), Harmless)

    (letters,) = (one for one in result.verdicts if one.promise == "dead_letters_are_the_poison")
    assert letters.outcome == "kept"


class Misreading(Poisonable):
    def letter(self, record: Record) -> bytes:
        raise KeyError("original")


async def test_an_adapter_that_fails_at_a_dead_letter_is_told_which() -> None:
    topics = Following()
    topics.records = [Record("things.dlq", 2, 7, b"", b"{}")]

    with pytest.raises(
        BadAdapter, match=r"letter\(\) raised KeyError: 'original' for things.dlq 2@7"
    ):
        await running(topics, Says(), Misreading()).judged_at_rest([], [])


def test_what_is_decoded_leaves_poison_out_and_keeps_what_cannot_be_read() -> None:
    broken = Record("things", 0, 1, b"", b"broken")
    poison = Record("things", 0, 2, b"", b"poison")

    told, unreadable = decoded(Shop(), [PLACED, broken, poison], {b"poison"})

    assert [(one.event.about, one.record) for one in told] == [("1", PLACED)]
    assert unreadable == [(broken, "it is broken")]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"no event", "gave 'placed', and no Event"),
        (b"a number", "about=7.*, whose about is no text"),
        (b"a kind", "there is no kind 'reservd'"),
        (b"a move", "whose mark and moves are no numbers"),
        (b"a state", "whose state is no text"),
    ],
)
def test_an_adapter_that_gives_something_else_than_events_is_told_what(
    value: bytes, said: str
) -> None:
    with pytest.raises(BadAdapter, match=f"{said}.*, for things 2@7"):
        decoded(Shop(), [Record("things", 2, 7, b"", value)], ())


def test_an_adapter_that_fails_at_a_record_is_told_which() -> None:
    record = Record("things", 2, 7, b"", b"unforeseen")

    with pytest.raises(
        BadAdapter, match=r"events\(\) raised KeyError: 'kind' for things 2@7 b'unf"
    ):
        decoded(Shop(), [record], ())


async def test_a_sight_that_the_run_does_not_have_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its accounts show no amount, which once counted as zero, and so never below."""
    result = await judged(monkeypatch, Following(), Mirrored(), Harmless)

    (negative,) = (one for one in result.verdicts if one.promise == "never_negative")
    assert negative.outcome == "not judged"
    assert negative.because == "no account that was read shows an `amount`"


@pytest.mark.parametrize(
    ("asked", "says"), [([3, 3], "of the 5 that it held only 6"), ([3, 3, 2], "")], ids=str
)
def test_it_is_said_where_what_is_scarce_was_hardly_asked_for(
    asked: Sequence[int], says: str
) -> None:
    """Else "kept" and "nothing happened" change places from run to run."""
    unheard = Answer("refused")
    evidence = Observations(
        States({}, (), ()),
        opened={"7": 5, "8": 100},
        ops=[
            *(
                Exchange("one", Command("place", moves={"7": -many}), Meant("fail"))
                for many in asked
            ),
            Exchange("one", Command("place", moves={"8": -90}), Meant("ok")),
            Exchange("one", Command("move", moves={"8": -9, "7": 9}), Meant("ok")),
            Exchange("one", Command("place", moves={"7": -9}), Meant("fail"), answer=unheard),
        ],
    )

    assert says in hardly_scarce(evidence)
    assert bool(hardly_scarce(evidence)) == bool(says)
    assert hardly_scarce(replace(evidence, opened={})) == ""
