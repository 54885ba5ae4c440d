"""Promises of the documents that no generator reaches, and the scenario that shows each.

`SHOWN` is the table: a problem, and what brings it about. A scenario here asks a running system, for
every operation that documents the problem. What only a broken server answers, or one in a moment that
cannot be brought about from outside, is shown by a test elsewhere, which the table names.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import requests

from contracts.http.things import TIMEOUT_S, Things
from contracts.kit.openapi import Answer, Promise
from system.web.problems import PROBLEMS

JSON = {"Content-Type": "application/json"}
BODY_MAX = 2**20
NEVER = "users/1.self@999999999999999999"
"""A version that nobody will have written."""


@dataclass(frozen=True)
class Call:
    """A good request to one operation of one role, for a scenario to spoil."""

    url: str
    method: str
    path: str
    example: Any = None  # JSON

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


def call_of(things: Things, role: str, label: str, operation: Mapping[str, Any], url: str) -> Call:
    """A good request to this operation: about things that exist, with the document's own example."""
    method, path = label.split(" ", 1)
    known = {"users": things.user, "products": things.product, "orders": things.order}
    id = things.spare.get(path) or known.get(path.split("/")[1], 0)
    path = path.replace("{id}", str(id))
    if path == "/admin/dead-letters/one":
        path += "?id=order.created:0:0:" + role
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = content.get("example")
    if label == "POST /users":
        example = {**example, "email": f"{things.random.getrandbits(64):x}@b.co"}
    return Call(url, method, path, example)


# --- what brings a problem about ------------------------------------------------------------------

Scenario = Callable[[Call], Answer]


def not_http(call: Call) -> Answer:
    return call.raw("Host: localhost", "no colon")


def not_json(call: Call) -> Answer:
    return call.ask(body=b"{")


def another_verb(call: Call) -> Answer:
    return call.ask(method="PATCH")


def an_unknown_parameter(call: Call) -> Answer:
    apart = "&" if "?" in call.path else "?"
    return Call(call.url, call.method, f"{call.path}{apart}unheard_of=1", call.example).ask()


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
            and promise.status == PROBLEMS[self.problem].status
            and (not self.paths or path in self.paths)
        )


SHOWN = (
    Shown("malformed-request", not_http),
    Shown("malformed-json", not_json),
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
    Shown("unavailable", system="without stores"),
    Shown("internal", system="broken"),
    Shown(
        "internal",
        elsewhere="scenarios/http/test_every_error_is_a_problem.py"
        "::test_a_failure_behind_a_route_is_a_problem_without_its_internals",
        paths=("/", "/healthz", "/readyz", "/metrics"),
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
"""Beside these, every problem is reached by generated requests about things that exist."""
