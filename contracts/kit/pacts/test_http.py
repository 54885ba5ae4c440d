"""A pact of HTTP, and a provider that keeps or breaks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel

from contracts.kit.pacts import files
from contracts.kit.pacts.http import Examples, Exchange, Request, Response, pact_of
from contracts.kit.pacts.provider import BrokenPact, verify_http


class Letter(BaseModel):
    id: int
    text: str


KNOWN: Examples = {"id": 1, "mark": "a"}
SHOWN = Exchange(
    "a letter is shown",
    "a letter",
    Request("GET", "/letters/${id}", query={"mark": "${mark}"}, headers={"For": "${mark}"}),
    Response(200, Letter(id=1, text="Dear")),
)
ANSWERED = Exchange(
    "a letter is answered",
    "a letter",
    Request("POST", "/letters", {"to": "${id}", "mark": "${mark}"}),
    Response(201, Letter(id=1, text="Dear")),
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A provider that has one letter, number 7 with the mark `b`."""

    async def show(request: web.Request) -> web.Response:
        asked = (request.match_info["id"], request.query["mark"], request.headers["For"])
        found = asked == ("7", "b", "b")
        return web.json_response({"id": 7, "text": "Hello"}, status=200 if found else 404)

    async def answer(request: web.Request) -> web.Response:
        is_to_it = await request.json() == {"to": 7, "mark": "b"}
        return web.json_response({"id": 8, "text": "Hello"}, status=201 if is_to_it else 422)

    app = web.Application()
    app.router.add_get("/letters/{id}", show)
    app.router.add_post("/letters", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.port}"


def written(folder: Path, *exchanges: Exchange) -> list[Path]:
    path = folder / files.name_of("reader", "writer")
    path.write_text(files.text_of(pact_of("reader", "writer", exchanges, KNOWN)), encoding="utf-8")
    return [path]


async def a_letter(state: str, _parameters: Mapping[str, Any]) -> Mapping[str, object]:
    assert state == "a letter"
    return {"id": 7, "mark": "b"}


async def test_a_request_names_what_the_state_knows(url: str, tmp_path: Path) -> None:
    await verify_http("writer", url, written(tmp_path, SHOWN, ANSWERED), a_letter)


async def test_a_provider_breaks_it_by_its_answer(url: str, tmp_path: Path) -> None:
    async def another(_state: str, _parameters: Mapping[str, Any]) -> Mapping[str, object]:
        return {"id": 9, "mark": "b"}

    with pytest.raises(BrokenPact, match=r"'a letter is shown':\n.*404"):
        await verify_http("writer", url, written(tmp_path, SHOWN), another)


@pytest.mark.parametrize("error", [AssertionError("no paper"), KeyError("paper")], ids=repr)
async def test_a_state_that_fails_is_named_with_its_reason(
    error: Exception, url: str, tmp_path: Path
) -> None:
    async def fail(_state: str, _parameters: Mapping[str, Any]) -> Mapping[str, object]:
        raise error

    with pytest.raises(BrokenPact, match=r"'a letter is shown':\n.*not reached: .*paper"):
        await verify_http("writer", url, written(tmp_path, SHOWN), fail)
