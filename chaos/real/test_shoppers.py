"""The workload: fixed by its seed, and made so that what it should find can be found."""

from __future__ import annotations

import asyncio
from collections import Counter as Count

from chaos.real.shoppers import PRODUCTS, THEN, USERS, Counter, baskets, hot_stock


def test_a_seed_fixes_the_baskets() -> None:
    assert baskets(5, 50) == baskets(5, 50)
    assert baskets(5, 50) != baskets(6, 50)


def test_a_longer_run_begins_with_the_same_baskets() -> None:
    assert baskets(5, 100)[:50] == baskets(5, 50)


def test_no_two_orders_can_be_confused() -> None:
    made = baskets(1, 10_000)
    assert len({basket.unit_price for basket in made}) == len(made)


def test_every_way_of_shopping_occurs() -> None:
    made = baskets(1, 500)
    assert {basket.then for basket in made} == THEN.keys()
    assert {basket.user for basket in made} == set(range(USERS))
    assert {product for basket in made for product, _ in basket.lines} == set(range(PRODUCTS))
    for trait in ("keyed", "impatient", "leaves"):
        assert Count(getattr(basket, trait) for basket in made).keys() == {True, False}


def test_the_hot_product_runs_out_before_the_end() -> None:
    made = baskets(1, 500)
    wanted = sum(quantity for basket in made for product, quantity in basket.lines if product == 0)
    assert wanted / 2 < hot_stock(made) < wanted


async def test_baskets_are_handed_out_as_many_as_may_go() -> None:
    made = baskets(1, 20)
    counter = Counter(made, seed=1)
    await counter.hand_out(15, 0.0)
    first = [await counter.next() for _ in range(15)]
    waiting = asyncio.ensure_future(counter.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    await counter.hand_out(99, 0.0)  # more than there are
    rest = [await waiting, *[await counter.next() for _ in range(4)]]
    assert first + rest == made
    counter.close()
    assert await counter.next() is None
