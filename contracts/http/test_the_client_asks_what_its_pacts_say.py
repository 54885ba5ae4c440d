"""The consumer's side: the client against pact's mock of each API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
from pydantic import BaseModel

from contracts.http.calls import CALLS, NO_API, Call
from contracts.http.documents import committed
from contracts.http.pact_files import CONSUMER
from contracts.http.provider_states import NAMES
from contracts.kit.pacts.http import pact_of
from scenarios.harness.client import Answer, Client
from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY

Operation = Mapping[str, Any]  # of an OpenAPI document, as JSON


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_it_asks_and_is_answered(call: Call) -> None:
    pact = pact_of(CONSUMER, call.provider, [call.exchange], NAMES)
    with pact.serve("127.0.0.1") as mock:
        async with aiohttp.ClientSession() as session:
            answer = await call.call(Client(lambda _: str(mock.url), session))
    if isinstance(answer, Answer):
        _is_what_was_sent(answer, call)
    else:
        assert answer, "the client gives what the list holds"


def _is_what_was_sent(answer: Answer, call: Call) -> None:
    answer.ok(call.answer.status)
    match call.answer.body:
        case BaseModel() as resource:
            assert type(resource).model_validate(answer.body) == resource
        case {"type": problem}:
            assert answer.problem == problem.removeprefix("/problems/")
        case _:
            pass
    if CONSISTENCY_TOKEN in call.answer.headers:
        assert "@" in answer.token


@dataclass(frozen=True, slots=True)
class Way:
    """How a command can end, and whether a pact is of that."""

    name: str
    happens: Callable[[Operation], bool]
    """By the command's description in OpenAPI."""
    is_shown: Callable[[Call], bool]


IN_PROGRESS = {"$ref": "request-in-progress"}
"""What any command with a key can be answered; it says nothing of how things are."""

WAYS = (
    Way("it is done", lambda _: True, lambda call: _is_done(call) and not _has_key(call)),
    Way(
        "it was done, and comes again with the same key",
        lambda asked: any(one["name"] == IDEMPOTENCY_KEY for one in asked.get("parameters", [])),
        lambda call: _is_done(call) and _has_key(call),
    ),
    Way(
        "what it is about is not there",
        lambda asked: "404" in asked["responses"],
        lambda call: call.answer.status == 404,
    ),
    Way(
        "it is refused by how things are",
        lambda asked: (
            not asked["responses"].get("409", IN_PROGRESS)["$ref"].endswith("in-progress")
        ),
        lambda call: call.answer.status == 409,
    ),
)


def _is_done(call: Call) -> bool:
    return call.answer.status < 300


def _has_key(call: Call) -> bool:
    return IDEMPOTENCY_KEY in call.request.headers


COMMANDS = {
    f"{role} {method.upper()} {path}": asked
    for role in ("user-api", "product-api", "order-api")
    for path, methods in committed(role)["paths"].items()
    for method, asked in methods.items()
    if method in ("post", "put", "delete") and not path.startswith("/admin")
}


def _command(call: Call) -> str:
    path = re.sub(r"\$\{\w+\}|\d+", "{id}", call.request.path)
    return f"{call.provider} {call.request.method} {path}"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_that_a_command_can_end_has_a_pact(command: str, way: Way) -> None:
    needed = way.happens(COMMANDS[command])
    shown = any(_command(call) == command and way.is_shown(call) for call in CALLS)

    assert shown or not needed, f"write a pact in contracts/http/calls.py: {command}, {way.name}"


async def test_every_method_of_the_client_has_a_pact() -> None:
    called: set[str] = set()

    class Spy(Client):
        def __getattribute__(self, name: str) -> Any:  # a method, whatever it is given
            called.add(name)
            return AsyncMock()

    for call in CALLS:
        await call.call(Spy.__new__(Spy))
    methods = {name for name in vars(Client) if not name.startswith("_")}
    wrong = (methods - called) ^ {"view", *NO_API}
    assert not wrong, f"write pacts in contracts/http/calls.py of the client's methods: {wrong}"
