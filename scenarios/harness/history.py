"""What happened in a scenario: asked, told, shown. Printed when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.harness.client import Asked
from scenarios.harness.settled import eventually
from system.events import TOPICS
from system.kit.events import dlq
from system.kit.ports.log import Log, Partition, Record
from system.kit.ports.views import ViewStore
from system.kit.values import dumps, loads
from system.table import VIEWS

TEXT_S = 15.0
LINES_MAX = 60
WIDTH_MAX = 400
_ALL_TOPICS = (*TOPICS, *(dlq(topic) for topic in TOPICS))


@dataclass(eq=False)
class History:
    """Recorded since `begin`."""

    log: Log
    views: ViewStore
    asked: list[Asked] = field(default_factory=list)
    began_at: Mapping[Partition, int] = field(default_factory=dict)
    kept: str | None = None
    """Its text, once the stack is about to be gone."""

    async def begin(self) -> None:
        self.kept = None
        self.asked.clear()
        self.began_at = await eventually(lambda: self.log.ends(_ALL_TOPICS))

    async def told(self) -> list[Record]:
        """The records that came into the log meanwhile, oldest first."""
        records = [
            record
            for topic in _ALL_TOPICS
            async for record in self.log.read(topic)
            if record.offset >= self.began_at.get(record.partition, 0)
        ]
        return sorted(records, key=lambda record: record.timestamp_ms)

    async def keep(self) -> None:
        """Write it down while there is still somebody to ask."""
        self.kept = await self.text()

    async def text(self) -> str:
        if self.kept is not None:
            return self.kept
        try:
            async with asyncio.timeout(TEXT_S):
                return await self._text()
        except Exception as error:  # noqa: BLE001 (what failed is told by the scenario, not here)
            return f"asked:\n{_joined(self.asked)}\nno more could be had: {error!r}"

    async def _text(self) -> str:
        told = await self.told()
        lines = ["asked:", _joined(self.asked)]
        lines += ["told:", *_cut([_told(record) for record in told])]
        lines += ["shown:", *_cut(await self._shown(_keys(told)))]
        return "\n".join(lines)

    async def _shown(self, keys: set[int]) -> list[str]:
        """What the live views hold under the keys that events spoke of, gone ones too."""
        live = (await self.views.generations()).live
        if live is None:
            return ["no generation of views is live"]
        views = self.views.generation(live)
        return [
            f"{view.name}/{document.key} {dict(document.versions)} {_json(document.parts)}"
            for view in VIEWS
            for document in (await views.get(view.name, keys)).values()
        ]


def _keys(records: Sequence[Record]) -> set[int]:
    """The ids that records speak of: of users, products and orders alike."""
    keys = set()
    for record in records:
        if record.message.key.isdigit() and len(record.message.key) < 20:
            keys.add(int(record.message.key))
        try:
            event = loads(record.message.value)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("product_id"), int):
            keys.add(event["product_id"])
    return keys


def _joined(asked: Sequence[Asked]) -> str:
    return "\n".join(_cut([_asked(one) for one in asked]))


def _asked(asked: Asked) -> str:
    sent = "" if asked.sent is None else f" {_json(asked.sent)}"
    answer = asked.answer
    came = "no answer" if answer is None else f"{answer.status} {_json(answer.body)}"
    return f"{asked.role} {asked.method} {asked.path}{sent} -> {came}"


def _told(record: Record) -> str:
    place = f"{record.partition.topic}/{record.partition.number}@{record.offset}"
    key, value = record.message.key.decode("utf-8", "replace"), record.message.value
    return f"{place} {key}: {value.decode('utf-8', 'replace')}"


def _json(value: object) -> str:
    return dumps(value).decode()


def _cut(lines: Sequence[str]) -> list[str]:
    """The last lines, each at a length that can be read."""
    left_out = len(lines) - LINES_MAX
    head = [f"  … {left_out} before"] if left_out > 0 else []
    shown = (line if len(line) <= WIDTH_MAX else f"{line[:WIDTH_MAX]}…" for line in lines)
    return [*head, *(f"  {line}" for line in list(shown)[-LINES_MAX:])]
