"""Different event types are different topics: they arrive in any order, some of them again.

Each story is folded in every order, also in those that no log would give, and with repeats thrown
in; whatever the order, the views end up the same, and show nothing by halves on the way. That they
end up the same is held for every event that is shown, with the stories of its pact:
contracts/messages/test_each_event_may_arrive_first_or_last.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from scenarios.decisions.given import now, order
from scenarios.projections.arrivals import arrivals, documents, end_up_the_same, fold
from system.events import Name, OrderCreated, OrderStatus, ReservationState, StockRejected
from system.kit import stacks
from system.kit.events import Event
from system.kit.ports.views import Document, Views
from system.orders import model as orders
from system.orders import views as order_views
from system.products import model as products
from system.products import views as product_views
from system.settings import Settings
from system.table import SHOP, VIEWS
from system.users import model as users
from system.users import views as user_views

PROJECTIONS = SHOP.projections
SHOWN_BY = {view.name: view for view in VIEWS}


@dataclass(frozen=True)
class Story:
    """Events as they were caused, and what the views show at the end."""

    name: str
    events: Sequence[Event]
    shown: Mapping[str, Mapping[str, Any] | None]
    """`view/id` to some of its fields; None: nothing is shown."""


def an_order() -> tuple[orders.Order, OrderCreated]:
    given = order()
    names = tuple(
        Name(id=item.product_id, name=f"Product {item.product_id}", version=1)
        for item in given.items
    )
    draft = orders.Draft(
        Name(id=given.user_id, name="Ada", version=1), names, given.items, given.total_amount
    )
    placed, (created,) = orders.place(42, draft, now())
    return placed, created


def stories() -> Iterator[Story]:
    placed, created = an_order()
    lines = products.wanted(placed.items)
    there = {product: products.Stock(product, 10, 1) for product in lines}
    (held, taken), reserved = products.reserve(42, lines, there, now())
    paid, (paid_event,) = orders.pay(placed, "pix", now())
    processing, (updated,) = orders.set_status(paid, OrderStatus.PROCESSING, now())
    yield Story(
        "paid and processed",
        [created, *reserved, paid_event, updated],
        {"orders/42": {"status": "PROCESSING", "paid": True, "reservation": "reserved"}},
    )

    _, (canceled_event,) = orders.cancel(placed, "mine", now())
    stock = there | {left.product_id: left for left in taken}
    _, released = products.release(held, stock, now())
    yield Story(
        "canceled after its stock was reserved",
        [created, *reserved, canceled_event, *released],
        {"orders/42": {"status": "CANCELED", "cancel_reason": "mine", "reservation": "released"}},
    )

    _, (void,) = products.reject(42, products.ORDER_ENDED, now())
    yield Story(
        "canceled before its creation was handled",
        [created, canceled_event, void],
        {"orders/42": {"status": "CANCELED", "reservation": "rejected"}},
    )

    _, (rejected,) = products.reserve(42, lines, {}, now())
    assert isinstance(rejected, StockRejected)
    _, (refund,) = orders.cancel_for_stock(paid, rejected.reason, now())
    yield Story(
        "paid, and then no stock",
        [created, paid_event, rejected, refund],
        {"orders/42": {"status": "CANCELED", "paid": True, "refund_due": True}},
    )

    _, (gone,) = orders.remove(processing, now())
    yield Story("deleted", [created, paid_event, updated, gone, *reserved], {"orders/42": None})

    (lamp, lamp_stock), (offered,) = products.offer(
        11, products.OfferProduct("Lamp", Decimal("19.90"), 10), now()
    )
    (dearer, _), (priced,) = products.update(
        (lamp, lamp_stock), products.UpdateProduct(price=Decimal("29.90")), now()
    )
    (held, (lamp_left,)), (sold,) = products.reserve(42, {11: 4}, {11: lamp_stock}, now())
    (restocked, restock), (set_event,) = products.update(
        (dearer, lamp_left), products.UpdateProduct(stock=100), now()
    )
    (_, (lamp_left,)), (back,) = products.release(held, {11: restock}, now())
    yield Story(
        "a product that is sold, priced, set and given back",
        [offered, priced, sold, set_event, back],
        {"products/11": {"price": Decimal("29.90"), "stock": 104}},
    )
    yield Story(
        "a product that is gone",
        [offered, priced, sold, *products.remove((restocked, lamp_left), now())[1]],
        {"products/11": None},
    )

    ada, (registered,) = users.register(7, users.RegisterUser("Ada", "ada@example.com"), now())
    lovelace, (renamed,) = users.update(ada, users.UpdateUser(name="Ada Lovelace"), now())
    yield Story(
        "a user renamed",
        [registered, renamed, created],
        {
            "users/7": {"name": "Ada Lovelace"},
            "orders/42": {"user_name": "Ada Lovelace"},
        },
    )
    yield Story(
        "a user gone", [registered, renamed, *users.remove(lovelace, now())[1]], {"users/7": None}
    )


STORIES = {story.name: story for story in stories()}


async def shown(views: Views, place: str) -> Mapping[str, Any] | None:
    """What the query API would show there."""
    name, _, key = place.partition("/")
    view = SHOWN_BY[name]
    document = (await views.get(name, [int(key)])).get(int(key))
    if document is None or not document.has(view.required):
        return None
    related = {
        other: await views.get(other, keys) for other, keys in view.refers_to(document).items()
    }
    return view.show(document, related)


@pytest.mark.parametrize("name", STORIES)
async def test_the_views_end_up_the_same(name: str) -> None:
    story = STORIES[name]
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        await end_up_the_same(story.events, parts.views)


@pytest.mark.parametrize("name", STORIES)
async def test_they_show_what_the_story_comes_to(name: str) -> None:
    story = STORIES[name]
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        views = parts.views.generation(1)
        await fold(story.events, views)
        for place, fields in story.shown.items():
            seen = await shown(views, place)
            if fields is None:
                assert seen is None
            else:
                assert seen is not None
                assert {name: seen[name] for name in fields} == fields


@pytest.mark.parametrize("name", STORIES)
async def test_nothing_is_shown_by_halves_or_goes_back_on_the_way(name: str) -> None:
    """After each event: what is shown is whole, and no part's version has gone down."""
    story = STORIES[name]
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        for number, arrival in enumerate(arrivals(story.events), 1):
            views = parts.views.generation(number)
            versions: dict[tuple[str, str], int] = {}
            for event in arrival:
                await fold([event], views)
                for place, document in (await documents(views, story.events)).items():
                    await shown(views, place)  # raises where a field it needs is missing
                    for part, version in document.versions.items():
                        assert version >= versions.get((place, part), 0)
                        versions[place, part] = version
            await parts.views.clear(number)


