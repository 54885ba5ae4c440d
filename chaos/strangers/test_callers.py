"""Callers record what was sent: an adapter reads answers, and never says what none was."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

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
    Workload,
)
from chaos.strangers.adapters import BadAdapter
from chaos.strangers.callers import AGAIN_TIMES, LOOKS, NOWHERE, Caller, CannotBegin, Shared

DONE = Answer("answered", 201)
REFUSED = Answer("refused", error="nobody listens")
SENT = Answer("sent", error="timed out")


@pytest.fixture(autouse=True)
def _at_once_and_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.strangers.callers.AGAIN_S", 0.0)
    monkeypatch.setattr("chaos.strangers.callers.LOOKED_AT", 0.0)


class Echo(Client):
    def request(self, command: Command) -> Request | None:
        if command.do in ("view", "join"):
            return None
        return Request("api", "POST", f"/{command.do}")

    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant.by_status(answer, about=str(command.mark) if command.do == "open" else "1")


class Idle(Echo):
    def request(self, command: Command) -> Request | None:
        return super().request(command) if command.do == "open" else None


class Forgetful(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant.by_status(answer, about="1")


class Nameless(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant.by_status(answer)


class Bad(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        raise KeyError("data")


class Mine(Stranger):
    name = "mine"
    needs = ()
    processes = ()
    states = States({}, (), ())
    sees = ~Sight(0)
    workload = Workload(accounts=2)
    makes: type[Client] = Echo

    def client(self, number: int) -> Client:
        return self.makes()

    def events(self, record: Record) -> Iterable[Event]:
        return ()


class Says:
    """A sender that says so, and the last to all that come after."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[Request] = []
        self._answers = list(answers)

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def caller(sender: Says, makes: type[Client] = Echo, **more: Any) -> tuple[Caller, Shared]:
    stranger = Mine()
    stranger.makes = makes
    shared = Shared(stranger, sender, **more)
    return Caller(1, shared, Random(1)), shared


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        (Command("place"), DONE, "ok"),
        (Command("place"), REFUSED, "fail"),
        (Command("place"), SENT, "info"),
        (Command("place"), Answer("answered", 409), "fail"),
        (Command("place"), Answer("answered", 500), "info"),
        (Command("read", "1"), REFUSED, "info"),
        (Command("read", "1"), SENT, "info"),
        (Command("read", "1"), Answer("answered", 404), "fail"),
    ],
)
async def test_what_an_answer_means(command: Command, answer: Answer, outcome: str) -> None:
    one, shared = caller(Says(answer))

    op = await one.ask(command)

    assert op is not None
    assert op.meant.outcome == outcome
    assert shared.ops == [op]


async def test_a_command_that_the_system_does_not_have_is_not_recorded() -> None:
    one, shared = caller(Says(DONE))

    assert await one.ask(Command("view", "1")) is None
    assert shared.ops == []


async def test_an_adapter_that_cannot_read_an_answer_is_told_which() -> None:
    one, _ = caller(Says(Answer("answered", 200, b"<html>")), Bad)

    with pytest.raises(BadAdapter, match=r"meaning\(place\) raised KeyError.*200 b'<html>'"):
        await one.ask(Command("place"))


