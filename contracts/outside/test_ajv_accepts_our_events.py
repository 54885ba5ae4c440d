"""Node's validator accepts what the system writes, by the published schemas as they are.

Numbers are doubles there: that is what a consumer in another language makes of our money.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.event_samples import messages
from contracts.event_schemas import EVENT_TYPES
from scenarios.harness.stack import Stack
from system.events import BY_TYPE
from system.kit.ports.log import Message

EVENTS = 100_000
JUDGE = Path(__file__).parent / "judge.mjs"

pytestmark = pytest.mark.outside


def judged(lines: Iterable[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """By way of a file, so that neither side waits for a full pipe."""
    asked = folder / "messages"
    with asked.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    with asked.open(encoding="utf-8") as file:
        return subprocess.run(
            ["node", JUDGE], stdin=file, capture_output=True, text=True, timeout=600, check=False
        )


def line_of(message: Message, payload: bytes | None = None) -> str:
    version = (message.header("schema-version") or b"").decode()
    text = (payload or message.value).decode()
    return json.dumps({"topic": message.topic, "version": version, "payload": text})


def test_it_accepts_100_000_events_of_all_types(tmp_path: Path) -> None:
    done = judged((line_of(message) for message in messages(EVENTS, seed=1)), tmp_path)

    assert done.returncode == 0, done.stderr
    accepted = json.loads(done.stdout)
    assert sum(accepted.values()) == EVENTS
    assert accepted.keys() == {f"{event.name}/v{event.version}" for event in EVENT_TYPES}


async def test_it_accepts_every_message_of_a_run(system: Stack, tmp_path: Path) -> None:
    """All that can be done to users, products and orders, forty times at once."""
    await asyncio.gather(*(_everything(system, number) for number in range(40)))
    await system.settled()

    records = [record for topic in BY_TYPE for record in await system.records(topic)]
    done = judged((line_of(record.message) for record in records), tmp_path)

    assert done.returncode == 0, done.stderr
    accepted = json.loads(done.stdout)
    assert sum(accepted.values()) == len(records)
    assert accepted.keys() == {f"{event.name}/v{event.version}" for event in EVENT_TYPES}


async def _everything(system: Stack, number: int) -> None:
    client = system.client
    user = (await client.register("Ada", f"ada-{number}@example.com")).ok(201).id
    (await client.change_user(user, name="Ada Lovelace")).ok()
    product = (await client.offer("Lamp", Decimal(number) + Decimal("0.29"), 2)).ok(201).id
    (await client.change_product(product, price=Decimal("19.99"))).ok()
    line = {"product_id": product, "quantity": 1}
    paid, canceled, deleted, *_ = [
        (await client.place(user, [line])).ok(201).id for _ in range(4)
    ]  # the fourth gets no stock
    (await client.pay(paid)).ok()
    (await client.set_status(paid, "PROCESSING")).ok()
    await client.cancel(canceled)  # refused where the stock was faster
    (await client.delete_order(deleted)).ok(204)
    gone = (await client.register("Grace", f"grace-{number}@example.com")).ok(201).id
    (await client.delete_user(gone)).ok(204)
    sold_out = (await client.offer("Vase", 5, 0)).ok(201).id
    (await client.delete_product(sold_out)).ok(204)


@pytest.mark.parametrize(
    ("there", "instead", "reason"),
    [
        (b'"quantity":', b'"quantity":"2","was":', "data/quantity must be integer"),
        (b'"quantity":', b'"quantity":0,"was":', "data/quantity must be >= 1"),
        (
            b'"occurred_at":',
            b'"occurred_at":"2026-13-45T99:00:00.000000Z","was":',
            "data/occurred_at must match format",
        ),
        (b'"product_id":', b'"was":', "data must have required property 'product_id'"),
        (b"{", b"{{", "in JSON at position 1"),
    ],
)
def test_it_refuses_what_a_schema_refuses(
    tmp_path: Path, there: bytes, instead: bytes, reason: str
) -> None:
    good = next(message for message in messages(14, seed=1) if message.topic == "stock.reserved")
    bad = good.value.replace(there, instead, 1)

    done = judged([line_of(good), line_of(good, bad)], tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("stock.reserved/v1: ")
    assert reason in done.stderr
    assert json.loads(done.stdout) == {"stock.reserved/v1": 1}


def test_it_refuses_a_topic_that_has_no_schema(tmp_path: Path) -> None:
    line = json.dumps({"topic": "order.lost", "version": "1", "payload": "{}"})

    done = judged([line], tmp_path)

    assert (done.returncode, done.stdout) == (1, "{}\n")
    assert "order.lost/v1: there is no such schema" in done.stderr


def test_it_is_no_success_to_have_judged_nothing(tmp_path: Path) -> None:
    done = judged([], tmp_path)

    assert (done.returncode, done.stderr) == (1, "no message came\n")
