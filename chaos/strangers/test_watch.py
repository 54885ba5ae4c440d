"""A watch sees that a process has done one thing, before it can have told of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import replace

import pytest

from chaos.kit.blackbox import Command, Do, Exchange, Meant, Record, Request, Topic
from chaos.strangers import watch
from chaos.strangers.adapters import BadAdapter, load
from chaos.strangers.watch import Watch


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_S", 0.0)


def reserved(count: int) -> Record:
    lines = [{"item": 1, "count": count, "price": 1001}]
    value = {"id": "e", "type": "stock_reserved", "purchase": 7, "lines": lines}
    return Record("stock", 0, 0, b"", json.dumps(value).encode())


UNREADABLE = Record("stock", 0, 1, b"", b"no JSON")


class Seen:
    """A run of the naive shop as far as it has come."""

    def __init__(self, **amounts: int) -> None:
        self.records = [UNREADABLE]
        self.ops: list[Exchange] = []
        self.amounts: Mapping[str, int] = amounts
        self.watch = Watch(load("naive")[0], self.records, self.ops, self._read)

    async def _read(self) -> Mapping[str, int]:
        return dict(self.amounts)

    def answers(self, do: Do, process: str, outcome: str = "ok") -> None:
        meant = Meant(outcome)  # type: ignore[arg-type] # one of three
        self.ops.append(Exchange("client 1", Command(do), meant, Request(process, "POST", "/")))

    async def is_seen(self, waiting: Coroutine[None, None, None]) -> bool:
        """Whether it is seen within a few looks; it begins at once."""
        self.task = asyncio.create_task(waiting)
        return await self.is_seen_now()

    async def is_seen_now(self) -> bool:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.task.done()


def test_a_dead_letter_tells_nothing_and_no_adapter_is_asked_about_it() -> None:
    """It may be wrapped, in a form that `events` does not know."""
    stranger = load("naive")[0]
    parked = (Topic("stock", dead_letters="stock.dlq"),)
    stranger.topics = parked  # type: ignore[misc] # of this one alone
    letter = replace(reserved(2), topic="stock.dlq")
    (event,) = Watch(stranger, (), (), nothing).events([letter, reserved(2)])

    assert event.kind == "reserved"


async def nothing() -> Mapping[str, int]:
    return {}


async def test_it_sees_an_account_that_moves_before_an_event_says_so() -> None:
    seen = Seen(**{"1": 100})
    assert not await seen.is_seen(seen.watch.until_moved())

    seen.amounts = {"1": 98}
    seen.records.append(reserved(2))
    assert not await seen.is_seen_now()

    seen.amounts = {"1": 95}
    assert await seen.is_seen_now()


async def test_an_event_that_comes_after_its_effect_is_no_move() -> None:
    seen = Seen(**{"1": 98})
    assert not await seen.is_seen(seen.watch.until_moved())

    seen.records.append(reserved(2))
    assert not await seen.is_seen_now()
    seen.task.cancel()


async def test_it_sees_what_was_acknowledged_from_now_on_by_this_process_alone() -> None:
    seen = Seen()
    seen.answers("place", "purchases")
    assert not await seen.is_seen(seen.watch.until_acknowledged("purchases"))

    seen.answers("place", "warehouse")
    seen.answers("read", "purchases")
    seen.answers("place", "purchases", "fail")
    assert not await seen.is_seen_now()

    seen.answers("cancel", "purchases")
    assert await seen.is_seen_now()


async def test_it_knows_what_can_be_aimed_at() -> None:
    seen = Seen(**{"1": 100})
    seen.answers("place", "purchases", "info")
    seen.answers("read account", "warehouse")
    assert seen.watch.is_answering("purchases")
    assert not seen.watch.is_answering("warehouse")

    assert not await seen.watch.shows_amounts_of(["stock"])
    seen.records.append(reserved(2))
    assert await seen.watch.shows_amounts_of(["stock"])
    assert not await seen.watch.shows_amounts_of(["purchases"])

    seen.amounts = {}
    assert not await seen.watch.shows_amounts_of(["stock"])


async def test_an_adapter_that_fails_at_a_record_is_told_so_while_faults_are_injected() -> None:
    seen = Seen()
    seen.records.append(Record("stock", 0, 2, b"", b"[]"))

    with pytest.raises(BadAdapter, match=r"events\(\) raised TypeError.* for stock 0@2"):
        await seen.watch.shows_amounts_of(["stock"])
