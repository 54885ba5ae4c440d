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
    Blind,
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


def _look_once_a_second(topics: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that says how often was looked."""
    monkeypatch.setattr(run, "_now", lambda: topics.looks)


@pytest.mark.parametrize(
    ("lags", "ends", "states", "moved_at"),
    [
        ([{"group": 1}] * 30, [], [], 30),
        ([], list(range(30)), [], 31),
        ([], [], [f"STEP {step}" for step in range(30)], 31),
        ([], [], [""] * 30, 31),
        ([], [], ["refused"] * 30, 31),
    ],
    ids=[
        "a group lags",
        "a topic grows",
        "a thing changes",
        "a read is not answered",
        "a read is refused",
    ],
)
async def test_it_is_not_at_rest_until_for_longer_than_the_longest_poll_no_more(
    lags: list[dict[str, int]],
    ends: list[int],
    states: list[str],
    moved_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor before all records have been read."""
    monkeypatch.setattr(Shop, "quiet_s", 10.0)
    topics = Following(lags, ends)
    _look_once_a_second(topics, monkeypatch)

    missing, readings = await running(topics, Says(*states), Shop()).come_to_rest()

    not_read = 3
    assert topics.looks == moved_at + 10 + 1 + not_read
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


STUCK = {"stuck": 50}


@pytest.mark.parametrize(
    ("lags", "got_on_at"),
    [
        ([], 1),
        ([STUCK | {"slow": left} for left in range(45, 0, -1)], 45 + 1),
        ([STUCK | {"new": 7}], 2),
        ([STUCK, STUCK | {"new": 7}], 1),
    ],
    ids=["it stands still", "one of two gets on", "one of two is done", "a new one is no progress"],
)
async def test_rest_is_given_up_when_all_groups_together_get_on_no_more(
    lags: list[dict[str, int]], got_on_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shop, "rest_s", 30.0)
    topics = Following([*lags, *[STUCK] * 99])
    _look_once_a_second(topics, monkeypatch)

    missing, _ = await running(topics, Says(), Shop()).come_to_rest()

    assert missing
    assert topics.looks == got_on_at + 30 + 1


async def test_each_group_that_still_lags_breaks_rest_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _count_seconds(monkeypatch)
    topics = Following([{"one": 3, "two": 4}] * 10_000)

    result = await running(topics, Says(), Hasty()).judged_at_rest([], [])

    (rest,) = (one for one in result.verdicts if one.promise == "rest_is_reached")
    assert rest.outcome == "broken"
    assert [one.seen.partition(",")[0] for one in rest.found] == [
        "group one lags by 3",
        "group two lags by 4",
    ]


class Absent(Teller):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant("fail")


class Lossy(Shop):
    def client(self, number: int) -> Client:
        return Absent()


async def test_an_answer_that_a_thing_is_not_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Shop, "quiet_s", 10.0)
    topics = Following()
    _look_once_a_second(topics, monkeypatch)

    missing, readings = await running(topics, Says(), Lossy()).come_to_rest()

    not_read = 3
    assert topics.looks == 1 + 10 + 1 + not_read
    assert (missing, readings.read) == ([], {})


class Deaf(Says):
    """It never answers for one thing."""

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = about

    async def send(self, request: Request) -> Answer:
        is_this = request.path == self._about
        return Answer("sent", error="late") if is_this else await super().send(request)


