"""What every problem of the documents is shown by, whether a generator comes upon it or not.

`SHOWN` is the table: a problem, and what brings it about. A scenario here asks a running system, for
every operation that documents the problem. What only a broken server answers, or one in a moment that
cannot be brought about from outside, is shown by a test elsewhere, which the table names.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import requests

from contracts.http.things import TIMEOUT_S, Things
from contracts.kit.openapi import Answer, Promise
from system.kit.errors import problems

JSON = {"Content-Type": "application/json"}
BODY_MAX = 2**20
NO_LETTER = "order.created:0:0:nobody"
NO_ID = 2**62
NEVER = "users/1.self@999999999999999999"
"""A version that nobody will have written."""


@dataclass(frozen=True)
class Call:
    """A good request to one operation of one role, for a scenario to spoil."""

    url: str
    method: str
    path: str
    example: Any = None  # JSON
    used_path: str = ""
    """The same of something to which all was done that can be done."""
    taken_email: str = ""

    def at(self, path: str) -> Call:
        return replace(self, path=path)

    def with_body(self, **changes: object) -> Call:
        return replace(self, example={**(self.example or {}), **changes})

    @property
    def body(self) -> bytes | None:
        return None if self.example is None else json.dumps(self.example).encode()

    def ask(
        self,
        *,
        method: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send it, with this instead of what is good."""
        answer = requests.request(
            method or self.method,
            self.url + self.path,
            data=self.body if body is None else body,
            headers={**({} if self.body is None else JSON), **(headers or {})},
            timeout=TIMEOUT_S,
        )
        return Answer(answer.status_code, answer.headers, answer.content)

    def raw(self, *lines: str, body: bytes = b"") -> Answer:
        """Send these lines after the first one, which no decent client would."""
        place = urlsplit(self.url)
        head = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines, "", ""]).encode()
        with socket.create_connection((place.hostname, place.port), TIMEOUT_S) as connection:
            connection.sendall(head + body)
            answer = HTTPResponse(connection, method=self.method)
            answer.begin()
            return Answer(answer.status, dict(answer.headers), answer.read())


def call_of(things: Things, label: str, operation: Mapping[str, Any], url: str) -> Call:
    """A good request to this operation: about things that exist, with the document's own example."""
    method, path = label.split(" ", 1)
    known = {"users": things.user, "products": things.product, "orders": things.order}
    id = known.get(path.split("/")[1], 0)
    if path == "/admin/dead-letters/one":
        path += f"?id={NO_LETTER}"
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    call = Call(
        url,
        method,
        path.replace("{id}", str(things.spare.get(label, id))),
        content.get("example"),
        path.replace("{id}", str(id)),
        things.email,
    )
    match label:
        case "POST /users":
            return call.with_body(email=f"{things.random.getrandbits(64):x}@b.co")
        case "POST /orders":
            item = {"product_id": things.product, "quantity": 1}
            return call.with_body(user_id=things.user, items=[item])
        case _:
            return call


# --- what brings a problem about ------------------------------------------------------------------

Scenario = Callable[[Call], Answer]


def not_http(call: Call) -> Answer:
    return call.raw("Host: localhost", "no colon")


def an_unknown_expectation(call: Call) -> Answer:
    return call.ask(headers={"Expect": "everything"})


def a_long_uri(call: Call) -> Answer:
    return call.at(f"{call.path}?{'a' * 9_000}").ask()


def a_long_header(call: Call) -> Answer:
    return call.ask(headers={"X-Long": "a" * 9_000})


def not_json(call: Call) -> Answer:
    return call.ask(body=b"{")


def another_verb(call: Call) -> Answer:
    return call.ask(method="PATCH")


def an_unknown_parameter(call: Call) -> Answer:
    apart = "&" if "?" in call.path else "?"
    return call.at(f"{call.path}{apart}unheard_of=1").ask()


def more_than_a_mebibyte(call: Call) -> Answer:
    return call.ask(body=b" " * (BODY_MAX + 1))


def another_media_type(call: Call) -> Answer:
    return call.ask(headers={"Content-Type": "text/plain"})


def a_body_that_never_ends(call: Call) -> Answer:
    lines = ["Host: localhost", "Content-Type: application/json", "Content-Length: 9"]
    return call.raw(*lines, body=b"{")


def a_page_of_the_internet(call: Call) -> Answer:
    return call.ask(headers={"Host": "attacker.example"})


def as_it_is(call: Call) -> Answer:
    return call.ask()


def until_it_fails(call: Call) -> Answer:
    """What its stores have answered counts for a second: ask until that is over."""
    ends = time.monotonic() + TIMEOUT_S
    while (answer := call.ask()).status < 400 and time.monotonic() < ends:
        time.sleep(0.02)
    return answer


def another_state(call: Call) -> Answer:
    return call.ask(headers={"If-Match": '"0"'})


def nothing_there(call: Call) -> Answer:
    if call.path.startswith("/admin/"):
        letters = replace(call, example={"ids": [NO_LETTER]}) if call.example else call
        return letters.ask()
    return call.at(re.sub("/[0-9]+", f"/{NO_ID}", call.path)).ask()


