"""What accounts promise beside all that the kit does: no payment lost or made up, a point for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from chaos.kit import checkers as kit
from chaos.kit.checkers import Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence
from chaos.kit.history import Outcome
from chaos.kit.promises import Cases, amounts, commands
from chaos.kit.promises.commands import Acknowledged, Asked

REWARDED_FROM = 100
CONSUMER = "account-consumer"


def _once(evidence: Evidence) -> Cases:
    """Each amount is sent by one client for one purpose, perhaps in several requests."""
    paid: dict[int, list[str]] = defaultdict(list)
    for event in evidence.events("account.paid"):
        paid[event.amount].append(f"payment {event.event_id}")
    return commands.take_effect_once(_asked(evidence), paid)


def _kept(evidence: Evidence) -> Cases:
    paid = Counter(event.amount for event in evidence.events("account.paid"))
    return commands.acknowledged_is_kept(
        Acknowledged(one.request, str(amount), "" if paid[amount] else "no event tells of it")
        for amount, requests in _asked(evidence).items()
        for one in requests
        if one.outcome == Outcome.OK
    )


def _asked(evidence: Evidence) -> Mapping[int, Sequence[Asked]]:
    asked: dict[int, list[Asked]] = defaultdict(list)
    for op in evidence.history:
        if op.method == "POST" and op.role == "account-api":
            of_this = asked[op.body["amount"]]
            of_this.append(Asked(str(op), op.outcome, f"answer {len(of_this)}", op.key))
    return asked


def _sums(evidence: Evidence) -> Cases:
    paid = [{event.account_id: event.amount} for event in evidence.events("account.paid")]
    balances = _column(evidence, "balance")
    return amounts.conserved(dict.fromkeys(balances, 0), paid, balances)


def _points(evidence: Evidence) -> Cases:
    left = parked(evidence, CONSUMER) - handled(evidence, CONSUMER)
    earned = [
        {told.event.account_id: 1}
        for id, told in evidence.first_told.items()
        if told.event.type == "account.paid"
        and told.event.amount >= REWARDED_FROM
        and id not in left
    ]
    points = _column(evidence, "points")
    return amounts.conserved(
        dict.fromkeys(points, 0),
        earned,
        points,
        what="points of account",
        made="double effect",
        lost="missing effect",
    )


def _column(evidence: Evidence, name: str) -> Mapping[int, int]:
    return {id: row[name] for id, row in evidence.row_by("id", "accounts").items()}


OWN = (
    Checker(
        "payments_take_effect_once",
        "A payment is told once; one refused, never.",
        _once,
    ).also(_kept),
    Checker(
        "balances_add_up",
        "A balance is the sum of the payments that were told.",
        _sums,
    ),
    Checker(
        "single_effect",
        "Each payment of 100 or more has given one point.",
        _points,
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
    "double effect": "A payment has given two points.",
    "missing effect": "A payment has given no point, though its consumer is past it.",
}
