"""The curl commands of README and docs do what the pages say, against a system of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack
from scenarios.repository.markdown import ROOT, Page, commands, pages
from system.roles import ROLES

ROLE_AT = {spec.port: spec.name for spec in ROLES}
ANYTHING = "…"
"""Stands in a shown answer for what is different each time."""


@dataclass
class Curl:
    """What a curl command would send; of its options, those that our pages use."""

    url: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: str | None = None

    @staticmethod
    def parsed(words: Sequence[str]) -> Curl:
        curl = Curl()
        rest = iter(words)
        for word in rest:
            match word:
                case "-X":
                    curl.method = next(rest)
                case "-H":
                    name, _, value = next(rest).partition(":")
                    curl.headers[name] = value.strip()
                case "-d":
                    curl.data = next(rest)
                case _ if word.startswith("-"):
                    raise AssertionError(f"the test does not know curl's {word}")
                case _:
                    curl.url = word
        curl.method = curl.method or ("GET" if curl.data is None else "POST")
        return curl


@dataclass(frozen=True)
class Step:
    """A shell block's curls, and the answer that the page shows below it."""

    curls: Sequence[Curl]
    shown: Any


def steps(page: Page) -> list[Step]:
    found = []
    for language, body, next_language, next_body in page.blocks_with_next:
        if language != "bash":
            continue
        curls = [Curl.parsed(rest) for program, *rest in commands(body) if program == "curl"]
        if curls:
            shown = json.loads(next_body) if next_language == "json" else None
            found.append(Step(curls, shown))
    return found


async def answer(stack: Stack, curl: Curl) -> tuple[int, Any]:
    url = urlsplit(curl.url)
    assert url.hostname == "localhost"
    here = stack.url(ROLE_AT[url.port or 80])
    path = f"{url.path}?{url.query}" if url.query else url.path
    data = None if curl.data is None else curl.data.encode()
    async with (
        aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session,
        session.request(curl.method, here + path, data=data, headers=curl.headers) as response,
    ):
        return response.status, await response.json(content_type=None)


def is_as_shown(seen: Any, shown: Any) -> bool:
    """Whether the answer is the one of the page, where that names a value."""
    match shown:
        case str() if shown == ANYTHING:
            return isinstance(seen, str)
        case dict():
            return seen.keys() == shown.keys() and all(
                is_as_shown(seen[name], value) for name, value in shown.items()
            )
        case list():
            return len(seen) == len(shown) and all(map(is_as_shown, seen, shown))
        case _:
            return bool(seen == shown)


def has_come(shown: Any, answered: tuple[int, Any]) -> bool:
    return is_as_shown(answered[1], shown)


async def test_the_tour_of_the_readme(own_stack: Stack) -> None:
    path = ROOT / "README.md"
    tour = steps(Page(path, path.read_text(encoding="utf-8")))
    assert len([step for step in tour if step.shown]) >= 3

    for step in tour:
        for curl in step.curls[:-1]:
            status, body = await answer(own_stack, curl)
            assert status in (200, 201), body
        last = step.curls[-1]
        if step.shown is None:
            assert (await answer(own_stack, last))[0] == 200
        elif last.method == "GET":  # shown a moment later
            await eventually(partial(answer, own_stack, last), partial(has_come, step.shown))
        else:
            _, body = await answer(own_stack, last)
            assert is_as_shown(body, step.shown), f"{path.name} shows otherwise: {body}"


OTHERS = [page for page in pages()[1:] if steps(page)]


@pytest.mark.parametrize("page", OTHERS, ids=str)
async def test_the_calls_of_the_docs_succeed(own_stack: Stack, page: Page) -> None:
    user = await own_stack.given.user()
    await own_stack.given.order({(await own_stack.given.product()).id: 1}, user_id=user.id)

    for step in steps(page):
        for curl in step.curls:
            status, body = await answer(own_stack, curl)
            assert status in (200, 201), (curl, body)


@pytest.mark.parametrize(
    ("seen", "is_so"),
    [
        ({"id": 1, "at": "2026"}, True),
        ({"id": 2, "at": "2026"}, False),
        ({"id": 1}, False),
        ({"id": 1, "at": "2026", "more": 0}, False),
        ({"id": 1, "at": None}, False),
    ],
)
def test_an_answer_that_is_not_as_shown_is_found(seen: Any, is_so: bool) -> None:
    assert is_as_shown(seen, {"id": 1, "at": ANYTHING}) == is_so


def test_a_port_of_no_role_is_none_of_ours() -> None:
    for page in pages():
        for step in steps(page):
            assert all(urlsplit(curl.url).port in ROLE_AT for curl in step.curls)
            assert all(re.match(r"http://localhost:", curl.url) for curl in step.curls)
