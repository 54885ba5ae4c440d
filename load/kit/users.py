"""Users whose requests are judged: what is a failure, what is an answer, what is evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ClassVar

import orjson
from locust import FastHttpUser

from load.kit.run import Run

Json = Any  # JSON as it came
TIMEOUT_S = 15.0
COME_AGAIN = " (503, come again)"
RETRY_AFTER_MAX_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Status 0: nothing did."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""
    never_sent: bool = False
    """No byte has left: nobody listened."""
    answered_s: float = 0.0

    @property
    def problem(self) -> str | None:
        """The name of the problem, where it is one (RFC 9457)."""
        if self.status < 400 or not isinstance(self.body, dict):
            return None
        return str(self.body.get("type", "")).rpartition("/")[2]

    @property
    def retry_after_s(self) -> float | None:
        """When to come again, if that is the answer."""
        said = self.headers.get("retry-after", "")
        if self.status != 503 or not said.isdecimal():
            return None
        return min(float(said), RETRY_AFTER_MAX_S)


class JudgedUser(FastHttpUser):
    """A synchronous user over kept connections, whose run has a judge."""

    abstract = True
    network_timeout = connection_timeout = TIMEOUT_S
    run_of: ClassVar[Run]
    """Set by the Locust file."""

    def send(
        self,
        method: str,
        url: str,
        *,
        name: str,
        expect: Collection[int],
        wrong: Callable[[Json], str | None] = lambda _: None,
        needs: str = "",
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        due_s: float | None = None,
    ) -> Answer:
        """Send one request.

        It fails if its status is not `expect`ed, if its body is `wrong`, or if a success lacks the
        header that it `needs`.
        503 with Retry-After is no failure but an answer: it is counted in a row of its own.
        `due_s` is when the request should have been sent; its latency counts from there.
        """
        with self.client.request(
            method,
            url,
            name=name,
            data=None if body is None else orjson.dumps(body).decode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            catch_response=True,
        ) as response:
            if due_s is not None:
                response.request_meta["response_time"] = (perf_counter() - due_s) * 1000
            answer = _answer(response)
            if answer.retry_after_s is not None:
                response.request_meta["name"] += COME_AGAIN
                response.success()
            elif answer.status and answer.status not in expect:
                response.failure(f"{answer.status} {answer.problem or ''}".rstrip())
            elif answer.status:
                if reason := _what_is_wrong(answer, wrong, needs):
                    response.failure(reason)
                else:
                    response.success()
        return answer


def _what_is_wrong(answer: Answer, wrong: Callable[[Json], str | None], needs: str) -> str | None:
    """What is wrong with an answer of the right status."""
    if answer.status >= 400:
        return None
    if needs and needs.lower() not in answer.headers:
        return f"no {needs}"
    try:
        reason = wrong(answer.body)
    except (LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
    return f"wrong body: {reason}" if reason else None


def _answer(response: Any) -> Answer:  # Locust's response
    status = int(response.status_code)
    if not status:
        error = getattr(response, "error", None)
        return Answer(0, never_sent=isinstance(error, ConnectionRefusedError))
    try:
        body = orjson.loads(response.content) if response.content else None
    except ValueError:
        body = None
    headers = {name.lower(): value for name, value in (response.headers or {}).items()}
    return Answer(status, body, headers, answered_s=perf_counter())
