"""What accounts promise beside all that the kit does: no payment lost or made up, a point for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.kit import checkers as kit
from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome

REWARDED_FROM = 100
CONSUMER = "account-consumer"


def _once(evidence: Evidence) -> Iterator[Anomaly]:
    """Each amount is sent by one client for one purpose, perhaps in several requests."""
    paid = Counter(event.amount for event in evidence.events("account.paid"))
    asked: dict[int, list[Op]] = defaultdict(list)
    for op in evidence.history:
        if op.method == "POST" and op.role == "account-api":
            asked[op.body["amount"]].append(op)
    for amount, ops in asked.items():
        done = sum(op.ok for op in ops)
        allowed = done + sum(op.outcome is Outcome.INFO for op in ops)
        if all(op.key is not None for op in ops):
            done, allowed = min(done, 1), min(allowed, 1)
        if paid[amount] < done:
            yield Anomaly("acknowledged and lost", f"{amount}: {ops[0]}")
        if paid[amount] > allowed:
            yield Anomaly("done twice", f"{amount}: {paid[amount]} times, of {len(ops)} requests")


def _sums(evidence: Evidence) -> Iterator[Anomaly]:
    paid: Counter[int] = Counter()
    for event in evidence.events("account.paid"):
        paid[event.account_id] += event.amount
    for id, row in evidence.row_by("id", "accounts").items():
        if row["balance"] != paid[id]:
            yield Anomaly("sum differs", f"account {id}: {row['balance']}, paid {paid[id]}")


def _points(evidence: Evidence) -> Iterator[Anomaly]:
    left = parked(evidence, CONSUMER) - handled(evidence, CONSUMER)
    earned = Counter(
        told.event.account_id
        for id, told in evidence.first_told.items()
        if told.event.type == "account.paid"
        and told.event.amount >= REWARDED_FROM
        and id not in left
    )
    for id, row in evidence.row_by("id", "accounts").items():
        if row["points"] != earned[id]:
            name = "double effect" if row["points"] > earned[id] else "missing effect"
            yield Anomaly(name, f"account {id}: {row['points']} points, {earned[id]} earned")


OWN = (
    Checker(
        "payments_take_effect_once",
        "A payment is told once; one refused, never.",
        _once,
        lambda evidence: [
            op for op in kit.commands.writes(evidence) if op.path.endswith("/payments")
        ],
    ),
    Checker(
        "balances_add_up",
        "A balance is the sum of the payments that were told.",
        _sums,
        lambda evidence: evidence.rows("accounts"),
    ),
    Checker(
        "single_effect",
        "Each payment of 100 or more has given one point.",
        _points,
        lambda evidence: evidence.events("account.paid"),
    ),
)
CHECKERS: dict[str, Checker] = {
    checker.name: checker
    for checker in (
        kit.events.NO_LOST_EVENT.also(kit.events.every_version("account", "accounts")),
        *(checker for checker in kit.CHECKERS if checker is not kit.events.NO_LOST_EVENT),
        *OWN,
    )
}
ANOMALIES = {
    **kit.ANOMALIES,
    "acknowledged and lost": "A payment was answered with success, and no event tells of it.",
    "done twice": "One payment has been made twice.",
    "sum differs": "A balance is not the sum of its payments.",
    "double effect": "A payment has given two points.",
    "missing effect": "A payment has given no point, though its consumer is past it.",
}
