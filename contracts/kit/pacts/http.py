"""Pacts of HTTP: a client's requests, and the answers that it is to have.

A request may name what only the provider's state knows: `/users/${user_id}`. The pact has an example
of each such name; when a provider is verified, its state gives the true value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

from pact import Pact, generate
from pact.match.matcher import GenericMatcher
from pydantic import BaseModel

from contracts.kit.pacts.matching import Body, expected

Examples = Mapping[str, str | int]
"""Per name that a state gives a value for: an example of it."""

JSON = "application/json"
CONTENT_TYPE = "Content-Type"

_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: Any = None  # JSON, in which texts may name what the state knows
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: BaseModel | Mapping[str, Body] | None = None
    """A resource, of which every field is expected, or JSON with matchers."""
    headers: Mapping[str, Body] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer, after the provider came to a state."""

    description: str
    state: str
    request: Request
    response: Response


def pact_of(consumer: str, provider: str, exchanges: Iterable[Exchange], known: Examples) -> Pact:
    pact = Pact(consumer, provider).with_specification("V4")
    for exchange in exchanges:
        request, response = exchange.request, exchange.response
        interaction = (
            pact.upon_receiving(exchange.description)
            .given(exchange.state)
            .with_request(request.method, _text(request.path, known))
            .with_query_parameters({k: _text(v, known) for k, v in request.query.items()})
        )
        for name, value in request.headers.items():
            interaction.with_header(name, _text(value, known))
        if request.body is not None:
            interaction.with_body(_filled(request.body, known), JSON)
        interaction.will_respond_with(response.status)
        for name, value in response.headers.items():
            interaction.with_header(name, value)
        match response.body:
            case None:
                pass
            case BaseModel():
                interaction.with_body(expected(response.body), JSON)
            case _:
                interaction.with_body(dict(response.body), response.headers.get(CONTENT_TYPE, JSON))
    return pact


def example(template: str, known: Examples) -> str:
    """The text with the examples in place of the names."""
    return Template(template).substitute(known)


def _filled(body: Any, known: Examples) -> Body:  # JSON
    match body:
        case str() if whole := _NAME.fullmatch(body):
            of_state = generate.provider_state(body)
            value = known[whole[1]]
            if isinstance(value, int):
                return GenericMatcher("integer", value, of_state)
            return GenericMatcher("type", value, of_state)
        case dict():
            return {name: _filled(value, known) for name, value in body.items()}
        case list():
            return [_filled(value, known) for value in body]
        case _:
            return body


def _text(template: str, known: Examples) -> str | GenericMatcher[str]:
    if not _NAME.search(template):
        return template
    pattern = "".join(
        part if number % 2 else re.escape(part)
        for number, part in enumerate(re.split(r"(\$\{\w+\})", template))
    )
    pattern = _NAME.sub(".+", pattern)
    of_state = generate.provider_state(template)
    return GenericMatcher("regex", example(template, known), of_state, regex=f"^{pattern}$")