def an_email_of_another(call: Call) -> Answer:
    return call.with_body(email=call.taken_email).ask()


def an_order_of_nobody(call: Call) -> Answer:
    return call.with_body(user_id=NO_ID).ask()


def an_order_of_nothing(call: Call) -> Answer:
    return call.with_body(items=[{"product_id": NO_ID, "quantity": 1}]).ask()


def again(call: Call) -> Answer:
    """What can be done once; or, where it may be done again, what no client can."""
    used = call.at(call.used_path)
    if call.method == "PUT":
        return used.with_body(status="PAID").ask()
    used.ask()
    return used.ask()


def a_version_that_nobody_wrote(call: Call) -> Answer:
    return call.ask(headers={"Consistency-Token": NEVER})


def no_token(call: Call) -> Answer:
    return call.ask(headers={"Consistency-Token": "nonsense"})


def another_body_with_the_same_key(call: Call) -> Answer:
    """JSON may end in a blank: it is another body, and as good as the first."""
    headers = {"Idempotency-Key": "the same"}
    call.ask(headers=headers)
    return call.ask(headers=headers, body=(call.body or b"") + b" ")


@dataclass(frozen=True)
class Shown:
    """How a problem is shown: by a scenario, in a system of that kind; or by a test elsewhere."""

    problem: str
    scenario: Scenario = as_it_is
    system: str = "whole"
    elsewhere: str | None = None
    paths: tuple[str, ...] = ()
    """For these alone; none: for all."""

    def is_for(self, promise: Promise) -> bool:
        """HEAD has no body to say which problem it is."""
        path = promise.operation.split(" ")[1]
        names = (
            {promise.problem, ""} if promise.operation.startswith("HEAD ") else {promise.problem}
        )
        return (
            (f"/problems/{self.problem}" in names or "" in names)
            and promise.status == problems()[self.problem].status
            and (not self.paths or path in self.paths)
        )


SHOWN = (
    Shown("not-found", nothing_there),
    Shown("email-taken", an_email_of_another),
    Shown("still-referred"),
    Shown("precondition-failed", another_state),
    Shown("transition-forbidden", again),
    Shown("unknown-user", an_order_of_nobody),
    Shown("unknown-product", an_order_of_nothing),
    Shown("malformed-request", not_http),
    Shown("malformed-json", not_json),
    Shown("uri-too-long", a_long_uri),
    Shown("head-too-large", a_long_header),
    Shown("expectation-failed", an_unknown_expectation),
    Shown("malformed-token", no_token),
    Shown("unauthorized", system="guarded"),
    Shown("forbidden", a_page_of_the_internet),
    Shown("method-not-allowed", another_verb),
    Shown("request-timeout", a_body_that_never_ends, system="impatient"),
    Shown("body-too-large", more_than_a_mebibyte),
    Shown("unsupported-media-type", another_media_type),
    Shown("invalid", an_unknown_parameter),
    Shown("key-reused", another_body_with_the_same_key),
    Shown("view-behind", a_version_that_nobody_wrote),
    Shown("not-ready", system="unready"),
    Shown("not-ready", until_it_fails, system="without stores", paths=("/readyz",)),
    Shown("unavailable", system="without stores"),
    Shown("internal", system="broken"),
    Shown(
        "internal",
        elsewhere="scenarios/http/test_every_error_is_a_problem.py"
        "::test_a_failure_behind_a_route_is_a_problem_without_its_internals",
        paths=("/", "/healthz", "/readyz", "/metrics"),
    ),
    Shown(
        "method-not-implemented",
        elsewhere="scenarios/http/test_every_error_is_a_problem.py"
        "::test_what_http_has_a_status_for_gets_it",
    ),
    Shown(
        "coding-not-implemented",
        elsewhere="scenarios/http/test_every_error_is_a_problem.py"
        "::test_what_http_has_a_status_for_gets_it",
    ),
    Shown(
        "version-not-supported",
        elsewhere="scenarios/http/test_every_error_is_a_problem.py"
        "::test_what_http_has_a_status_for_gets_it",
    ),
    Shown(
        "too-many-connections",
        elsewhere="scenarios/http/test_connections_are_bounded.py"
        "::test_where_all_are_busy_only_health_and_operations_are_answered",
    ),
    Shown(
        "outcome-unknown",
        elsewhere="scenarios/delivery/test_commands_share_a_transaction.py"
        "::test_when_it_cannot_be_learned_in_time_the_outcome_is_unknown",
    ),
    Shown(
        "request-in-progress",
        elsewhere="scenarios/delivery/test_commands_share_a_transaction.py"
        "::test_a_request_waits_three_seconds_for_the_first_with_its_key",
    ),
    Shown(
        "overloaded",
        elsewhere="scenarios/delivery/test_commands_share_a_transaction.py"
        "::test_a_queue_that_is_full_says_so_at_once",
    ),
    Shown(
        "rebuild-in-progress",
        elsewhere="scenarios/journeys/test_when_views_are_rebuilt_while_traffic_runs.py"
        "::test_a_second_rebuild_at_the_same_time_is_refused",
    ),
)
