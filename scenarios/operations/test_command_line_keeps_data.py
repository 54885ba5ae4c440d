"""`--data DIR`: whatever was acknowledged is there after kill -9, and the views are built from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scenarios.operations.conftest import Start
from scenarios.operations.program import Program, Reply, eventually, poison, programs
from scenarios.operations.traffic import STOCK, Traffic

TORN = b"\xf5\xe7\xfa\xfb\x00\x00\x00\x99the beginning of a write"
"""As the journal begins an entry, and not to its end."""


@dataclass
class Restarted:
    """A system that was killed in the middle of its work, and started again."""

    program: Program
    acknowledged: dict[int, dict[str, Any]]
    seen: dict[int, dict[str, Any]]
    """The orders that the query API had shown before."""
    first_replies: list[Reply]
    """All that the query API answered from the first moment on, to the first page of orders."""
    letters: dict[str, Any]
    """The dead letters that each consumer had before."""


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restarted]:
    directory = tmp_path_factory.mktemp("cwd")
    data = directory / "data"
    with programs() as start:
        first = start("--data", "data", directory=directory)
        assert f"Kept in {data.name}." in first.greeting()
        poison(data, "order.created")
        first.err.wait_for('"message":"dead letter"', times=2)
        letters = letters_of(first)
        with Traffic(first) as traffic:
            traffic.wait_for_orders(200)
            seen = eventually(lambda: all_of(first, "query-api", "orders"))
            first.kill()
        with (data / "log.journal").open("ab") as journal:
            journal.write(TORN)
        second = start("--data", "data", directory=directory, host=first.host)
        replies: list[Reply] = []

        def look() -> int:
            if reply := second.try_get("query-api", "/orders?limit=500"):
                replies.append(reply)
            return reply.status if reply else 0

        eventually(look, lambda status: status == 200, pause_s=0)
        second.greeting()
        yield Restarted(second, traffic.acknowledged, seen, replies, letters)


def test_nothing_acknowledged_is_lost(restarted: Restarted) -> None:
    kept = all_of(restarted.program, "order-api", "orders")

    assert restarted.acknowledged.keys() <= kept.keys()
    for id, order in restarted.acknowledged.items():
        assert kept[id]["items"] == order["items"]


def test_what_a_reader_has_seen_is_there_as_soon_as_anything_is(restarted: Restarted) -> None:
    *waiting, first = restarted.first_replies

    assert {order["id"] for order in first.body["orders"]} >= restarted.seen.keys()
    for reply in waiting:
        assert (reply.status, reply.problem) == (503, "not-ready")
        assert reply.headers["Retry-After"]


def test_the_views_come_to_show_all_of_it(restarted: Restarted) -> None:
    program = restarted.program
    placed = all_of(program, "order-api", "orders")

    def shown() -> dict[int, dict[str, Any]]:
        return all_of(program, "query-api", "orders")

    eventually(
        shown,
        lambda orders: (
            orders.keys() == placed.keys()
            and all(order["reservation"] == "reserved" for order in orders.values())
        ),
    )


def test_every_order_took_its_unit_of_the_stock_exactly_once(restarted: Restarted) -> None:
    program = restarted.program
    placed = all_of(program, "order-api", "orders")
    (product,) = all_of(program, "product-api", "products").values()

    def left() -> int:
        return int(program.get("product-api", f"/products/{product['id']}").body["stock"])

    eventually(left, lambda stock: stock == STOCK - len(placed))


def test_a_write_that_never_ended_is_cut_off_and_told(restarted: Restarted) -> None:
    assert f"log.journal: cut off {len(TORN)} bytes, a write" in restarted.program.err.so_far


def test_dead_letters_stay_and_are_not_parked_again(restarted: Restarted) -> None:
    kept = letters_of(restarted.program)

    assert kept == restarted.letters, "to the very times of their failures"
    assert [len(letters) for letters in kept.values()] == [1, 1]


def test_an_orderly_end_keeps_everything_too(start: Start) -> None:
    first = start("--data", "some/new/place")
    first.greeting()
    user = first.make("user-api", "/users", {"name": "Ada", "email": "ada@example.com"})
    assert first.stop().status == 0

    second = start("--data", "some/new/place")
    second.greeting()

    assert second.get("user-api", f"/users/{user['id']}").body == user
    eventually(lambda: second.get("query-api", "/users").body["users"] == [user])


def test_views_that_nobody_builds_are_not_ready_rather_than_empty(start: Start) -> None:
    program = start("query-api", "--stack", "embedded")
    assert program.out is not None
    program.out.wait_for(program.url("query-api"))

    for path in ("/orders", "/orders/1", "/users", "/products/1", "/readyz"):
        reply = program.get("query-api", path)
        assert (reply.status, reply.problem) == (503, "not-ready")
        assert reply.headers["Retry-After"]
    assert program.get("query-api", "/healthz").status == 200


def letters_of(program: Program) -> dict[str, Any]:
    return {
        consumer: program.get(consumer, "/admin/dead-letters").body["dead_letters"]
        for consumer in ("product-consumer", "query-consumer")
    }


def all_of(program: Program, role: str, plural: str) -> dict[int, dict[str, Any]]:
    """A whole list, page by page."""
    found: dict[int, dict[str, Any]] = {}
    after = ""
    while True:
        page = program.get(role, f"/{plural}?limit=500{after}").body
        found |= {resource["id"]: resource for resource in page[plural]}
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"
