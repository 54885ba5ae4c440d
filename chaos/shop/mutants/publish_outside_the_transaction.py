"""Events are sent to the log at once, before the transaction that they tell of is committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, Switch
from system.kit.delivery import outbox
from system.kit.events import Event
from system.kit.parts import Parts
from system.kit.ports.log import Message
from system.kit.ports.work import UnitOfWork
from system.kit.values import loads


class _Eager:
    """A unit of work that remembers what to send."""

    def __init__(self, unit: UnitOfWork) -> None:
        self.unit = unit
        self.messages: list[Message] = []

    def __getattr__(self, name: str) -> Any:  # whatever the unit has
        return getattr(self.unit, name)

    def emit(self, event: Event, *, because: Any) -> None:
        self.unit.emit(event, because=because)
        row: Any = outbox.row(event, because, self.unit.now.at)
        headers = tuple((name, text.encode()) for name, text in loads(row["headers"]).items())
        key = str(row["message_key"]).encode()
        self.messages.append(Message(event.type, key, row["payload"], headers))


@contextmanager
def _switched_in(reached: Reached) -> Iterator[Switch]:
    def parts(right: Parts) -> Parts:
        @asynccontextmanager
        async def work() -> AsyncIterator[Any]:
            async with right.work() as unit:
                eager = _Eager(unit)
                yield eager
                if eager.messages:
                    reached()
                    await right.log("eager").publish(eager.messages)

        return replace(right, work=work)

    yield Switch(parts=parts)


MUTANT = Mutant(
    bug="An event is published before its COMMIT, which may yet fail: the log tells what never was.",
    breaks=("no_phantom_event",),
    workloads=("orders",),
    switched_in=_switched_in,
    point_faults=("*@*:sql.commit:request:*",),
)
