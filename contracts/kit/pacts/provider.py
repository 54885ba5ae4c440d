"""Lets a real provider answer for its pacts, by one Verifier.

Pact's verifier is native and blocks, so it runs in a thread. It asks for messages and for provider
states over HTTP: that endpoint runs on the caller's loop, beside the system that it asks. (The
endpoints that come with pact run in threads of their own and leave their sockets open.)
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from pact import Verifier

from contracts.kit.pacts import files
from contracts.kit.pacts.files import Json
from contracts.kit.pacts.messages import CONTENT_TYPE, KEY, MEDIA_TYPE, TOPIC

HOST = "127.0.0.1"
REQUEST_TIMEOUT_MS = 60_000
"""Far more than any request needs, on a busy machine too; pact's own is 5 s."""
STATE_S, AFTER_A_FAILURE_S = 30.0, 3.0

T = TypeVar("T")


Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BrokenPact(AssertionError):
    """A provider does not send what its consumers expect; one line for each difference."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as the provider sends it."""

    topic: str
    key: str
    headers: Mapping[str, str]
    contents: bytes


Produce = Callable[[str, str], Awaitable[Sent]]
"""Bring the provider to a state (the second one) and take what it sends to a topic (the first)."""
Prepare = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, object]]]
"""Bring the provider to a state with these parameters; the values that the request is to name."""


@dataclass(slots=True)
class _Bounds:
    """How long to wait for a state: once one was not reached, no other is waited for as long."""

    failures: dict[str, str] = field(default_factory=dict)
    """Per state that was not reached, why."""

    async def reach(self, state: str, steps: Awaitable[T]) -> T | None:
        """What the steps give, or None if they fail, which breaks the pact whatever comes of it."""
        bound_s = AFTER_A_FAILURE_S if self.failures else STATE_S
        try:
            async with asyncio.timeout(bound_s):
                return await steps
        except TimeoutError:
            self.failures[state] = f"not within {bound_s:g} s"
        except Exception as failure:  # noqa: BLE001 (kept: it is why the state was not reached)
            self.failures[state] = repr(failure)
        return None


async def verify_messages(provider: str, pacts: Sequence[Path], produce: Produce) -> None:
    """Compare what a provider sends with what its consumers expect. Raises BrokenPact."""
    interactions = {
        interaction["description"]: interaction
        for path in pacts
        for interaction in files.read(path)["interactions"]
    }
    bounds = _Bounds()

    async def message(request: web.Request) -> web.Response:
        asked = await request.json()
        if "description" not in asked:
            return web.json_response({})  # a state: it is come to when its message is asked for
        interaction = interactions[asked["description"]]
        expected = interaction["metadata"]
        (state,) = interaction["providerStates"]
        sent = await bounds.reach(state["name"], produce(expected[TOPIC], state["name"]))
        if sent is None:
            return web.Response(status=500, text=bounds.failures[state["name"]])
        metadata = {
            **sent.headers,
            TOPIC: sent.topic,
            KEY: _key(sent, expected[KEY]),
            CONTENT_TYPE: MEDIA_TYPE,
        }
        encoded = base64.b64encode(json.dumps(metadata).encode()).decode()
        return web.Response(
            body=sent.contents, content_type=MEDIA_TYPE, headers={"Pact-Message-Metadata": encoded}
        )

    async with _endpoint(message) as (port, path):
        verifier = _verifier(provider, pacts, port, path)
        verifier.add_transport(protocol="message", port=port, path=path)
        await _verify(verifier, pacts, bounds)


async def verify_http(provider: str, url: str, pacts: Sequence[Path], prepare: Prepare) -> None:
    """Compare what a provider answers with what its clients expect. Raises BrokenPact."""
    bounds = _Bounds()

    async def state(request: web.Request) -> web.Response:
        asked = await request.json()
        name = asked["state"]
        if asked["action"] != "setup" or not name:
            return web.json_response({})
        values = await bounds.reach(name, prepare(name, asked["params"]))
        return web.json_response(values or {})  # pact repeats without end what is answered by 500

    async with _endpoint(state) as (port, path):
        verifier = _verifier(provider, pacts, port, path).add_transport(url=url)
        await _verify(verifier, pacts, bounds)


def _verifier(provider: str, pacts: Sequence[Path], port: int, path: str) -> Verifier:
    verifier = Verifier(provider, host=HOST).set_request_timeout(REQUEST_TIMEOUT_MS)
    verifier.set_coloured_output(enabled=False)
    verifier.state_handler(f"http://{HOST}:{port}{path}", body=True)
    for source in pacts:
        verifier.add_source(source)
    return verifier


async def _verify(verifier: Verifier, pacts: Sequence[Path], bounds: _Bounds) -> None:
    with suppress(RuntimeError):  # says that there were differences; the results say which
        await asyncio.to_thread(verifier.verify)
    results = verifier.results["interactionResults"]
    broken = [line for result in results for line in _differences(result, bounds.failures)]
    if broken:
        raise BrokenPact("\n".join(broken))
    wanted = sum(len(files.read(path)["interactions"]) for path in pacts)
    if len(results) != wanted or not wanted:
        raise BrokenPact(f"{len(results)} of {wanted} interactions were verified")


def _differences(result: Json, failures: Mapping[str, str]) -> Iterator[str]:
    unreached = [failures[state] for state in result["providerStates"] if state in failures]
    if result["result"] == "OK" and not unreached:
        return
    yield f"the pact of {result['consumer']} with {result['provider']}, {result['description']!r}:"
    if unreached:
        yield f"  its state was not reached: {unreached[0]}"
        return
    mismatch = result["mismatch"]
    for each in mismatch.get("mismatches", ()):
        yield f"  {each.get('path') or each.get('key') or each['type']}: {each['mismatch']}"
    if "message" in mismatch:
        yield f"  {mismatch['message']}"


def _key(sent: Sent, field: str) -> str:
    """The field, if the key equals it; or else the key, for the report to show."""
    value: Any = json.loads(sent.contents)
    for name in field.removeprefix("$.").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return field if sent.key == str(value) else f"{sent.key}, not {field}"


@asynccontextmanager
async def _endpoint(handle: Handle) -> AsyncIterator[tuple[int, str]]:
    """Serve one path on a free port of the running loop."""
    path = "/pact"
    app = web.Application()
    app.router.add_post(path, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        ((_, port),) = runner.addresses
        yield port, path
    finally:
        await runner.cleanup()
