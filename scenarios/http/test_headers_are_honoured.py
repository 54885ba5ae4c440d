"""Headers of ours: correlation, trace, idempotency key, consistency token."""

from __future__ import annotations

from uuid import UUID

import pytest

from scenarios.http.toy import THING, Reply, Running
from system.kit import tracing

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


@pytest.mark.parametrize("path", ["/things/7", "/things/%37", "/%74hings/7", "/things/7?"])
async def test_a_route_knows_one_spelling_of_its_path(toy: Running, path: str) -> None:
    reply = await toy.raw(f"DELETE {path} HTTP/1.1", "Host: x")
    assert reply.status == 204
    assert toy.toy.asked[0].path == "/things/7"


HOLDS = [
    ["If-Match: *"],
    ['If-Match: "1"'],
    ['If-Match: "0", "1"'],
    ['If-Match: "0"', 'If-Match:"1" ,\t"2"'],
    ['If-Match: "0",, "1" ,'],
    ['If-None-Match: "0"'],
    ['If-None-Match: W/"0", "2"'],
    ['If-Match: "1"', 'If-None-Match: "2"'],
    ["If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"],  # there is no Last-Modified to compare
]
FAILS = [
    ['If-Match: "0"'],
    ['If-Match: W/"1"'],  # a weak tag never matches strongly
    ['If-Match: "11", "1-1", ""'],
    ["If-None-Match: *"],
    ['If-None-Match: "1"'],
    ['If-None-Match: "0", W/"1"'],
    ['If-Match: "1"', 'If-None-Match: "1"'],
]
MALFORMED = ["1", '"1', '"1", *', '"1" "2"', '*, "1"', ",", "", '"a b"', f'"{"1" * 5_000}"']


async def change(toy: Running, lines: list[str]) -> Reply:
    head = ["PUT /things/7 HTTP/1.1", "Host: x", "Content-Type: application/json"]
    return await toy.raw(*head, "Content-Length: 12", *lines, body=b'{"name":"B"}')


@pytest.mark.parametrize("lines", HOLDS, ids=str)
async def test_a_change_is_made_where_its_precondition_holds(
    toy: Running, lines: list[str]
) -> None:
    assert (await change(toy, lines)).status == 200


@pytest.mark.parametrize("lines", FAILS, ids=str)
async def test_a_change_is_refused_where_its_precondition_fails(
    toy: Running, lines: list[str]
) -> None:
    reply = await change(toy, lines)
    assert (reply.status, reply.problem) == (412, "precondition-failed")


@pytest.mark.parametrize("text", MALFORMED)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_a_precondition_that_cannot_be_read_is_refused(
    toy: Running, name: str, text: str
) -> None:
    reply = await change(toy, [f"{name}: {text}"])
    assert (reply.status, reply.places) == (422, [f"header/{name}"])
    assert not toy.toy.asked
