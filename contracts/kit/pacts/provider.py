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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from pact import Verifier

from contracts.kit.pacts import files
from contracts.kit.pacts.files import Json
from contracts.kit.pacts.messages import CONTENT_TYPE, KEY, MEDIA_TYPE, TOPIC

HOST = "127.0.0.1"
REQUEST_TIMEOUT_MS = 60_000
"""Far more than any request needs, on a busy machine too; pact's own is 5 s."""


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


async def verify_messages(provider: str, pacts: Sequence[Path], produce: Produce) -> None:
    """Compare what a provider sends with what its consumers expect. Raises BrokenPact."""
    interactions = {
        interaction["description"]: interaction
        for path in pacts
        for interaction in files.read(path)["interactions"]
    }

    async def message(request: web.Request) -> web.Response:
        asked = await request.json()
        if "description" not in asked:
            return web.json_response({})  # a state: it is come to when its message is asked for
        interaction = interactions[asked["description"]]
        expected = interaction["metadata"]
        (state,) = interaction["providerStates"]
        sent = await produce(expected[TOPIC], state["name"])
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
        verifier = _verifier(provider, pacts)
        verifier.add_transport(protocol="message", port=port, path=path)
        verifier.state_handler(f"http://{HOST}:{port}{path}", body=True)
        await _verify(verifier, pacts)


async def verify_http(provider: str, url: str, pacts: Sequence[Path], prepare: Prepare) -> None:
    """Compare what a provider answers with what its clients expect. Raises BrokenPact."""

    async def state(request: web.Request) -> web.Response:
        asked = await request.json()
        is_setup = asked["action"] == "setup" and asked["state"]
        values = await prepare(asked["state"], asked["params"]) if is_setup else {}
        return web.json_response(values)

    async with _endpoint(state) as (port, path):
        verifier = _verifier(provider, pacts).add_transport(url=url)
        verifier.state_handler(f"http://{HOST}:{port}{path}", body=True)
        await _verify(verifier, pacts)


def _verifier(provider: str, pacts: Sequence[Path]) -> Verifier:
    verifier = Verifier(provider, host=HOST).set_request_timeout(REQUEST_TIMEOUT_MS)
    verifier.set_coloured_output(enabled=False)
    for path in pacts:
        verifier.add_source(path)
    return verifier


async def _verify(verifier: Verifier, pacts: Sequence[Path]) -> None:
    with suppress(RuntimeError):  # says that there were differences; the results say which
        await asyncio.to_thread(verifier.verify)
    results = verifier.results["interactionResults"]
    broken = [line for result in results for line in _differences(result)]
    if broken:
        raise BrokenPact("\n".join(broken))
    wanted = sum(len(files.read(path)["interactions"]) for path in pacts)
    if len(results) != wanted or not wanted:
        raise BrokenPact(f"{len(results)} of {wanted} interactions were verified")


def _differences(result: Json) -> Iterator[str]:
    if result["result"] == "OK":
        return
    yield f"the pact of {result['consumer']} with {result['provider']}, {result['description']!r}:"
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
    """Serve one path on a free port of the running loop; what fails there is raised at the end."""
    path = "/pact"
    failures: list[AssertionError] = []

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handle(request)
        except AssertionError as failure:
            failures.append(failure)
            return web.Response(status=500, text=str(failure))

    app = web.Application()
    app.router.add_post(path, guarded)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        ((_, port),) = runner.addresses
        try:
            yield port, path
        except BrokenPact as broken:
            if failures:
                raise failures[0] from broken
            raise
    finally:
        await runner.cleanup()
