"""The consumer's side: the client against pact's mock of each API."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import pytest
from pydantic import BaseModel

from contracts.http.calls import CALLS, NO_API, Call
from contracts.http.pact_files import CONSUMER
from contracts.http.provider_states import NAMES
from contracts.kit.pacts.http import pact_of
from scenarios.harness.client import Answer, Client
from system.kit.http.headers import CONSISTENCY_TOKEN


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


async def test_every_method_of_the_client_has_a_pact() -> None:
    called: set[str] = set()

    class Spy(Client):
        def __getattribute__(self, name: str) -> Any:  # a method, whatever it is given
            called.add(name)
            return AsyncMock()

    for call in CALLS:
        await call.call(Spy.__new__(Spy))
    methods = {name for name in vars(Client) if not name.startswith("_")}
    assert methods - called == {"view", *NO_API}