def test_a_name_from_before_the_order_never_hides_a_newer_one() -> None:
    """`order.created` carries version 1; the user's view knows version 2, and wins. And not back."""
    view = SHOWN_BY["orders"]
    _, created = an_order()
    parts = {
        put.part: put.fields
        for projection in PROJECTIONS["order.created"]
        for put in projection(created)
    }
    document = Document(42, parts, dict.fromkeys(parts, 1))
    for version, expected in ((0, "Ada"), (1, "Ada"), (2, "Ada Lovelace")):
        user = Document(7, {"self": {"name": "Ada Lovelace"}}, {"self": version})
        seen = view.show(document, {"users": {7: user}, "products": {}})
        assert seen["user_name"] == expected
    gone = Document(7, {"self": None}, {"self": 9})
    assert view.show(document, {"users": {7: gone}, "products": {}})["user_name"] == "Ada"


def test_a_reservation_that_is_not_known_yet_is_pending() -> None:
    view = SHOWN_BY["orders"]
    _, created = an_order()
    parts = {
        put.part: put.fields
        for projection in PROJECTIONS["order.created"]
        for put in projection(created)
    }
    seen = view.show(Document(42, parts, dict.fromkeys(parts, 1)), {"users": {}, "products": {}})
    assert seen["reservation"] == ReservationState.PENDING


@pytest.mark.parametrize(
    ("module", "field"),
    [(user_views, "email"), (product_views, "price"), (order_views, "payment_method")],
    ids=["users", "products", "orders"],
)
def test_what_was_stored_before_a_field_was_added_shows_its_default(
    module: ModuleType, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an old event is read: no reader has to wait for a rebuild."""
    _, (registered,) = users.register(7, users.RegisterUser("Ada", "ada@example.com"), now())
    _, (offered,) = products.offer(11, products.OfferProduct("Lamp", Decimal(5), 9), now())
    _, placed = an_order()
    parts = {
        put.part: dict(put.fields)
        for event in (registered, offered, placed)
        for projection in PROJECTIONS[event.type]
        for put in projection(event)
        if put.view == module.VIEW and put.fields is not None
    }
    del parts["self"][field]
    monkeypatch.setattr(module, "_DEFAULTS", {field: "not known"})
    document = Document(7, parts, dict.fromkeys(parts, 1))

    seen = SHOWN_BY[module.VIEW].show(document, {"users": {}, "products": {}})

    assert seen[field] == "not known"