class Silent(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        if command.do != "place":
            return None  # type: ignore[return-value] # as adapters do that nobody checks
        return Meant("ok", about=7)  # type: ignore[arg-type]


class Loud(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant("OK")  # type: ignore[arg-type]


class Priced(Echo):
    def meaning(self, command: Command, answer: Answer) -> Meant:
        return Meant("ok", shows=Shown("NEW", "10.17"))  # type: ignore[arg-type]


class Tuples(Echo):
    def request(self, command: Command) -> Request | None:
        return "POST", "/things"  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("makes", "command", "said"),
    [
        (Silent, Command("cancel", "1"), r"meaning\(cancel 1\) gave None, and no Meant, .* 201"),
        (Silent, Command("place"), r"meaning\(place\) gave about=7, and no text"),
        (Loud, Command("place"), r"meaning\(place\) gave 'OK'; there are ok, fail and info"),
        (Priced, Command("read", "1"), r"gave shows=.*10.17.* and no Shown with a text .* numbers"),
        (Tuples, Command("place"), r"request\(place\) gave \('POST', .*neither a Request nor None"),
    ],
)
async def test_an_adapter_that_gives_something_else_than_it_should_is_told_what(
    makes: type[Client], command: Command, said: str
) -> None:
    one, _ = caller(Says(DONE), makes)

    with pytest.raises(BadAdapter, match=said):
        await one.ask(command)


async def test_accounts_are_opened_before_anything_else_and_the_first_is_scarce() -> None:
    one, shared = caller(Says(DONE))

    await one.begin()
    await one.open_accounts()

    assert [str(op.request) for op in shared.ops] == ["POST /open of api"] * 2
    assert list(shared.opened.values()) == [Workload().scarce, Workload().amount]
    assert shared.ops[0].command.amount == Workload().scarce


async def test_a_system_that_refuses_to_begin_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.strangers.callers.SETUP_S", -1.0)
    one, _ = caller(Says(Answer("answered", 404, b"no such path")))

    with pytest.raises(CannotBegin, match="POST /open of api: 404 b'no such path'"):
        await one.open_accounts()


async def test_a_key_is_sent_twice_with_the_same_command() -> None:
    sender = Says(DONE)
    one, shared = caller(sender, opened={"1": 5, "2": 5})
    for _ in range(40):
        await one.make("place")

    keys = [op.command.key for op in shared.ops]
    assert len(set(keys)) == 40
    assert 40 < len(keys) < 80


async def test_what_has_a_key_is_sent_again_until_its_outcome_is_known() -> None:
    answers = Says(SENT, REFUSED, Answer("answered", 500), DONE)
    one, shared = caller(answers, opened={"1": 5, "2": 5})
    await one.make("place")

    assert [op.meant.outcome for op in shared.ops[:4]] == ["info", "fail", "info", "ok"]
    assert len({op.command.key for op in shared.ops}) == 1
    await one.do("cancel")
    assert shared.ops[-1].command.do == "cancel"


async def test_what_has_a_key_and_is_never_answered_is_given_up() -> None:
    one, shared = caller(Says(SENT), opened={"1": 5, "2": 5})
    await one.make("place")

    assert len(shared.ops) == AGAIN_TIMES


class Two(Echo):
    def request(self, command: Command) -> Request | None:
        return Request("api", "GET", f"/{command.do}/{command.about}")


@pytest.mark.parametrize(("makes", "seen"), [(Echo, ["read"]), (Two, ["read", "view"])])
async def test_what_was_just_made_is_looked_at_on_both_sides_while_it_changes(
    makes: type[Client], seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.strangers.callers.LOOKED_AT", 1.0)
    one, shared = caller(Says(DONE), makes, opened={"1": 5, "2": 5})
    shared.stranger.sees = ~Sight.IDEMPOTENCY  # type: ignore[misc] # of this one alone
    shared.stranger.workload = Workload(accounts=2, pause_s=0.0)  # type: ignore[misc]
    await one.make("place")

    assert [op.command.do for op in shared.ops] == ["place", *seen * LOOKS]
    assert {op.command.about for op in shared.ops[1:]} == {"1"}


async def test_what_nobody_knows_the_outcome_of_is_never_touched_again() -> None:
    sender = Says(DONE, SENT)
    one, shared = caller(sender, opened={"1": 5, "2": 5})
    await one.make("place")
    while len(shared.ops) < 2:
        await one.do("cancel")
    before = len(sender.requests)

    await one.do("cancel")
    await one.do("read")

    assert len(sender.requests) == before


class Accountless(Echo):
    def request(self, command: Command) -> Request | None:
        return None if command.do == "open" else super().request(command)


async def test_a_system_without_accounts_has_things_that_take_nothing() -> None:
    one, shared = caller(Says(DONE), Accountless)
    shared.stranger.sees = ~(Sight.AMOUNTS | Sight.IDEMPOTENCY)  # type: ignore[misc] # of this one

    await one.open_accounts()
    for do in ("move", "read account", "view account"):
        assert await one.do(do) is None
    op = await one.do("place")

    assert op is not None
    assert op.command.moves == {}
    assert [op.command.do for op in shared.ops] == ["place"]


async def test_where_the_amount_is_the_only_number_it_is_the_mark() -> None:
    one, shared = caller(Says(DONE))
    shared.stranger.workload = Workload(accounts=2, mark_is_amount=True)  # type: ignore[misc]

    await one.open_accounts()
    for _ in range(200):
        await one.make("place")
        await one.make("move")

    made = [op.command for op in shared.ops if op.command.do in ("place", "move")]
    assert all({abs(each) for each in one.moves.values()} == {one.mark} for one in made)
    assert {len(one.moves) for one in made if one.do == "place"} == {1}
    assert [op.command.amount for op in shared.ops[:2]] == [60_000, 100_000_000]


@pytest.mark.parametrize(
    ("makes", "said"),
    [
        (Accountless, "no request for `open`, and says that it sees AMOUNTS"),
        (Idle, "no request for `place`, and none for `move`"),
        (Forgetful, "two accounts have the id 1"),
        (Nameless, "gives no `about`"),
    ],
)
async def test_what_could_never_be_judged_is_said_before_anything_else(
    makes: type[Client], said: str
) -> None:
    one, _ = caller(Says(DONE), makes)

    with pytest.raises(CannotBegin, match=said):
        await one.open_accounts()


async def test_a_move_has_a_source_and_a_target_even_where_one_of_them_is_nowhere() -> None:
    one, shared = caller(Says(DONE), opened={"1": 5, "2": 5})
    for _ in range(200):
        await one.make("move")

    moves = [op.command.moves for op in shared.ops]
    assert all(len(move) == 2 and sum(move.values()) == 0 for move in moves)
    assert any(move.get(NOWHERE, 0) < 0 for move in moves)
    assert any(move.get(NOWHERE, 0) > 0 for move in moves), "what is taken then has to go back"


async def test_a_command_that_cannot_be_asked_says_so_and_makes_no_client_wait() -> None:
    one, _ = caller(Says(DONE), opened={"1": 5, "2": 5})

    assert await one.do("cancel") is None  # it has placed nothing yet
    assert await one.do("place") is not None
    assert await one.do("cancel") is not None
    assert await one.do("view") is None  # the system has no such command


async def test_what_is_asked_first_is_asked_until_it_is_done() -> None:
    one, shared = caller(Says(SENT, Answer("answered", 503), DONE))

    op = await one.surely(Command("open"))

    assert op is not None
    assert [each.meant.outcome for each in shared.ops] == ["info", "info", "ok"]


async def test_without_idempotency_nothing_has_a_key_and_nothing_is_sent_twice() -> None:
    one, shared = caller(Says(DONE), opened={"1": 5, "2": 5})
    shared.stranger.sees = ~Sight.IDEMPOTENCY  # type: ignore[misc] # of this one alone
    for _ in range(40):
        await one.make("place")

    assert len(shared.ops) == 40
    assert {op.command.key for op in shared.ops} == {None}


async def test_what_was_refused_is_never_touched_again() -> None:
    one, shared = caller(Says(Answer("answered", 409)), opened={"1": 5, "2": 5})
    await one.make("place")

    assert await one.do("read") is None
    assert len(shared.ops) == 1


async def test_some_take_from_an_account_that_there_is_not() -> None:
    one, shared = caller(Says(DONE), opened={"1": 5, "2": 5})
    for _ in range(200):
        await one.make("place")

    taken = [set(op.command.moves) for op in shared.ops]
    assert {NOWHERE} in taken
    assert {"1"} in taken


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, r"client\(1\) gave None, and no Client"), (KeyError("x"), "raised KeyError: 'x'")],
    ids=["none", "an error"],
)
async def test_an_adapter_that_has_no_client_is_said_to_have_none(
    given: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def client(_: object, __: int) -> object:
        if isinstance(given, Exception):
            raise given
        return given

    _, shared = caller(Says(DONE))
    monkeypatch.setattr(type(shared.stranger), "client", client)

    with pytest.raises(BadAdapter, match=said):
        Caller(1, shared, Random(1))
