"""What every view store must do, told by the port alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, permutations

import pytest

from contracts.ports.bindings import ViewsBinding
from scenarios.harness.turns import turns_of_others
from system.kit.errors import Fenced, Frozen
from system.kit.ports.views import Document, Fields, Generations, Put, Views, ViewStore

LIVE, BUILDING = 1, 2
LONG_S = 60.0
"""A freeze that does not end within a test."""
SHORT_S = 0.05
"""A freeze that a test waits out."""


def put(
    version: int, fields: Fields | None, *, key: int = 1, part: str = "self", view: str = "orders"
) -> Put:
    return Put(view, key, part, version, fields)


async def document(views: Views, key: int = 1, view: str = "orders") -> Document:
    return (await views.get(view, [key]))[key]


async def keys(
    views: Views,
    *,
    after: int = 0,
    limit: int = 100,
    having: Sequence[str] = (),
    where: Fields | None = None,
) -> list[int]:
    page = await views.page("orders", after=after, limit=limit, having=having, where=where or {})
    return [document.key for document in page]


async def with_generations(store: ViewStore) -> Generations:
    """A live generation, and one that is being built."""
    generations = Generations(LIVE, BUILDING, BUILDING)
    assert await store.switch(await store.generations(), generations)
    return generations


def switched(generations: Generations) -> Generations:
    """What is built goes live."""
    return Generations(generations.building, None, generations.last)


class ViewsSuite:
    """Bound to an adapter by the fixtures `binding` and `store`."""

    @pytest.fixture
    def views(self, store: ViewStore) -> Views:
        return store.generation(LIVE)

    # Parts and versions

    async def test_what_is_put_can_be_got(self, views: Views) -> None:
        await views.put([put(3, {"status": "PAID"})])

        assert await views.get("orders", [1]) == {
            1: Document(1, {"self": {"status": "PAID"}}, {"self": 3})
        }

    async def test_reading_many_leaves_the_loop_to_others(self, views: Views) -> None:
        for first in range(1, 501, 50):  # one of 500 takes a stand-in longer than a put may take
            await views.put([put(1, {}, key=key) for key in range(first, first + 50)])

        page = views.page("orders", after=0, limit=500, having=("self",), where={})
        assert await turns_of_others(page) >= 50
        assert await turns_of_others(views.get("orders", range(1, 501))) >= 50

    async def test_what_was_never_put_is_not_there(self, views: Views) -> None:
        await views.put([put(1, {})])

        assert await views.get("orders", [2]) == {}
        assert await views.get("products", [1]) == {}
        assert await views.get("orders", []) == {}

    async def test_several_documents_are_got_at_once(self, views: Views) -> None:
        await views.put([put(1, {"n": key}, key=key) for key in (1, 2, 3)])

        found = await views.get("orders", [3, 1, 9])

        assert {key: found[key].parts["self"] for key in found} == {1: {"n": 1}, 3: {"n": 3}}

    @pytest.mark.parametrize(("version", "stays"), [(1, True), (2, True), (3, False)])
    async def test_only_a_newer_version_replaces_a_part(
        self, views: Views, version: int, stays: bool
    ) -> None:
        await views.put([put(2, {"is": "there"})])
        await views.put([put(version, {"is": "put"})])

        expected = Document(
            1, {"self": {"is": "there" if stays else "put"}}, {"self": max(version, 2)}
        )
        assert await document(views) == expected

    async def test_version_zero_is_newer_than_nothing(self, views: Views) -> None:
        await views.put([put(0, {"n": 0})])
        await views.put([put(0, {"n": 0}, part="stock")])

        assert (await document(views)).versions == {"self": 0, "stock": 0}

    async def test_a_part_is_replaced_whole(self, views: Views) -> None:
        await views.put([put(1, {"a": 1, "b": {"c": 1, "d": 1}})])
        await views.put([put(2, {"b": {"c": 2}})])

        assert (await document(views)).parts == {"self": {"b": {"c": 2}}}

    async def test_parts_have_versions_of_their_own(self, views: Views) -> None:
        await views.put([put(9, {"n": 9}, part="stock")])
        await views.put([put(1, {"n": 1}), put(8, {"n": 8}, part="stock")])

        assert await document(views) == Document(
            1, {"self": {"n": 1}, "stock": {"n": 9}}, {"self": 1, "stock": 9}
        )

    async def test_a_part_that_is_gone_stays_gone_for_late_puts(self, views: Views) -> None:
        await views.put([put(2, None)])
        await views.put([put(1, {"late": True})])

        assert await document(views) == Document(1, {"self": None}, {"self": 2})

    async def test_a_part_that_is_gone_takes_its_old_fields_along(self, views: Views) -> None:
        await views.put([put(1, {"n": 1}), put(1, {"n": 1}, part="stock")])
        await views.put([put(2, None)])

        assert (await document(views)).parts == {"self": None, "stock": {"n": 1}}

    async def test_puts_of_one_call_may_meet_in_a_part(self, views: Views) -> None:
        await views.put([put(1, {"n": 1}), put(3, {"n": 3}), put(2, {"n": 2})])

        assert await document(views) == Document(1, {"self": {"n": 3}}, {"self": 3})

    async def test_puts_in_every_order_and_with_repeats_give_one_document(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        created, paid, gone = put(1, {"s": "CREATED"}), put(2, {"s": "PAID"}), put(3, None)
        reserved, released = put(1, {"r": 1}, part="stock"), put(2, {"r": 0}, part="stock")
        puts = [created, paid, gone, reserved, released, paid, reserved]

        orders = islice(permutations(puts), 0, None, binding.every_nth_order)
        for number, order in enumerate(orders, start=1):
            views = store.generation(number)
            for each in order:
                await views.put([each])
            assert await document(views) == Document(
                1, {"self": None, "stock": {"r": 0}}, {"self": 3, "stock": 2}
            ), order
            await store.clear(number)

    async def test_writers_of_the_parts_of_a_new_document_do_not_harm_each_other(
        self, views: Views
    ) -> None:
        parts = [f"part{number}" for number in range(8)]

        await asyncio.gather(*(views.put([put(1, {}, key=7, part=part)]) for part in parts))

        assert sorted((await document(views, 7)).parts) == parts

    async def test_values_come_back_as_they_were(self, views: Views) -> None:
        fields = {
            "price": Decimal("9999999999.99"),
            "total": Decimal("0.10"),
            "at": datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC),
            "large": 2**63 - 1,
            "text": "Ü\u0000 $dollar.dot",
            "flags": [True, False, None],
            "items": [{"id": 1, "prices": [Decimal("1.00")]}, {}],
            "empty": {},
        }

        await views.put([put(1, fields)])

        found = (await document(views)).parts["self"]
        assert found == fields
        assert str(found["total"]) == "0.10"
        assert found["at"].utcoffset() == fields["at"].utcoffset()  # type: ignore[attr-defined]

    async def test_a_reader_cannot_change_what_is_stored(self, views: Views) -> None:
        fields = {"items": [{"n": 1}]}
        await views.put([put(1, fields)])

        fields["items"].append({"n": 2})
        for found in (
            await document(views),
            *await views.page("orders", after=0, limit=1, having=(), where={}),
        ):
            part = found.parts["self"]
            assert part is not None
            part["items"][0]["n"] = 3

        assert (await document(views)).parts == {"self": {"items": [{"n": 1}]}}

    # Pages

    async def test_pages_go_up_by_key_and_give_each_document_once(self, views: Views) -> None:
        await views.put([put(1, {}, key=key) for key in (30, 4, 2**63 - 1, 100, 5)])

        assert await keys(views, limit=2) == [4, 5]
        assert await keys(views, after=5, limit=2) == [30, 100]
        assert await keys(views, after=100, limit=2) == [2**63 - 1]
        assert await keys(views, after=2**63 - 1, limit=2) == []

    async def test_a_page_begins_after_a_key_that_need_not_be_there(self, views: Views) -> None:
        await views.put([put(1, {}, key=key) for key in (1, 5)])

        assert await keys(views, after=3) == [5]

    async def test_a_page_shows_the_whole_document(self, views: Views) -> None:
        await views.put([put(1, {"n": 1}), put(2, {"n": 2}, part="stock")])

        (shown,) = await views.page("orders", after=0, limit=9, having=["self"], where={})

        assert shown == await document(views)

    async def test_a_document_is_shown_once_it_has_the_parts_wanted(self, views: Views) -> None:
        await views.put([put(1, {}, part="stock")])
        assert await keys(views, having=["self", "stock"]) == []

        await views.put([put(1, {})])
        assert await keys(views, having=["self", "stock"]) == [1]

        await views.put([put(2, None)])
        assert await keys(views, having=["self", "stock"]) == []
        assert await keys(views, having=["stock"]) == [1]

    async def test_hidden_documents_do_not_shorten_a_page(self, views: Views) -> None:
        await views.put([put(1, None if key % 2 else {}, key=key) for key in range(1, 21)])

        assert await keys(views, limit=3, having=["self"]) == [2, 4, 6]

    async def test_a_page_holds_what_has_the_wanted_values(self, views: Views) -> None:
        await views.put(
            [
                put(1, {"status": "PAID", "user_id": 1}, key=1),
                put(1, {"status": "PAID", "user_id": 2}, key=2),
                put(1, {"status": "CREATED", "user_id": 2}, key=3),
                put(1, {"status": "PAID", "user_id": 2}, key=4),
                put(2, None, key=4),
                put(1, {"status": "PAID"}, key=5, part="stock"),
            ]
        )

        paid = {"self.status": "PAID"}
        assert await keys(views, having=["self"], where=paid) == [1, 2]
        assert await keys(views, having=["self"], where={**paid, "self.user_id": 2}) == [2]
        assert await keys(views, having=["self"], where={"self.user_id": 3}) == []
        assert await keys(views, where={"stock.status": "PAID"}) == [5]

    async def test_views_do_not_mix(self, views: Views) -> None:
        await views.put([put(1, {"n": 1}, view="users"), put(1, {"n": 2}, view="orders")])

        assert (await document(views, view="users")).parts == {"self": {"n": 1}}
        assert await keys(views) == [1]

    # Generations

    async def test_a_new_store_has_no_generation(self, store: ViewStore) -> None:
        assert await store.generations() == Generations(live=None, building=None, last=0)

    async def test_generations_are_set_if_the_old_ones_still_hold(self, store: ViewStore) -> None:
        building = Generations(None, 1, 1)

        assert await store.switch(Generations(), building)
        assert not await store.switch(Generations(), Generations(None, 7, 7))
        assert await store.generations() == building

    async def test_of_many_that_switch_exactly_one_wins(self, store: ViewStore) -> None:
        wishes = [Generations(None, number, number) for number in range(1, 9)]

        won = await asyncio.gather(*(store.switch(Generations(), wish) for wish in wishes))

        assert sum(won) == 1
        assert await store.generations() == wishes[won.index(True)]

    async def test_generations_share_nothing(self, store: ViewStore) -> None:
        await store.generation(1).put([put(1, {"n": 1})])
        await store.generation(2).put([put(1, {"n": 2}, key=2)])

        await store.clear(1)

        assert await keys(store.generation(1)) == []
        assert await store.generation(1).get("orders", [1]) == {}
        assert await keys(store.generation(2)) == [2]

    async def test_clearing_what_is_not_there_is_fine(self, store: ViewStore) -> None:
        await store.clear(7)

    async def test_a_generation_can_be_written_again_after_it_was_cleared(
        self, store: ViewStore
    ) -> None:
        await store.generation(1).put([put(5, {"n": 5})])
        await store.clear(1)
        await store.generation(1).put([put(1, {"n": 1})])

        assert await document(store.generation(1)) == Document(1, {"self": {"n": 1}}, {"self": 1})

    # Freezing

    async def test_a_frozen_generation_takes_no_puts(self, store: ViewStore) -> None:
        await with_generations(store)
        live = store.generation(LIVE)
        await live.put([put(1, {"n": 1})])

        await store.freeze(LIVE, LONG_S)

        with pytest.raises(Frozen):
            await live.put([put(2, {"n": 2})])
        with pytest.raises(Frozen):
            await store.generation(LIVE).put([put(1, {}, key=2)])
        assert await keys(live) == [1]
        assert (await document(live)).versions == {"self": 1}

    async def test_other_generations_go_on_meanwhile(self, store: ViewStore) -> None:
        await with_generations(store)

        await store.freeze(LIVE, LONG_S)

        await store.generation(BUILDING).put([put(1, {})])
        assert await keys(store.generation(BUILDING)) == [1]

    async def test_it_can_be_thawed(self, store: ViewStore) -> None:
        await with_generations(store)
        freeze = await store.freeze(LIVE, LONG_S)

        await store.thaw(LIVE, freeze)

        await store.generation(LIVE).put([put(1, {})])
        assert await keys(store.generation(LIVE)) == [1]

    async def test_who_freezes_what_is_frozen_already_is_refused(self, store: ViewStore) -> None:
        generations = await with_generations(store)
        freeze = await store.freeze(LIVE, LONG_S)

        with pytest.raises(Frozen):
            await store.freeze(LIVE, LONG_S)

        assert await store.switch(generations, switched(generations), freeze=freeze)

    async def test_nobody_thaws_another_ones_freeze(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        generations = await with_generations(store)
        expired = await store.freeze(LIVE, SHORT_S)
        await until_thawed(store, binding)
        freeze = await store.freeze(LIVE, LONG_S)

        await store.thaw(LIVE, expired)

        with pytest.raises(Frozen):
            await store.generation(LIVE).put([put(2, {})])
        assert not await store.switch(generations, switched(generations), freeze=expired)
        assert await store.switch(generations, switched(generations), freeze=freeze)

    async def test_a_freeze_that_has_ended_gives_way_to_the_next(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        generations = await with_generations(store)
        expired = await store.freeze(LIVE, SHORT_S)
        freezes: list[str] = []

        async def freeze_again() -> None:
            freezes.append(await store.freeze(LIVE, LONG_S))

        await eventually(freeze_again, binding.deadline_s)

        assert not await store.switch(generations, switched(generations), freeze=expired)
        assert await store.switch(generations, switched(generations), freeze=freezes[0])

    async def test_of_many_that_freeze_exactly_one_has_it(self, store: ViewStore) -> None:
        await with_generations(store)

        freezes = await asyncio.gather(
            *(store.freeze(LIVE, LONG_S) for _ in range(8)), return_exceptions=True
        )

        assert sorted(type(each).__name__ for each in freezes) == ["Frozen"] * 7 + ["str"]

    async def test_once_frozen_no_put_is_under_way(self, store: ViewStore) -> None:
        await with_generations(store)
        live = store.generation(LIVE)

        async def write(key: int) -> None:
            for version in range(10_000):
                await live.put([put(version, {}, key=key)])
                await asyncio.sleep(0)

        writers = [asyncio.create_task(write(key)) for key in range(1, 5)]
        while len(await keys(live)) < len(writers):
            await asyncio.sleep(0)
        await store.freeze(LIVE, LONG_S)
        frozen = await live.get("orders", range(1, 5))
        ends = await asyncio.gather(*writers, return_exceptions=True)

        assert [type(end) for end in ends] == [Frozen] * len(writers)
        assert await live.get("orders", range(1, 5)) == frozen

    async def test_a_freeze_ends_by_itself(self, store: ViewStore, binding: ViewsBinding) -> None:
        await with_generations(store)

        await store.freeze(LIVE, SHORT_S)

        await until_thawed(store, binding)
        assert await keys(store.generation(LIVE)) == [1]

    async def test_what_is_built_goes_live_while_the_live_one_is_frozen(
        self, store: ViewStore
    ) -> None:
        generations = await with_generations(store)

        freeze = await store.freeze(LIVE, LONG_S)

        assert await store.switch(generations, switched(generations), freeze=freeze)
        assert await store.generations() == Generations(BUILDING, None, BUILDING)

    @pytest.mark.parametrize("thawed", [False, True])
    async def test_a_generation_that_was_live_takes_no_puts_any_more(
        self, store: ViewStore, thawed: bool
    ) -> None:
        generations = await with_generations(store)
        await store.generation(LIVE).put([put(1, {"n": 1})])
        freeze = await store.freeze(LIVE, LONG_S)

        assert await store.switch(generations, switched(generations), freeze=freeze)
        if thawed:
            await store.thaw(LIVE, freeze)

        with pytest.raises(Fenced):
            await store.generation(LIVE).put([put(2, {"n": 2}), put(1, {}, key=2)])
        assert await keys(store.generation(LIVE)) == [1]
        assert (await document(store.generation(LIVE))).versions == {"self": 1}
        await store.generation(BUILDING).put([put(1, {}, key=3)])
        assert await keys(store.generation(BUILDING)) == [3]

    async def test_a_switch_fails_once_the_freeze_has_expired(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        generations = await with_generations(store)
        freeze = await store.freeze(LIVE, SHORT_S)
        await until_thawed(store, binding)

        assert not await store.switch(generations, switched(generations), freeze=freeze)
        assert await store.generations() == generations

    async def test_after_a_failed_switch_it_can_be_frozen_and_switched_again(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        generations = await with_generations(store)
        expired = await store.freeze(LIVE, SHORT_S)
        await until_thawed(store, binding)
        await store.switch(generations, switched(generations), freeze=expired)

        freeze = await store.freeze(LIVE, LONG_S)

        with pytest.raises(Frozen):
            await store.generation(LIVE).put([put(9, {})])
        assert await store.switch(generations, switched(generations), freeze=freeze)

    async def test_a_building_generation_may_change_whatever_became_of_a_freeze(
        self, store: ViewStore, binding: ViewsBinding
    ) -> None:
        generations = await with_generations(store)
        await store.freeze(LIVE, SHORT_S)
        await until_thawed(store, binding)

        assert await store.switch(generations, Generations(LIVE, 3, 3))

    async def test_nothing_goes_live_in_the_place_of_another_without_a_freeze(
        self, store: ViewStore
    ) -> None:
        generations = await with_generations(store)

        assert not await store.switch(generations, switched(generations))
        assert not await store.switch(generations, switched(generations), freeze="none")

        await store.freeze(LIVE, LONG_S)
        assert not await store.switch(generations, switched(generations))
        assert await store.generations() == generations

    async def test_a_freeze_of_one_generation_is_none_of_another(self, store: ViewStore) -> None:
        generations = await with_generations(store)
        freeze = await store.freeze(BUILDING, LONG_S)

        assert not await store.switch(generations, switched(generations), freeze=freeze)

    async def test_it_gives_a_sign_of_life(self, store: ViewStore) -> None:
        await store.ping()


async def until_thawed(store: ViewStore, binding: ViewsBinding) -> None:
    """Wait for the end of a freeze, seen by a put that lands."""
    await eventually(lambda: store.generation(LIVE).put([put(1, {})]), binding.deadline_s)


async def eventually(attempt: Callable[[], Awaitable[None]], deadline_s: float) -> None:
    async with asyncio.timeout(deadline_s):
        while True:
            try:
                return await attempt()
            except Frozen:
                await asyncio.sleep(SHORT_S / 10)  # between two looks, not in place of one
