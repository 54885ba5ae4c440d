"""What a kill is aimed at: that a process has done one thing, and not yet the next.

Behind a line to Kafka on which all takes a second, what a process tells of is seen before it is told:

    1. It commits.  2. A client has its answer, or an account shows another amount.  3. It is killed.

One that sends its event after its commit, and no more than once, never tells of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from chaos.kit.blackbox import Event, Exchange, Record, Stranger, Unreadable
from chaos.strangers.adapters import events_of

LOOK_S = 0.1

Amounts = Callable[[], Awaitable[Mapping[str, int]]]


class Watch:
    """What clients were answered, what topics tell, and what accounts show, as it comes."""

    def __init__(
        self,
        stranger: Stranger,
        records: Sequence[Record],
        ops: Sequence[Exchange],
        amounts: Amounts,
    ) -> None:
        """`records` and `ops` grow. `amounts` reads all accounts, those that can be read."""
        self._stranger = stranger
        self._letters = {topic.dead_letters for topic in stranger.topics}
        self._records = records
        self._ops = ops
        self._amounts = amounts

    def events(self, records: Iterable[Record]) -> Iterator[Event]:
        """What they tell, but for those that cannot be read: of these the judge speaks.

        Dead letters tell nothing: `events` of an adapter knows none.
        """
        for record in records:
            if record.topic in self._letters:
                continue
            try:
                yield from events_of(self._stranger, record)
            except Unreadable:
                continue

    def is_answering(self, process: str) -> bool:
        """Whether clients ask it for something of which an event has to tell."""
        return any(self._is_told_later(op, process) for op in self._ops)

    async def shows_amounts_of(self, topics: Sequence[str]) -> bool:
        """Whether accounts can be read, and these topics tell what is moved on them."""
        told = (record for record in list(self._records) if record.topic in topics)
        return any(event.moves for event in self.events(told)) and bool(await self._amounts())

    async def until_acknowledged(self, process: str) -> None:
        """Until it has acknowledged something of which an event has to tell."""
        seen = len(self._ops)
        while not any(op.ok and self._is_told_later(op, process) for op in self._ops[seen:]):
            await asyncio.sleep(LOOK_S)

    async def until_moved(self) -> None:
        """Until an account shows another change than events have told meanwhile."""
        before, seen = await self._amounts(), len(self._records)
        while True:
            await asyncio.sleep(LOOK_S)
            now, records = await self._amounts(), self._records[seen:]
            told, seen = self._moved(records), seen + len(records)
            changes = {name: now[name] - before[name] for name in now.keys() & before.keys()}
            if any(change not in (0, told[name]) for name, change in changes.items()):
                return
            before = now

    def _moved(self, records: Sequence[Record]) -> Counter[str]:
        moved: Counter[str] = Counter()
        for event in self.events(records):
            moved.update(event.moves)
        return moved

    def _is_told_later(self, op: Exchange, process: str) -> bool:
        return (
            op.request is not None
            and op.request.process == process
            and bool(self._stranger.tells.get(op.command.do))
        )
