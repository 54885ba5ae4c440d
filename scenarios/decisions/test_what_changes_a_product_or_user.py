"""Offering, changing and removing: a version rises if and only if something is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from scenarios.decisions.given import EARLIER, LATER, now
from system.products.model import OfferProduct, Product, Stock, UpdateProduct, offer
from system.products.model import remove as remove_product
from system.products.model import update as update_product
from system.users.model import RegisterUser, UpdateUser, User, register
from system.users.model import remove as remove_user
from system.users.model import update as update_user

LAMP = Product(11, "Lamp", Decimal("19.90"), 3, EARLIER, EARLIER)
STOCK = Stock(11, 7, 5)
ADA = User(7, "Ada", "ada@example.com", 2, EARLIER, EARLIER)


def test_a_product_is_offered_with_its_first_stock() -> None:
    (product, stock), (created,) = offer(11, OfferProduct("Lamp", Decimal("19.90"), 7), now())

    assert (product.id, product.version, stock) == (11, 1, Stock(11, 7, 1))
    assert (created.key, created.version, created.stock_version) == (11, 1, 1)
    assert (created.product.name, created.product.stock) == ("Lamp", 7)


@pytest.mark.parametrize(
    ("command", "change", "stock"),
    [
        (UpdateProduct(name="Lantern"), 0, STOCK),
        (UpdateProduct(price=Decimal("0.01")), 0, STOCK),
        (UpdateProduct(stock=0), -7, Stock(11, 0, 6)),
        (UpdateProduct(stock=9), 2, Stock(11, 9, 6)),
        (UpdateProduct(name="Lantern", stock=7), 0, STOCK),
    ],
)
def test_a_change_tells_the_product_as_it_is_and_what_the_stock_changed_by(
    command: UpdateProduct, change: int, stock: Stock
) -> None:
    (product, left), (updated,) = update_product((LAMP, STOCK), command, now())

    assert left == stock
    assert (product.version, product.updated_at) == (4, LATER)
    assert (updated.version, updated.stock_version) == (4, stock.version)
    assert (updated.stock_change, updated.product.stock) == (change, stock.on_hand)
    assert updated.product.name == product.name
    assert updated.product.price == product.price


@pytest.mark.parametrize(
    "command",
    [UpdateProduct(), UpdateProduct(name="Lamp", price=Decimal("19.90")), UpdateProduct(stock=7)],
)
def test_what_changes_nothing_tells_nothing(command: UpdateProduct) -> None:
    assert update_product((LAMP, STOCK), command, now()) == ((LAMP, STOCK), ())


def test_a_removed_product_leaves_at_the_next_versions() -> None:
    _, (deleted,) = remove_product((LAMP, STOCK), now())
    assert (deleted.key, deleted.version, deleted.stock_version) == (11, 4, 6)


def test_a_user_is_registered_renamed_and_removed() -> None:
    user, (created,) = register(7, RegisterUser("Ada", "ada@example.com"), now())
    assert (user.version, created.key, created.version) == (1, 7, 1)

    renamed, (updated,) = update_user(ADA, UpdateUser(name="Ada Lovelace"), now())
    assert (renamed.version, renamed.email, renamed.updated_at) == (3, "ada@example.com", LATER)
    assert (updated.version, updated.user.name) == (3, "Ada Lovelace")

    assert update_user(ADA, UpdateUser(name="Ada"), now()) == (ADA, ())
    _, (removed,) = remove_user(ADA, now())
    assert (removed.key, removed.version) == (7, 3)
