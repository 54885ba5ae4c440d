"""Commands: one answer for one Idempotency-Key, and never one that says nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from chaos.kit.checkers.checker import Checker
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op
from chaos.kit.promises import KEPT, Anomaly, Cases, Promise
from chaos.kit.systems import query_api
from system.kit.http.headers import CONSISTENCY_TOKEN
from system.kit.values import dumps


def _keys(evidence: Evidence) -> Iterator[Anomaly]:
    by_key: dict[tuple[str, str], list[Op]] = defaultdict(list)
    for op in evidence.history:
        if op.key is not None and op.method == "POST":
            by_key[op.path, op.key].append(op)
    for (path, key), ops in sorted(by_key.items()):
        accepted = [op for op in ops if op.ok]
        if len({dumps(op.body) for op in accepted}) > 1:
            yield Anomaly("key taken over", f"POST {path}, key {key}")
        elif len({_answer(op) for op in accepted}) > 1:
            yield Anomaly("two answers", f"POST {path}, key {key}")


def _answer(op: Op) -> tuple[object, ...]:
    """What makes two answers the same; ids of the request and its trace are each request's own."""
    return op.status, op.answer, *map(op.headers.get, ("Location", CONSISTENCY_TOKEN))


def _no_errors(evidence: Evidence) -> Cases:
    readers_ask = query_api(evidence.system)
    for op in evidence.history:
        if op.status == 500:
            yield Anomaly("internal error", str(op))
        elif op.status == 503 and op.role != readers_ask and not evidence.disturbances:
            yield Anomaly("turned away", str(op))
        else:
            yield KEPT


def writes(evidence: Evidence) -> list[Op]:
    return [op for op in evidence.history if op.method != "GET"]


def _sent_twice(evidence: Evidence) -> list[tuple[str, str | None]]:
    sent = Counter((op.path, op.key) for op in writes(evidence) if op.key is not None)
    return [way for way, times in sent.items() if times > 1]


KEYS = Checker(
    Promise(
        "idempotency_key_honoured",
        "Requests with one key have one answer, and another body is refused.",
    ),
    _keys,
    _sent_twice,
)
NO_ERRORS = Checker(
    Promise(
        "no_internal_error",
        "Whatever the stores do, no request is answered with 500; without faults, none with 503.",
    ),
    _no_errors,
)
