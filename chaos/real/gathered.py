"""Coming to rest, and gathering the evidence from the real stores."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from sqlalchemy import text

from chaos.kit.evidence import Evidence
from chaos.kit.history import History
from chaos.real.clients import Where
from scenarios.harness.client import Client, NoAnswer
from scenarios.harness.settled import Reading, Waits, waits
from system.kit.columns import metadata
from system.kit.errors import Conflict, Unavailable
from system.kit.parts import Parts
from system.kit.ports.log import Record
from system.kit.ports.views import Document
from system.roles import QUERY_CONSUMER, ROLES
from system.settings import Settings
from system.table import SHOP, TABLE, VIEWS

REST_S = 180.0
"""From the last repair to rest; far more than every backoff takes."""
LOOK_S = 0.25
PAGE = 500


def auditor(environment: Mapping[str, str]) -> Settings:
    """Settings by which the judge sees the same stores as the system, with more patience."""
    return Settings.model_validate(
        {**environment, "INSTANCE": "auditor", "SQL_TIMEOUT": "1m", "SQL_POOL_SIZE": "4"}
    )


async def lag(parts: Parts) -> int:
    """How many events have been committed and not been handled by all, in any of the two ways."""
    found = await _waits(parts, (await parts.views.generations()).live)
    return sum(found.unread.values()) + sum(found.unsent.values())


async def _waits(parts: Parts, live: int | None) -> Waits:
    readings = [Reading(f"{QUERY_CONSUMER}.g{live}", [row.event.type for row in TABLE])]
    readings += [
        Reading(spec.name, topics)
        for spec in ROLES
        if (topics := SHOP.handlers_of(spec.name).keys())
    ]
    relayed = [spec.relays for spec in ROLES if spec.relays]
    return await waits(parts.log("auditor"), parts.work, readings, relayed)


async def come_to_rest(parts: Parts, within_s: float = REST_S) -> list[str]:
    """Wait until nothing is under way; what still is, if that takes too long."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    while True:
        try:
            generations = await parts.views.generations()
            missing = _named(await _waits(parts, generations.live))
            if generations.building is not None:
                missing.append(f"generation {generations.building} of the views is being built")
        except (Unavailable, Conflict) as error:
            missing = [f"a store does not answer: {error}"]
        if not missing:
            return []
        if loop.time() > ends_at:
            return [f"{what}, {within_s:g} s after the last repair" for what in missing]
        await asyncio.sleep(LOOK_S)


def _named(waits: Waits) -> list[str]:
    unread = [f"{group} has {records} records to read" for group, records in waits.unread.items()]
    unsent = [f"{rows} events of {name} are in the outbox" for name, rows in waits.unsent.items()]
    return [*unread, *unsent, *(["the log still grows"] if waits.moved else [])]


async def gathered(
    parts: Parts,
    where: Where,
    history: History,
    *,
    missing: Sequence[str],
    failures: Sequence[str],
    disturbances: int,
) -> Evidence:
    """Read every store to its end."""
    tables: dict[str, list[dict[str, Any]]] = {}
    async with parts.work() as unit:
        for table in metadata.tables:
            rows = await unit.sql.execute(text(f"SELECT * FROM {table}"))  # noqa: S608
            tables[table] = [dict(row._mapping) for row in rows]
    log = parts.log("auditor")
    shown: dict[str, list[dict[str, Any]]] = {}
    missing = list(missing)
    try:
        shown = await _shown(where)
    except (NoAnswer, AssertionError) as error:
        missing.append(f"the query side does not answer: {error}")
    return Evidence(
        SHOP,
        history=tuple(history.ops),
        tables=tables,
        log={topic: await _records(log.read(topic)) for topic in SHOP.all_topics},
        views={view.name: await _documents(parts, view.name) for view in VIEWS},
        shown=shown,
        missing=tuple(missing),
        failures=tuple(failures),
        disturbances=disturbances,
    )


async def _records(records: Any) -> list[Record]:
    found = [record async for record in records]
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def _documents(parts: Parts, view: str) -> dict[int, Document]:
    """All documents of the live views, gone ones too."""
    live = (await parts.views.generations()).live
    if live is None:
        return {}
    views = parts.views.generation(live)
    documents: dict[int, Document] = {}
    after = 0
    while page := await views.page(view, after=after, limit=PAGE, having=(), where={}):
        documents |= {document.key: document for document in page}
        after = page[-1].key
    return documents


async def _shown(where: Where) -> dict[str, list[dict[str, Any]]]:
    """What the query side answers when it is asked for everything."""
    shown: dict[str, list[dict[str, Any]]] = {}
    async with aiohttp.ClientSession() as session:
        client = Client(where, session)
        for view in VIEWS:
            shown[view.name] = [_with_cents(item) for item in await client.all_views(view.name)]
    return shown


def _with_cents(item: dict[str, Any]) -> dict[str, Any]:
    amount = item.get("price", item.get("total_amount"))
    return item if amount is None else {**item, "cents": int(amount * 100)}
