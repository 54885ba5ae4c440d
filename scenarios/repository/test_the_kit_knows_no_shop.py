"""Both kits are made to be copied: no name of the shop's own tables is in them, not even in a comment."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from sqlalchemy import Table

from system.events import EVENTS
from system.kit.events import Event
from system.orders import store as orders
from system.products import store as products
from system.roles import ROLES
from system.table import SHOP
from system.users import store as users

ROOT = Path(__file__).parents[2]
KITS = (ROOT / "system" / "kit", ROOT / "chaos" / "kit")
NEUTRAL = ROOT / "chaos" / "kit" / "blackbox"
"""Speaks of moves, prices and reservations of any system; an import contract holds it apart."""
FILES = sorted(
    path
    for kit in KITS
    for path in kit.rglob("*")
    if path.suffix in (".py", ".html")
    and not path.name.startswith("test_")
    and not path.is_relative_to(NEUTRAL)
)
OF_EVERYBODY = {"created_at", "event_id", "occurred_at", "order", "updated_at", "user", "user_name"}
"""Names that any system may have: `in order`, `user:password`."""
PLAIN = {"price", "quantity", "reservation"}
"""Fields of one word that are the shop's. Any other word says nothing of a shop: a `reason`, an `amount`."""


STORES = (users, products, orders)


def is_table(value: object) -> bool:
    return isinstance(value, Table)


def fields(model: type[BaseModel]) -> Iterator[str]:
    """The names of all its fields, and of those inside them."""
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields(kind)


def words(events: Collection[type[Event]] = EVENTS) -> set[str]:
    classes = {event.__name__ for event in events}
    named = {name for event in events for name in fields(event)} - OF_EVERYBODY
    names = {name for name in named if "_" in name or name in PLAIN}
    tables = {table.name for store in STORES for table in vars(store).values() if is_table(table)}
    roles = {spec.name for spec in ROLES}
    views = {view.name for view in SHOP.views}
    aggregates = {str(spec.relays) for spec in ROLES if spec.relays} - OF_EVERYBODY
    return {*SHOP.topics, *classes, *names, *tables, *roles, *views, *aggregates}


PATTERN = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(words())))})(?![\w-])")


def test_there_are_words_to_look_for() -> None:
    some: set[Any] = {"order.created", "OrderCreated", "orders", "order-api", "product_id"}
    assert some | PLAIN <= words()


class RefundRequested(Event):
    """As one that is yet to come; its `amount` is a word that the kit has, too."""

    refund_id: int
    amount: int


def test_a_new_event_may_have_a_field_with_a_plain_name() -> None:
    new = words([*EVENTS, RefundRequested]) - words()
    assert new == {"RefundRequested", "refund_id"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_of_the_shop_is_in(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [
        f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if PATTERN.search(line)
    ]
    assert found == []
