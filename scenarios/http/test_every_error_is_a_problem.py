"""Whatever goes wrong, the client reads problem details of RFC 9457, and no internals."""

from __future__ import annotations

import asyncio
import re

import pytest
from structlog.testing import capture_logs

from scenarios.http.toy import THING, Running, until
from system.kit import errors
from system.kit.errors import (
    Fault,
    Overloaded,
    Refused,
    ViewBehind,
    problems,
)
from system.orders.model import UnknownProduct
from system.users.model import EmailTaken

UNKNOWN_PATHS = ("/nothing", "/things/", "//things", "/things/1/nothing", "/things/abc", "/%ff")
HIGHEST = 2**63 - 1


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
async def test_an_unknown_path_is_not_found(toy: Running, path: str) -> None:
    reply = await toy.raw(f"GET {path} HTTP/1.1", "Host: x")
    assert (reply.status, reply.problem) == (404, "not-found")
    assert reply.json["instance"] == path


@pytest.mark.parametrize(
    "text", ["0", "-1", "+1", "007", "1.0", "1e3", "abc", "%D9%A3", "1%0A", "%20", str(HIGHEST + 1)]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_id_that_no_resource_can_have_is_not_found(
    toy: Running, method: str, text: str
) -> None:
    reply = await toy.raw(f"{method} /things/{text} HTTP/1.1", "Host: x")
    assert (reply.status, reply.problem) == (404, "not-found")
    assert not toy.toy.asked


@pytest.mark.parametrize("key", [1, 9, 10, HIGHEST])
async def test_every_id_from_1_to_63_bits_reaches_its_route(toy: Running, key: int) -> None:
    reply = await toy.ask("GET", f"/things/{key}")
    assert reply.json == {"id": key, "name": "A"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/things", "GET, HEAD, POST"),
        ("DELETE", "/things", "GET, HEAD, POST"),
        ("POST", "/things/1", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", "/things/1", "DELETE, GET, HEAD, PUT"),
        ("PROPFIND", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_verb_is_told_the_right_ones(
    toy: Running, method: str, path: str, allowed: str
) -> None:
    reply = await toy.ask(method, path)
    assert (reply.status, reply.problem) == (405, "method-not-allowed")
    assert reply.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("failure", "status", "name", "retry_after"),
    [
        (errors.Unavailable("db:3306 away"), 503, "unavailable", "1"),
        (errors.TimedOut("select … from users"), 503, "unavailable", "1"),
        (errors.Frozen(), 503, "unavailable", "1"),
        (errors.Conflict("deadlock"), 503, "unavailable", "1"),
        (errors.UniqueViolation("users.email"), 503, "unavailable", "1"),
        (errors.Stopping(), 503, "unavailable", "1"),
        (errors.OutcomeUnknown("COMMIT"), 503, "unavailable", "1"),
        (errors.ReferenceViolation("fk_orders"), 409, "still-referred", None),
        (errors.Poison("secret"), 500, "internal", None),
        (RuntimeError("secret"), 500, "internal", None),
        (TimeoutError("a bound of someone else's"), 500, "internal", None),
        (Overloaded(), 503, "overloaded", "1"),
        (ViewBehind(), 503, "view-behind", "1"),
        (EmailTaken(), 409, "email-taken", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_a_failure_behind_a_route_is_a_problem_without_its_internals(
    toy: Running, failure: Exception, status: int, name: str, retry_after: str | None
) -> None:
    toy.toy.failure = failure
    reply = await toy.ask("GET", "/things/1")
    assert (reply.status, reply.problem) == (status, name)
    assert reply.headers.get("Retry-After") == retry_after
    assert not isinstance(failure, Refused) or reply.json["detail"] == failure.detail
    for internal in ("secret", "3306", "select", "fk_", "COMMIT", "Traceback"):
        assert internal not in reply.body.decode().replace(problems()[name].meaning, "")


async def test_only_what_changes_something_can_have_an_unknown_outcome(toy: Running) -> None:
    toy.toy.failure = errors.OutcomeUnknown("COMMIT")
    for method, path, body in (("POST", "/things", THING), ("PUT", "/things/1", {"name": "B"})):
        reply = await toy.ask(method, path, json=body)
        assert (reply.status, reply.problem) == (503, "outcome-unknown")
        assert "Retry-After" not in reply.headers


async def test_a_refusal_carries_its_own_words_places_and_headers(toy: Running) -> None:
    faults = [Fault("body/items/0", "is gone"), Fault("body/user_id", "half \ud800 a pair")]
    toy.toy.failure = UnknownProduct("Product 7 is gone.", faults, {"X-More": "1"})
    reply = await toy.ask("GET", "/things/1")
    assert (reply.status, reply.problem) == (422, "unknown-product")
    assert reply.json["detail"] == "Product 7 is gone."
    assert reply.json["errors"] == [
        {"place": "body/items/0", "reason": "is gone"},
        {"place": "body/user_id", "reason": "half ? a pair"},
    ]
    assert reply.headers["X-More"] == "1"


@pytest.mark.parametrize(
    "lines",
    [
        ["nonsense"],
        [b"\x16\x03\x01\x00\xa5\x01\x00\x00"],
        ["GET /things HTTP/1.1"],
        [b"GET /\xff\xfe HTTP/1.1", "Host: x"],
        ["GET http://[::1 HTTP/1.1", "Host: x"],
        ["GET http://xn--/things HTTP/1.1", "Host: x"],
        ["GET /things HTTP/1.1", "Host: x", "no colon"],
        ["GET /things HTTP/1.1", "Host: x", "Host: x"],
        ["GET /things HTTP/1.1", "Host: localhost:abc"],
        ["GET /things HTTP/1.1", "Host: a:99999"],
        ["GET /things HTTP/1.1", "Host: a b"],
        ["GET /things HTTP/1.1", b"Host: \xff"],
        ["GET /things HTTP/1.1", "Host: user@x"],
        ["GET /things HTTP/1.1", "Host: a%zz"],
        ["GET /things HTTP/1.1", "Host: [:::::]"],
        ["GET /things HTTP/1.1", "Host: [127.0.0.1]"],
        ["POST /things HTTP/1.1", "Host: x", "Content-Length: -1"],
        ["POST /things HTTP/1.1", "Host: x", "Content-Length: 1", "Content-Length: 2"],
        ["POST /things HTTP/1.1", "Host: x", "Content-Length: 1", "Transfer-Encoding: chunked"],
    ],
    ids=lambda lines: str(lines)[:40],
)
async def test_what_is_not_even_http_gets_a_problem_too(
    toy: Running, lines: list[str | bytes]
) -> None:
    reply = await toy.raw(*lines)
    assert (reply.status, reply.problem) == (400, "malformed-request")
    assert not toy.toy.asked


@pytest.mark.parametrize(
    ("lines", "status", "problem"),
    [
        (["FETCH /things HTTP/1.1", "Host: x"], 501, "method-not-implemented"),
        (["", "", "FETCH /things HTTP/1.1", "Host: x"], 501, "method-not-implemented"),
        (["get /things HTTP/1.1", "Host: x"], 501, "method-not-implemented"),
        (["GET /things HTTP/9.1", "Host: x"], 505, "version-not-supported"),
        (["GET /things HTTP/2.0", "Host: x"], 505, "version-not-supported"),
        ([f"GET /things?{'a' * 9_000} HTTP/1.1", "Host: x"], 414, "uri-too-long"),
        ([f"GET /{'a' * 90_000} HTTP/1.1", "Host: x"], 414, "uri-too-long"),
        (["GET /things HTTP/1.1", "Host: x", f"X: {'a' * 9_000}"], 431, "head-too-large"),
        (["GET /things HTTP/1.1", "Host: x", f"{'X' * 90_000}: a"], 431, "head-too-large"),
        (["GET /things HTTP/1.1", "Host: x", *["X: a"] * 200], 431, "head-too-large"),
        (
            ["POST /things HTTP/1.1", "Host: x", "Transfer-Encoding: gzip, chunked"],
            *(501, "coding-not-implemented"),
        ),
        (["GET /things HTTP/1.1", "Host: x", "Expect: foo"], 417, "expectation-failed"),
        (["GET /nothing HTTP/1.1", "Host: x", "Expect: foo"], 417, "expectation-failed"),
        (
            ["GET /things HTTP/1.1", "Host: x", "Expect: 100-continue", "Expect: foo"],
            *(417, "expectation-failed"),
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_http_has_a_status_for_gets_it(
    toy: Running, lines: list[str | bytes], status: int, problem: str
) -> None:
    reply = await toy.raw(*lines)
    assert (reply.status, reply.problem) == (status, problem)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert not toy.toy.asked


@pytest.mark.parametrize("body", ["", '{"name": "a b"}'])
@pytest.mark.parametrize(
    ("lines", "status", "problem"),
    [
        ([f"GET /{'a' * 9_000} HTTP/1.1", "Host: x"], 414, "uri-too-long"),
        (["GET /things HTTP/1.1", "Host: x", f"X: /{'a' * 9_000}"], 431, "head-too-large"),
        (["FETCH /things HTTP/1.1", "Host: x"], 501, "method-not-implemented"),
        (["GET /things HTTP/2.0", "Host: x"], 505, "version-not-supported"),
        (["GET /things HTTP/1.1", "Host: x", "X Y: z"], 400, "malformed-request"),
        (["nonsense"], 400, "malformed-request"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_comes_behind_a_good_request_is_refused_for_its_own_reason(
    toy: Running, lines: list[str], status: int, problem: str, body: str
) -> None:
    """In the same packet, or while the good one is in hand."""
    good = f"GET /things/1 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    bad = "\r\n".join([*lines, "", ""])
    assert await _last_of(toy, good + bad) == (status, problem)

    toy.toy.hold = asyncio.Event()
    assert await _last_of(toy, good, bad) == (status, problem)


@pytest.mark.parametrize(
    ("line", "header", "status", "problem"),
    [
        ("POST /things HTTP/1.1", "X-Long: " + "a" * 9_000, 431, "head-too-large"),
        ("POST /" + "a" * 9_000 + " HTTP/1.1", "X: y", 414, "uri-too-long"),
        ("P(ST /things HTTP/1.1", "X: y", 400, "malformed-request"),
    ],
    ids=["a long header", "a long path", "no method"],
)
async def test_a_bad_head_is_refused_for_its_own_reason_also_where_its_body_is_in_the_same_packet(
    toy: Running, line: str, header: str, status: int, problem: str
) -> None:
    body = '{"name": "a\\r\\n"}'
    sent = f"{line}\r\nHost: x\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    assert await _last_of(toy, sent) == (status, problem)


async def _last_of(toy: Running, first: str, *later: str) -> tuple[int, str]:
    """The last answer on a connection, and its problem. What is later comes while one is in hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.service.port)
    writer.write(first.encode())
    for part in later:
        await until(lambda: bool(toy.toy.asked))
        writer.write(part.encode())
        probe = await toy.ask(
            "GET", "/healthz"
        )  # by its answer, what was sent before has come, too
        assert probe.status == 200
    if toy.toy.hold:
        toy.toy.hold.set()
    async with asyncio.timeout(60):
        answers = (await reader.read()).decode()
    writer.close()
    statuses = re.findall(r"HTTP/1\.1 ([0-9]{3}) ", answers)
    assert len(statuses) > len(later)
    (problem,) = re.findall('"/problems/([a-z-]+)"', answers)
    return int(statuses[-1]), problem


@pytest.mark.parametrize(
    "lines",
    [
        ["nonsense"],
        ["FETCH /things HTTP/1.1", "Host: x"],
        ["GET /things HTTP/1.1", "Host: x", f"X: {'a' * 9_000}"],
        ["GET http://xn--/things HTTP/1.1", "Host: x"],
    ],
    ids=lambda lines: lines[0],
)
async def test_what_cannot_be_parsed_says_that_it_closes(
    toy: Running, lines: list[str | bytes]
) -> None:
    reply = await toy.raw(*lines)
    assert reply.headers["Connection"] == "close"
    assert reply.headers["Vary"] == "Authorization, Consistency-Token"


async def test_what_does_not_reach_a_route_is_logged_and_counted(toy: Running) -> None:
    with capture_logs() as lines:
        reply = await toy.raw("FETCH /things HTTP/1.1", "Host: x")
    (line,) = [line for line in lines if line["event"] == "request not understood"]
    assert line["correlation_id"] == reply.headers["X-Correlation-Id"]
    assert (line["status"], line["problem"]) == (501, "method-not-implemented")
    metrics = (await toy.ask("GET", "/metrics")).body.decode()
    assert 'http_requests_total{method="other",route="unknown",status="501"} 1.0' in metrics


@pytest.mark.parametrize(
    "lines",
    [
        ["POST /things HTTP/1.1", "Host: x", "Content-Type: text/plain", "Content-Length: 9"],
        ["POST /nothing HTTP/1.1", "Host: x", "Content-Length: 9"],
        ["POST /things HTTP/1.1", "Host: x", "Content-Length: 2000000"],
    ],
    ids=lambda lines: lines[0],
)
async def test_a_refusal_before_the_body_closes_the_connection(
    toy: Running, lines: list[str | bytes]
) -> None:
    reply = await toy.raw(*lines)
    assert reply.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("first", "status"),
    [("POST /nothing", 404), ("PATCH /things", 405), ("PUT /things/0", 404), ("TRACE /", 405)],
)
async def test_a_body_that_no_route_takes_is_not_asked_for(
    toy: Running, first: str, status: int
) -> None:
    reply = await toy.raw(
        f"{first} HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 2"
    )
    assert reply.status == status
    assert reply.headers["Connection"] == "close"


async def test_a_body_is_asked_for_once_nothing_else_is_wrong(toy: Running) -> None:
    head = ["POST /things HTTP/1.1", "Host: x", "Content-Type: application/json"]
    asks = [*head, "Expect: 100-continue", "Content-Length: 2"]
    assert (await toy.raw(*asks)).status == 100
    of_old = ["POST /things HTTP/1.0", *head[1:], "Expect: 100-continue", "Content-Length: 2"]
    assert (await toy.raw(*of_old, body=b"{}")).status == 422  # HTTP/1.0 knows no 100
    asks = [*head, "Expect: 100-continue", "Content-Length: 2000000"]
    reply = await toy.raw(*asks)
    assert (reply.status, reply.problem) == (413, "body-too-large")


async def test_answers_say_how_long_they_may_be_kept(toy: Running) -> None:
    shown, refused = await toy.ask("GET", "/things/1"), await toy.ask("GET", "/nothing")
    assert shown.headers["Cache-Control"] == "no-cache"
    assert refused.headers["Cache-Control"] == "no-store"
    for reply in (shown, refused):
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Vary"] == "Authorization, Consistency-Token"


async def test_each_problem_type_is_a_page_that_describes_it(toy: Running) -> None:
    overview = (await toy.ask("GET", "/problems")).body.decode()
    for name, problem in problems().items():
        page = await toy.ask("GET", f"/problems/{name}")
        assert page.status == 200
        assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert problem.meaning in page.body.decode()
        assert f"/problems/{name} " in overview
    assert (await toy.ask("GET", "/problems/unheard-of")).problem == "not-found"


async def test_head_works_where_get_does(toy: Running) -> None:
    for path in ("/things/1", "/things", "/", "/healthz", "/docs"):
        got, head = await toy.ask("GET", path), await toy.ask("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["Content-Length"] == str(len(got.body))
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


async def test_a_body_on_a_delete_is_passed_over(toy: Running) -> None:
    for body in (b"", b"{nonsense", b"x" * 2_000_000):
        reply = await toy.ask("DELETE", "/things/1", data=body)
        assert (reply.status, reply.body) == (204, b"")
        assert "Content-Type" not in reply.headers


async def test_an_answer_is_sent_as_it_is(toy: Running) -> None:
    reply = await toy.ask("POST", "/things", json=THING)
    assert (reply.status, reply.body) == (201, b'{"id":7,"name":"A"}')
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Location"] == "/things/7"
    assert reply.headers["Consistency-Token"] == "things/7.self@1"
