"""Headers of ours: correlation, trace, idempotency key, consistency token."""

from __future__ import annotations

from uuid import UUID

import pytest

from scenarios.http.toy import THING, Running
from system import tracing

MINE = "6d0c1a52-6f0e-4b7e-9c3a-0a3f3c5b7d11"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_correlation_id_is_taken_along_and_echoed(toy: Running) -> None:
    reply = await toy.ask("GET", "/things/1", headers={"X-Correlation-Id": MINE.upper()})
    assert reply.headers["X-Correlation-Id"] == MINE
    assert toy.toy.asked[0].cause.correlation_id == UUID(MINE)
    assert toy.toy.asked[0].cause.causation_id is None


@pytest.mark.parametrize("path", ["/nothing", "/things/1?x=1"])
async def test_refusals_echo_it_too(toy: Running, path: str) -> None:
    reply = await toy.ask("GET", path, headers={"X-Correlation-Id": MINE})
    assert reply.headers["X-Correlation-Id"] == reply.json["correlation_id"] == MINE


@pytest.mark.parametrize(
    "header", [None, "", "7", "{" + MINE + "}", MINE.replace("-", ""), MINE + "0", b"\xff\xfe"]
)
async def test_without_a_proper_one_it_gets_its_own(
    toy: Running, header: str | bytes | None
) -> None:
    text = header.encode() if isinstance(header, str) else header
    given = [] if text is None else [b"X-Correlation-Id: " + text]
    first = await toy.raw("GET /things/1 HTTP/1.1", "Host: x", *given)
    second = await toy.raw("GET /things/1 HTTP/1.1", "Host: x", *given)
    ids = [UUID(reply.headers["X-Correlation-Id"]) for reply in (first, second)]
    assert ids[0] != ids[1]
    assert ids == [asked.cause.correlation_id for asked in toy.toy.asked]


async def test_a_trace_is_continued(toy: Running) -> None:
    await toy.ask("GET", "/things/1", headers={"traceparent": TRACE})
    continued = toy.toy.asked[0].cause.traceparent
    assert tracing.trace_id(continued) == tracing.trace_id(TRACE)
    assert continued != TRACE


@pytest.mark.parametrize("header", [None, "nonsense", "00-0-0-01"])
async def test_without_a_proper_trace_one_begins(toy: Running, header: str | None) -> None:
    await toy.ask("GET", "/things/1", headers={"traceparent": header} if header else {})
    assert tracing.trace_id(toy.toy.asked[0].cause.traceparent)


@pytest.mark.parametrize("key", ["k", "a b", "!~", "x" * 200])
async def test_an_idempotency_key_reaches_its_route(toy: Running, key: str) -> None:
    await toy.ask("POST", "/things", json=THING, headers={"Idempotency-Key": key})
    assert toy.toy.asked[0].idempotency_key == key


@pytest.mark.parametrize(
    "lines",
    [
        ["Idempotency-Key: "],
        ["Idempotency-Key: " + "x" * 201],
        ["Idempotency-Key: João"],
        [b"Idempotency-Key: \xff"],
        ["Idempotency-Key: a\tb"],
        ["Idempotency-Key: a", "Idempotency-Key: b"],
    ],
    ids=str,
)
async def test_a_bad_idempotency_key_is_refused(toy: Running, lines: list[str | bytes]) -> None:
    reply = await toy.raw("POST /things HTTP/1.1", "Host: x", *lines)
    assert (reply.status, reply.problem) == (422, "invalid")
    assert reply.places == ["header/Idempotency-Key"]


async def test_a_route_that_is_idempotent_anyway_passes_the_key_over(toy: Running) -> None:
    await toy.ask("DELETE", "/things/1", headers={"Idempotency-Key": "x" * 300})
    assert toy.toy.asked[0].idempotency_key is None


async def test_a_consistency_token_reaches_the_routes_that_honour_it(toy: Running) -> None:
    await toy.ask("GET", "/things/1", headers={"Consistency-Token": "things/1.self@2"})
    await toy.ask("DELETE", "/things/1", headers={"Consistency-Token": "things/1.self@2"})
    tokens = [asked.consistency_token for asked in toy.toy.asked]
    assert tokens == ["things/1.self@2", None]


async def test_tokens_of_several_writes_are_one_list(toy: Running) -> None:
    await toy.raw(
        "GET /things/1 HTTP/1.1", "Host: x", "Consistency-Token: a", "Consistency-Token: b"
    )
    assert toy.toy.asked[0].consistency_token == "a,b"
