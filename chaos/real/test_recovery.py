"""How long the system took to go on: from the repair to the last order placed meanwhile."""

from __future__ import annotations

from chaos.kit.history import Op, Outcome
from chaos.real.nemesis import Injected, TimedFault
from chaos.real.recovery import visible_again

INJECTED = Injected(
    TimedFault("kill", ("kafka",), 2.0), began_s=10.0, repaired_s=14.0, ready_after_s=None
)


def placed(client: str, at_s: float, outcome: Outcome = Outcome.OK) -> Op:
    return Op(client, "POST", "/orders", outcome, ended_s=at_s)


def seen(client: str, at_s: float, outcome: Outcome = Outcome.OK) -> Op:
    return Op(client, "GET", "/orders/1", outcome, ended_s=at_s, role="query-api")


def test_the_last_order_counts_and_its_first_sight() -> None:
    history = [
        placed("a", 11.0),
        placed("b", 12.0),
        seen("a", 15.0),
        seen("b", 15.5, Outcome.FAIL),
        seen("b", 17.0),
        seen("b", 19.0),
    ]
    assert visible_again(history, [INJECTED]) == [3.0]


def test_orders_from_before_and_after_do_not_count() -> None:
    history = [placed("a", 9.0), placed("b", 14.5), seen("a", 30.0), seen("b", 30.0)]
    assert visible_again(history, [INJECTED]) == []


def test_what_was_seen_before_the_repair_did_not_wait() -> None:
    assert visible_again([placed("a", 11.0), seen("a", 11.2)], [INJECTED]) == [0.0]


def test_whoever_never_looked_says_nothing() -> None:
    history = [placed("a", 11.0), placed("b", 11.0, Outcome.INFO), seen("b", 30.0)]
    assert visible_again(history, [INJECTED]) == []
