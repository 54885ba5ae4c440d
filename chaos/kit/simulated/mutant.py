"""What a mutant is: one classic bug, switched in from outside, and the promise that it breaks.

A file of this room holds one mutant. It replaces an attribute of the system, a row of its table, a
middleware of its chain or a process's parts, while one run lasts; `system/` knows nothing of it.
The replacement calls `reached()` where it does wrong, so that a catch in a run which never came
there does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from system.kit.chains import ChainParts, write_chain
from system.kit.delivery.middleware import Middleware
from system.kit.delivery.middleware.handled import Handler
from system.kit.delivery.middleware.projected import Projection
from system.kit.events import Event
from system.kit.parts import Parts
from system.kit.roles import Blueprint
from system.kit.table import Row


class BadMutant(Exception):
    """A mutant names what is not there. The text is one line that says what."""


class Reached:
    """Counts how often a run came to the mutated code."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@dataclass(frozen=True, slots=True)
class Switch:
    """What a run is built by while a mutant is switched in, each made of the right one."""

    blueprint: Callable[[Blueprint], Blueprint] = lambda blueprint: blueprint
    parts: Callable[[Parts], Parts] = lambda parts: parts


SwitchedIn = Callable[[Reached], AbstractContextManager[Switch]]


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    bug: str
    """What is wrong, in a sentence."""
    breaks: tuple[str, ...]
    """The checkers whose promise it breaks. Any other finding does not count as a catch."""
    switched_in: SwitchedIn
    workloads: tuple[str, ...] = ()
    """Where it is hunted."""
    point_faults: tuple[str, ...] = ()
    """Single faults that are tried before all others, as patterns: `crash@*:sql.commit:reply:*`."""
    timed_faults: tuple[str, ...] = ()
    """Faults that are tried first, with several seeds: `outage@log:0.2:5`."""

    def hunted_in(self, *workloads: str, **more: Any) -> Mutant:
        """The same bug in stories of a system, perhaps with faults to try there first."""
        return replace(self, workloads=workloads, **more)


Mutated = Callable[[Reached, Any], Any]
"""Makes the wrong thing from the right one, whatever it is."""


def attribute(owner: object, name: str, mutated: Mutated) -> SwitchedIn:
    """Replace an attribute of a module or a class."""
    return attributes((owner, name, mutated))


def attributes(*changes: tuple[object, str, Mutated]) -> SwitchedIn:
    """Replace several attributes."""

    @contextmanager
    def switched_in(reached: Reached) -> Iterator[Switch]:
        patches = [
            patch.object(owner, name, mutated(reached, getattr(owner, name)))
            for owner, name, mutated in changes
        ]
        for each in patches:
            each.start()
        try:
            yield Switch()
        finally:
            for each in patches:
                each.stop()

    return switched_in


def table(mutated: Callable[[Reached, Sequence[Row]], Sequence[Row]]) -> SwitchedIn:
    """Replace the table."""

    @contextmanager
    def switched_in(reached: Reached) -> Iterator[Switch]:
        yield Switch(
            lambda right: replace(
                right, system=replace(right.system, rows=mutated(reached, right.system.rows))
            )
        )

    return switched_in


def handlers(
    changed: Mapping[type[Event], Callable[[Reached, Handler], Handler]],
) -> SwitchedIn:
    """Replace the handlers of these events. Raises BadMutant, when switched in, if there are none."""

    def mutated(reached: Reached, rows: Sequence[Row]) -> Sequence[Row]:
        _check_events(changed, rows)
        return [
            replace(
                row,
                reacts={
                    consumer: changed[row.event](reached, handler)
                    for consumer, handler in row.reacts.items()
                },
            )
            if row.event in changed
            else row
            for row in rows
        ]

    return table(mutated)


def ignored(reached: Reached, _: Handler) -> Handler:
    """A handler that does nothing: as if the event had none."""

    async def nothing(*_: object) -> None:
        reached()

    return nothing


def projections(
    changed: Mapping[type[Event], Callable[[Reached], Sequence[Projection]]],
) -> SwitchedIn:
    """Replace what these events show. Raises BadMutant, when switched in, if they are not there."""

    def mutated(reached: Reached, rows: Sequence[Row]) -> Sequence[Row]:
        _check_events(changed, rows)
        return [
            replace(row, shows=changed[row.event](reached)) if row.event in changed else row
            for row in rows
        ]

    return table(mutated)


def _check_events(changed: Collection[type[Event]], rows: Sequence[Row]) -> None:
    known = [row.event for row in rows]
    if unknown := [event.__name__ for event in changed if event not in known]:
        names = ", ".join(event.__name__ for event in known)
        raise BadMutant(f"there is no event {', '.join(unknown)}; there are {names}")


Rechain = Callable[[Reached, ChainParts, Middleware], Sequence[Middleware]]
"""What stands in a middleware's place: made from what the chain is made of, and the right one."""


def middleware(name: str, mutated: Rechain, *, without: Collection[str] = ()) -> SwitchedIn:
    """Replace one middleware around the handlers of the write side, and leave others out."""

    @contextmanager
    def switched_in(reached: Reached) -> Iterator[Switch]:
        def chain(made_of: ChainParts) -> list[Middleware]:
            made: list[Middleware] = []
            found = False
            for right in write_chain(made_of):
                its_name = right.__qualname__.partition(".")[0]
                found |= its_name == name
                if its_name == name:
                    made += mutated(reached, made_of, right)
                elif its_name not in without:
                    made.append(right)
            assert found, f"there is no middleware {name} in the chain"
            return made

        yield Switch(lambda right: replace(right, write_chain=chain))

    return switched_in
