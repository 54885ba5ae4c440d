"""Consistency tokens: what a write made, for a reader to wait for.

`accounts/7.self@4,accounts/7.balance@9` asks for document 7 of the view `accounts` with its part
`self` at version 4 or later, and its part `balance` at 9 or later. Tokens of several writes may be
joined by commas.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from system.kit.errors import MalformedToken
from system.kit.http.headers import CONSISTENCY_TOKEN, ETAG
from system.kit.http.preconditions import etag

TOKEN_MAX = 4_000
"""Characters: enough for about a hundred terms, and judged before any of them is."""

_NUMBER = "[1-9][0-9]{0,17}"
"""More than any counter here reaches, fewer than 63 bits hold, and a pattern can say it."""
_TERM = re.compile(rf"([a-z]+)/({_NUMBER})\.([a-z]+)@({_NUMBER})")


@dataclass(frozen=True, slots=True)
class Term:
    """One part of one document, at this version or later."""

    view: str
    key: int
    part: str
    version: int


def stamps(view: str, key: int, **versions: int) -> dict[str, str]:
    """The headers of a resource as it is: its token, and its ETag."""
    return {**token(view, key, **versions), ETAG: etag(versions.values())}


def token(view: str, key: int, **versions: int) -> dict[str, str]:
    """The header of a write: the versions that it left in each part of its document."""
    terms = [f"{view}/{key}.{part}@{version}" for part, version in versions.items()]
    return {CONSISTENCY_TOKEN: ",".join(terms)}


def pattern(known: Mapping[str, Collection[str]]) -> str:
    """A pattern for a schema: whatever matches, up to TOKEN_MAX, is a token; nothing else is."""
    ways = (rf"{view}/{_NUMBER}\.({'|'.join(parts)})@{_NUMBER}" for view, parts in known.items())
    term = f"({'|'.join(ways)})"
    return rf"^{term}([ \t]*,[ \t]*{term})*$"


def terms(text: str, known: Mapping[str, Collection[str]]) -> Sequence[Term]:
    """Read a token; `known` has the parts of each view. Raises MalformedToken."""
    if len(text) > TOKEN_MAX:
        raise MalformedToken(f"A token has at most {TOKEN_MAX} characters.")
    return [_term(term.strip(" \t"), known) for term in text.split(",")]


def _term(text: str, known: Mapping[str, Collection[str]]) -> Term:
    match = _TERM.fullmatch(text)
    if match is None:
        raise MalformedToken
    view, key, part, version = match[1], int(match[2]), match[3], int(match[4])
    if part not in known.get(view, ()):
        raise MalformedToken
    return Term(view, key, part, version)
