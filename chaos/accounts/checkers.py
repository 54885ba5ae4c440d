"""What accounts are judged by beside the kit's own: no payment lost or made up, a point for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from chaos.kit import checkers as kit
from chaos.kit.checkers import Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence
from chaos.kit.history import Outcome
from chaos.kit.promises import Cases, amounts, catalog, commands
from chaos.kit.promises.commands import Acknowledged, Asked, Requests
from chaos.kit.promises.effects import Effect, never_missing, never_twice

REWARDED_FROM = 100
CONSUMER = "account-consumer"


def _requests(evidence: Evidence) -> Requests[int]:
    """Each amount is sent by one client for one purpose, perhaps in several requests."""
    paid: dict[int, list[str]] = defaultdict(list)
    for event in evidence.events("account.paid"):
        paid[event.amount].append(f"payment {event.event_id}")
    return Requests(_asked(evidence), paid)


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


def _points(evidence: Evidence) -> Iterator[Effect]:
    """Points are a bare count: what was done twice shows for ever."""
    left = parked(evidence, CONSUMER) - handled(evidence, CONSUMER)
    earned = Counter(
        told.event.account_id
        for id, told in evidence.first_told.items()
        if told.event.type == "account.paid"
        and told.event.amount >= REWARDED_FROM
        and id not in left
    )
    for account, points in _column(evidence, "points").items():
        yield Effect(f"points of account {account}", earned[account], points)


def _column(evidence: Evidence, name: str) -> Mapping[int, int]:
    return {id: row[name] for id, row in evidence.row_by("id", "accounts").items()}


OWN = (
    Checker(catalog.ACKNOWLEDGED_HAS_ITS_EVENT, _kept),
    Checker(catalog.REFUSED_HAS_NO_EFFECT, lambda seen: _requests(seen).refused_has_no_effect()),
    Checker(catalog.COMMANDS_TAKE_EFFECT_ONCE, lambda seen: _requests(seen).take_effect_once()),
    Checker(catalog.KEYS_COUNT_ONCE, lambda seen: _requests(seen).keys_count_once()),
    Checker(catalog.AMOUNTS_CONSERVED, _sums),
    Checker(catalog.ONE_EFFECT_PER_CAUSE, lambda seen: never_twice(_points(seen))),
    Checker(catalog.EVENTS_HAVE_THEIR_EFFECT, lambda seen: never_missing(_points(seen))),
)
CHECKERS: dict[str, Checker] = {
    checker.name: checker
    for checker in (
        kit.events.NO_LOST_EVENT.also(kit.events.every_version("account", "accounts")),
        *(checker for checker in kit.CHECKERS if checker is not kit.events.NO_LOST_EVENT),
        *OWN,
    )
}
