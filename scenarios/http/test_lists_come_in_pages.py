"""Lists: parameters that are checked like bodies, and pages that neither skip nor repeat."""

from __future__ import annotations

import pytest

from scenarios.harness.turns import turns_of_others
from scenarios.http.toy import Running
from system.kit.http.paging import cursor, cut, page_body

HIGHEST = 2**63 - 1


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "query/limit"),
        ("limit=501", "query/limit"),
        ("limit=-1", "query/limit"),
        ("limit=+5", "query/limit"),
        ("limit=5.0", "query/limit"),
        ("limit=05", "query/limit"),
        ("limit=1_0", "query/limit"),
        ("limit=%D9%A3", "query/limit"),
        ("limit=5%0A", "query/limit"),
        ("limit=99999999999999999999", "query/limit"),
        ("limit=", "query/limit"),
        ("limit", "query/limit"),
        ("limit=%ff", "query/limit"),
        ("limit=1&limit=1", "query/limit"),
        ("limit=1&limit=2", "query/limit"),
        ("after=", "query/after"),
        ("after=0", "query/after"),
        ("after=nonsense", "query/after"),
        ("after=AAAAAAAAAAB", "query/after"),
        ("after=gAAAAAAAAAA", "query/after"),
        ("after=AAAAAAAAAAA=", "query/after"),
        ("after=AAAAAAAAAAA%0A", "query/after"),
        ("after=../../../etc", "query/after"),
        ("status=SOLD", "query/status"),
        ("status=created", "query/status"),
        ("status=", "query/status"),
        ("user_id=0", "query/user_id"),
        ("user_id=one", "query/user_id"),
        (f"user_id={HIGHEST + 1}", "query/user_id"),
        ("page=2", "query/page"),
        ("LIMIT=2", "query/LIMIT"),
        ("=2", "query/"),
        ("%ff=2", "query/\ufffd"),
        ("a/b=2", "query/a~1b"),
    ],
)
async def test_a_bad_parameter_is_told_with_its_place(toy: Running, query: str, place: str) -> None:
    reply = await toy.raw(f"GET /things?{query} HTTP/1.1", "Host: x")
    assert (reply.status, reply.problem, reply.places) == (422, "invalid", [place])
    assert not toy.toy.asked


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/things/1"), ("DELETE", "/things/1"), ("PUT", "/things/1")]
)
async def test_a_route_without_parameters_takes_none(toy: Running, method: str, path: str) -> None:
    reply = await toy.ask(method, path + "?verbose=1&x=2")
    assert (reply.status, reply.places) == (422, ["query/verbose", "query/x"])


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", (50, 0, None, None)),
        ("?", (50, 0, None, None)),
        ("?limit=1", (1, 0, None, None)),
        (f"?limit=500&after={cursor(42)}", (500, 42, None, None)),
        (f"?status=PAID&user_id={HIGHEST}", (50, 0, "PAID", HIGHEST)),
    ],
)
async def test_good_parameters_reach_their_route(
    toy: Running, query: str, seen: tuple[object, ...]
) -> None:
    assert (await toy.ask("GET", "/things" + query)).status == 200
    asked = toy.toy.asked[0].query
    assert (asked.limit, asked.after, asked.status, asked.user_id) == seen


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11, 500])
async def test_walking_the_pages_gives_each_row_once(toy: Running, limit: int) -> None:
    seen: list[int] = []
    pages, following = 0, f"?after={cursor(0)}"
    while following:
        page = (await toy.ask("GET", f"/things{following}&limit={limit}")).json
        assert set(page) == {"things", "next"}
        seen += [row["id"] for row in page["things"]]
        pages += 1
        following = page["next"] and f"?after={page['next']}"
    assert seen == list(toy.toy.ids)
    assert pages == -(-len(toy.toy.ids) // limit)


async def test_an_empty_list_is_a_page(toy: Running) -> None:
    toy.toy.ids = range(0)
    assert (await toy.ask("GET", "/things")).json == {"things": [], "next": None}


@pytest.mark.parametrize("key", [1, 2, 63, 64, 255, 2**32, HIGHEST])
async def test_a_cursor_stands_for_the_key_it_was_made_of(toy: Running, key: int) -> None:
    assert (await toy.ask("GET", f"/things?after={cursor(key)}")).status == 200
    assert toy.toy.asked[0].query.after == key


def test_a_cursor_is_made_only_where_more_follows() -> None:
    assert cut([1, 2], 2, int) == ([1, 2], None)
    assert cut([1, 2, 3], 2, int) == ([1, 2], cursor(2))


async def test_a_large_page_leaves_the_loop_to_others() -> None:
    assert await turns_of_others(page_body("things", range(500), None, lambda n: {"id": n})) >= 50
