"""Events: those of one thing in one partition, in their order, and hardly more often than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

REPEATS_PER_FAULT = 15
"""What a sender may have in hand when it is hit, and sends again."""


class Told(Protocol):
    """An event, where it stands in a topic."""

    @property
    def about(self) -> str:
        """Whose event it is: where it lies and in which order is promised for each of these."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...


T = TypeVar("T", bound=Told)


def one_partition_per_key(told: Iterable[Told]) -> Cases:
    """`told`: each event once."""
    partitions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in told:
        partitions[one.topic, one.about].append(one.partition)
    for (topic, about), numbers in partitions.items():
        if len(numbers) > 1:
            apart = sorted(set(numbers))
            yield (
                KEPT
                if len(apart) == 1
                else Anomaly("scattered key", f"{topic} {about}: partitions {apart}", about=about)
            )


def order_per_key(told: Iterable[T], number_of: Callable[[T], int | None]) -> Cases:
    """`told`: each event once, as they stand in their topics.

    `number_of`: what rises with each event of a thing, where it is known: its version, or its place
    in the order of commits.
    """
    numbers: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for one in told:
        if (number := number_of(one)) is not None:
            numbers[one.topic, one.partition, one.about].append(number)
    for (topic, partition, about), seen in numbers.items():
        if len(seen) > 1:
            yield (
                KEPT
                if seen == sorted(seen)
                else Anomaly(
                    "reordered events",
                    f"{topic} {about} in partition {partition}: {seen}",
                    about=about,
                )
            )


def published_once(events: int, repeats: int, faults: int) -> Cases:
    """`repeats`: the records that only say again what one of the `events` has said."""
    if events:
        yield (
            KEPT
            if repeats <= REPEATS_PER_FAULT * faults
            else Anomaly(
                "too many repeats", f"{repeats} repeats of {events} events, with {faults} faults"
            )
        )
