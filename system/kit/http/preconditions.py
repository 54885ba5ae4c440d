"""ETags, and what a request demands of them: RFC 9110, sections 8.8.3 and 13.

A resource's tag is made of all versions that its body shows, so that a payment changes an account's
tag as a new owner does. `If-Match` is compared within the transaction that changes the resource, under
its lock:

    GET /accounts/7          ETag: "4-9"        account at version 4, its balance at 9
    (another pays in)                           balance at 10
    PUT /accounts/7          If-Match: "4-9"    412, and nothing was changed
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from system.kit.errors import PreconditionFailed, invalid
from system.kit.http.headers import IF_MATCH, IF_NONE_MATCH

TAGS_MAX = 4_000
"""Characters of a list of tags, judged before any of them is."""
ANY = "*"
_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
TAGS_PATTERN = rf"^(\*|[ \t,]*{_TAG}([ \t]*,[ \t,]*{_TAG})*[ \t,]*)$"
"""A list may have empty elements, RFC 9110 section 5.6.1.2."""
_ALL = re.compile(TAGS_PATTERN)
_EACH = re.compile(_TAG)


def etag(versions: Iterable[int]) -> str:
    """The tag of a resource whose parts have these versions, always in the same order."""
    return f'"{"-".join(map(str, versions))}"'


ETAG_PATTERN = '^"[1-9][0-9]*(-[1-9][0-9]*)*"$'


@dataclass(frozen=True, slots=True)
class Precondition:
    """What the client takes the resource to be like. None: it demands nothing."""

    match: frozenset[str] | None = None
    """One of these, or ANY."""
    none_match: frozenset[str] | None = None
    """None of these, nor ANY."""

    def demand(self, tag: str) -> None:
        """Raise PreconditionFailed unless it holds for a resource with this tag."""
        self.demand_match(tag)
        if self.is_known(tag):
            raise PreconditionFailed

    def demand_match(self, tag: str) -> None:
        """The part of it that comes first, and is the same for what is shown."""
        if self.match is not None and not self.match & {tag, ANY}:
            raise PreconditionFailed

    def is_known(self, tag: str) -> bool:
        """Whether the client has this very state already."""
        return self.none_match is not None and bool(self.none_match & {tag, ANY})


NOTHING_DEMANDED = Precondition()


def precondition(match: Sequence[str], none_match: Sequence[str]) -> Precondition:
    """Read the values of both headers. Raises Invalid."""
    strong, weak = _tags(IF_MATCH, match), _tags(IF_NONE_MATCH, none_match)
    # a weak tag never matches where strong comparison is asked for; else its strength is no matter
    return Precondition(
        None if strong is None else frozenset(strong),
        None if weak is None else frozenset(tag.removeprefix("W/") for tag in weak),
    )


def _tags(name: str, values: Sequence[str]) -> list[str] | None:
    if not values:
        return None
    text = ",".join(values)
    if len(text) > TAGS_MAX or not _ALL.match(text):
        raise invalid(f"header/{name}", f"must be * or ETags, up to {TAGS_MAX} characters")
    return [ANY] if text == ANY else _EACH.findall(text)
