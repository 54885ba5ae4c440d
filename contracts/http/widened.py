"""Every answer that is right although a check of schemathesis expects another, and why.

No check is left out. This is the whole list; `docs/openapi.md` shows it.
"""

from __future__ import annotations

import json

from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData

from contracts.kit.openapi import PROBLEM, Case, Widened


def _is(problem: str, response: Response) -> bool:
    kinds = response.headers.get("content-type", [])
    return (
        kinds == [PROBLEM]
        and bool(response.content)
        and json.loads(response.content)["type"] == f"/problems/{problem}"
    )


def _unknown(_: Case, response: Response) -> bool:
    return _is("unknown-user", response) or _is("unknown-product", response)


def _decimals(_: Case, response: Response) -> bool:
    if not _is("invalid", response):
        return False
    reasons = {error["reason"] for error in json.loads(response.content)["errors"]}
    return reasons == {"must not have more than two decimals"}


def _as_fraction(case: Case, response: Response) -> bool:
    """Of all that is wrong, each is a whole number of the query that came as `1.0`."""
    if not _is("invalid", response):
        return False
    places = [str(error["place"]) for error in json.loads(response.content)["errors"]]
    values = [case.query.get(place.removeprefix("query/")) for place in places]
    return bool(values) and all(isinstance(value, float) and value.is_integer() for value in values)


def _key_reused(case: Case, response: Response) -> bool:
    return "Idempotency-Key" in case.headers and _is("key-reused", response)


def _view_behind(case: Case, response: Response) -> bool:
    return "Consistency-Token" in case.headers and _is("view-behind", response)


def _another_state(case: Case, response: Response) -> bool:
    asked = {"If-Match", "If-None-Match"} & set(case.headers)
    return bool(asked) and _is("precondition-failed", response)


def _too_large(_: Case, response: Response) -> bool:
    return _is("body-too-large", response)


WIDENED = (
    Widened(
        AcceptedNegativeData,
        _too_large,
        "413 to an invalid body of more than 1 MiB",
        "It is refused before it is read: that it is invalid, too, is no matter.",
    ),
    Widened(
        RejectedPositiveData,
        _unknown,
        "422 unknown-user or unknown-product to a valid order",
        "Which users and products there are is no matter of form, so no schema can say it.",
    ),
    Widened(
        RejectedPositiveData,
        _another_state,
        "412 to a request with If-Match or If-None-Match",
        "Which state a resource is in is no matter of form.",
    ),
    Widened(
        RejectedPositiveData,
        _decimals,
        "422 to an amount with more than two decimals",
        "The schema says it in words: `multipleOf: 0.01` would refuse good prices, such as 19.99, in "
        "every validator that computes in binary fractions.",
    ),
    Widened(
        RejectedPositiveData,
        _as_fraction,
        "422 to a whole number that a query has as `1.0`",
        "To JSON it is the number 1, and a body may have it so. A query is text, in which a number is "
        "its digits alone; how a number is written as text, no schema can say.",
    ),
    Widened(
        RejectedPositiveData,
        _key_reused,
        "422 key-reused to a valid request",
        "Generators repeat short keys with other bodies. Which were used before, no schema can say.",
    ),
    Widened(
        ServerError,
        _view_behind,
        "503 view-behind to a reader with a token",
        "A token in the right form may name a version that nobody has written: the reader waits for "
        "it in vain, and is told to come again. It is no fault of the server.",
    ),
)
