"""The client's truth: every operation with its outcome, recorded first and judged later.

An outcome is `ok` (done, the answer came), `fail` (certainly not done) or `info` (nobody knows: the
connection broke, or the server could not tell). A write that timed out is info, never fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from system.kit.values import loads


class Outcome(StrEnum):
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of one client."""

    client: str
    method: str
    path: str
    outcome: Outcome
    body: Any = None
    """What was sent, as JSON values."""
    status: int | None = None
    """None: no answer came."""
    answer: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    """The Idempotency-Key."""
    token: str | None = None
    """The Consistency-Token that was sent."""
    if_match: str | None = None
    """The ETag that was demanded."""
    began_s: float = 0.0
    ended_s: float = 0.0
    role: str = ""
    """Who was asked."""
    reason: str = ""
    """Why no answer came."""

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def json(self) -> Any:  # JSON values, which only the caller knows
        return loads(self.answer) if self.answer else None

    def __str__(self) -> str:
        return f"{self.client}: {self.method} {self.path} → {self.status} ({self.outcome.value})"


class History:
    """What all clients of a run did, in the order of the answers."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def add(self, op: Op) -> Op:
        self.ops.append(op)
        return op


def outcome_of(status: int | None, method: str, problem: str | None) -> Outcome:
    """What an answer says about the operation."""
    if status is None:
        return Outcome.FAIL if method == "GET" else Outcome.INFO
    if status < 400:
        return Outcome.OK
    if status < 500 or problem in ("unavailable", "overloaded", "not-ready", "view-behind"):
        return Outcome.FAIL
    return Outcome.INFO if method != "GET" else Outcome.FAIL
