"""Amounts: what accounts hold is neither made nor lost, and things hold all that is due to them.

An account is whatever has an amount: a shelf, a purse, a count of points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

A = TypeVar("A", bound=Hashable)
"""What names an account."""


def conserved(
    put: Mapping[A, int],
    moves: Iterable[Mapping[A, int]],
    shown: Mapping[A, int | None],
    *,
    what: str = "account",
    made: str = "amount made",
    lost: str = "amount lost",
) -> Cases:
    """What an account shows is what was put into it, and what was moved. What is taken is below zero.

    `made` and `lost` are what a source calls the two ways to break it.
    """
    moved = _sum(moves)
    for account in {**put, **moved}:
        due, left = put.get(account, 0) + moved[account], shown.get(account)
        if left is None:
            yield Anomaly(lost, f"{what} {account} is not there, and should show {due}")
        elif left == due:
            yield KEPT
        else:
            name, how = (made, "made") if left > due else (lost, "lost")
            seen = f"{what} {account} shows {left}, not {due}: {abs(left - due)} {how}"
            yield Anomaly(name, seen)


def never_negative(shown: Mapping[A, Sequence[int]], *, what: str = "account") -> Cases:
    """`shown`: all that an account has ever shown."""
    for account, amounts in shown.items():
        yield (
            KEPT
            if min(amounts) >= 0
            else Anomaly("below zero", f"{what} {account} showed {min(amounts)}")
        )


def never_more_than_there_is(
    put: Mapping[A, int],
    held: Mapping[str, Mapping[A, int]],
    *,
    what: str = "account",
) -> Cases:
    """`held`: by things, what they have moved. Accounts need not show what they hold."""
    last = {account: thing for thing, moves in held.items() for account in moves}
    left = Counter(put)
    left.update(_sum(held.values()))
    for account, thing in last.items():
        yield (
            KEPT
            if left[account] >= 0
            else Anomaly(
                "below zero",
                f"of {what} {account} things hold {-left[account]} more than there was,"
                f" {thing} among them",
                about=thing,
            )
        )


def _sum(moves: Iterable[Mapping[A, int]]) -> Counter[A]:
    moved: Counter[A] = Counter()
    for one in moves:
        moved.update(one)
    return moved


@dataclass(frozen=True, slots=True)
class Holding(Generic[A]):
    """What a thing holds, and what is due to it in the state in which it is."""

    about: str
    state: str
    held: Mapping[A, int]
    due: Mapping[A, int]


def hold_what_is_due(things: Iterable[Holding[A]]) -> Cases:
    """A thing that lives has all that it took, and one that has ended has given all back."""
    for thing in things:
        held = {account: amount for account, amount in thing.held.items() if amount}
        due = {account: amount for account, amount in thing.due.items() if amount}
        if held == due:
            yield KEPT
            continue
        name = "holds in part" if held and due else "held for nobody" if held else "holds nothing"
        yield Anomaly(
            name,
            f"{thing.about} is {thing.state} and holds {_listed(held)}, not {_listed(due)}",
            about=thing.about,
        )


def _listed(amounts: Mapping[A, int]) -> str:
    said = (f"{amount:+d} of {account}" for account, amount in amounts.items())
    return ", ".join(sorted(said)) or "nothing"
