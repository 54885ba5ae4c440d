"""Orders in which the same events may arrive, and what the views make of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from random import Random

from system.kit.events import Event
from system.kit.ports.views import Document, Views, ViewStore
from system.table import SHOP, VIEWS

ORDERS_MAX = 720
"""So many orders are tried, drawn by a fixed seed where there are more."""
PROJECTIONS = SHOP.projections


def arrivals(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Every order of arrival, then some with each event twice more, anywhere."""
    chance = Random(1)
    every = list(permutations(events))
    yield from every if len(every) <= ORDERS_MAX else chance.sample(every, ORDERS_MAX)
    for _ in range(50):
        repeated = [*events, *events, *events]
        chance.shuffle(repeated)
        yield repeated


async def fold(events: Sequence[Event], views: Views) -> None:
    for event in events:
        for projection in PROJECTIONS[event.type]:
            await views.put(list(projection(event)))


async def documents(views: Views, events: Sequence[Event]) -> dict[str, Document]:
    """All that the events put anywhere, by its view and id."""
    keys = {
        put.key
        for event in events
        for projection in PROJECTIONS[event.type]
        for put in projection(event)
    }
    found = {}
    for view in VIEWS:
        for key, document in (await views.get(view.name, keys)).items():
            found[f"{view.name}/{key}"] = document
    return found


async def end_up_the_same(events: Sequence[Event], store: ViewStore) -> None:
    in_order = store.generation(1)
    await fold(events, in_order)
    wanted = await documents(in_order, events)
    assert wanted, "these events show nothing, so nothing was compared"

    for number, arrival in enumerate(arrivals(events), 2):
        views = store.generation(number)
        await fold(arrival, views)
        assert await documents(views, events) == wanted, [event.type for event in arrival]
        await store.clear(number)