@pytest.mark.parametrize("about", ["10", "21", "39"])
async def test_of_many_things_each_has_to_be_read(
    about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _count_seconds(monkeypatch)
    topics = Following()
    topics.records = [
        replace(PLACED, offset=thing, value=b"placed %d" % thing) for thing in range(10, 40)
    ]

    missing, readings = await running(topics, Deaf(about), Hasty()).come_to_rest()

    assert "1 reads are not answered" in missing[0]
    assert readings.read.keys() == {str(thing) for thing in range(10, 40)} - {about}


class Falling:
    """A process that falls as soon as somebody looks, once."""

    def __init__(self) -> None:
        self.falls: list[str] = []
        self.started = asyncio.Event()

    def has_fallen(self) -> bool:
        if self.falls:
            return False
        self.falls.append("shop ended with 1")
        return True

    def start(self) -> None:
        self.started.set()


async def test_what_falls_while_rest_is_waited_for_is_started_again_and_told() -> None:
    shop = Falling()

    result = await running(Following(), Says(), Shop(), {"shop": shop}).judged_at_rest([], [])

    assert shop.started.is_set()
    assert result.evidence.falls == ["shop ended with 1"]


async def test_what_falls_under_faults_is_started_again_before_they_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Falling()

    class Lasting(Harmless):
        async def inject(self, fault: object) -> None:
            await shop.started.wait()

    async with asyncio.timeout(10):
        await judged(monkeypatch, Following(), Poisonable(), Lasting, {"shop": shop})


async def test_the_evidence_has_its_records_in_their_order_and_the_faults_and_what_was_said() -> (
    None
):
    places = [("others", 0, 0), ("things", 0, 2), ("things", 0, 10), ("things", 1, 1)]
    records = [
        Record(topic, partition, offset, b"", b"placed 1") for topic, partition, offset in places
    ]
    topics = Following()
    topics.records = records[::-1]
    faults = [Fault("kill -9 shop", 1.0, 2.0)]

    result = await running(topics, Says(), Shop()).judged_at_rest(faults, [])

    evidence = result.evidence
    assert [one.record for one in evidence.told] == records
    assert list(evidence.faults) == faults
    assert (evidence.states, evidence.tells) == (Shop.states, Shop.tells)
    assert [op.command.do for op in evidence.ops].count("read") == len(evidence.ops) > 0


class Blinded(Shop):
    sees = ~Sight.VERSIONS
    blind = (Blind(Sight.VERSIONS, "its events have none"),)


async def test_where_an_adapter_is_blind_its_own_reason_is_said() -> None:
    result = await running(Following(), Says(), Blinded()).judged_at_rest([], [])

    (order,) = (one for one in result.verdicts if one.promise == "order_per_key")
    assert (order.outcome, order.because) == ("not judged", "its events have none")


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
    topics: ClassVar[Sequence[Topic]] = (
        Topic("things", dead_letters="things.dlq"),
        Topic("others"),
    )
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


class Poisoned(Poisonable):
    topics = (
        Topic("things", dead_letters="dlq"),
        Topic("quiet"),
        Topic("others", dead_letters="dlq"),
        Topic("more", dead_letters="more.dlq"),
    )

    def poison(self, topic: str) -> bytes:
        return topic.encode()


async def test_poison_is_put_into_each_topic_that_has_dead_letters_and_is_due_in_their_topic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = Following()

    result = await judged(monkeypatch, topics, Poisoned(), Harmless)

    assert [topic for topic, _ in topics.poisoned] == ["things", "others", "more"]
    assert result.evidence.poison == {"dlq": [b"things", b"others"], "more.dlq": [b"more"]}


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
    falls: ClassVar[Sequence[str]] = ("shop ended with 1",)

    def has_fallen(self) -> bool:
        return False


class Steady(Fallen):
    falls = ()


async def test_the_evidence_has_each_reading_in_its_place_and_what_fell_and_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = {"store": Steady(), "shop": Fallen()}

    result = await judged(monkeypatch, Following(), Mirrored(), Harmless, processes)

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


async def test_what_was_placed_is_read_on_both_sides_while_a_fault_lasts(
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


async def test_what_was_placed_is_read_at_rest_though_no_event_tells_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sender, topics = Noting(), Following()
    topics.records = []

    class Lasting(Harmless):
        async def inject(self, fault: object) -> None:
            while "place" not in sender.asked:
                await asyncio.sleep(0)

    monkeypatch.setattr("chaos.strangers.callers.LOOKED_AT", 0.0)
    monkeypatch.setattr(run, "Nemesis", Lasting)
    monkeypatch.setattr(run, "plan", lambda *_: ["a fault"])

    async with asyncio.timeout(10):
        result = await running(topics, sender, Placing()).judged()

    assert result.evidence.read.keys() == result.evidence.placed.keys() != set()


class Agreeing(TwoSided):
    """Its things look alike on both sides, and its accounts do not, and have no amounts."""

    def meaning(self, command: Command, answer: Answer) -> Meant:
        if command.do in ("read", "view"):
            return Meant("ok", shows=Shown("DONE"))
        return super().meaning(command, answer)


class Countless(Poisonable):
    def client(self, number: int) -> Client:
        return Agreeing()


async def test_what_is_read_by_a_sight_that_was_taken_back_blames_no_promise_that_needs_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = await judged(monkeypatch, Following(), Countless(), Harmless)

    (views,) = (one for one in result.verdicts if one.promise == "views_show_the_truth")
    assert (views.outcome, views.cases) == ("kept", 1)


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
