"""Holds published versions still, and says of each change what it takes.

A version that is published never changes what it means: its messages lie in logs, and its readers
run. Words may change. Anything else is a new version, which older ones are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from random import Random

from contracts.kit import Incomplete
from contracts.kit.compatibility import Finding, Side, Unjudged, refusals
from contracts.kit.sampling import Sampler
from contracts.kit.schemas import Archive, Example, Json, MessageType, meaning, text_of, validator

DRAWN = 200
"""Payloads of an old version that a step is tried on."""


# --- one version ----------------------------------------------------------------------------------


def files(
    archive: Archive,
    types: Iterable[MessageType],
    example_of: Callable[[MessageType], Example],
) -> Mapping[Path, str]:
    """What the archive should hold of the present versions. Raises Incomplete.

    An example is made once. It may be replaced by a better one until its version is published.
    """
    types = tuple(types)
    if objections := [text for message in types if (text := objection(archive, message))]:
        raise Incomplete("\n\n".join(objections))
    texts: dict[Path, str] = {}
    digests = _digests(archive)
    for message in types:
        schema, place = archive.generated(message), _place(message.name, message.version)
        example_path = archive.example_path(message.name, message.version)
        example = _text(example_path) or example_of(message).text
        texts[archive.path(message.name, message.version)] = text_of(schema)
        texts[example_path] = example
        digests.setdefault(place, digest(schema, json.loads(example)))
    texts[archive.digests_path] = text_of(dict(sorted(digests.items())))
    return texts


def objection(archive: Archive, message: MessageType) -> str | None:
    """Why the present version cannot be written, and what to do; None if it can."""
    published = archive.versions(message.name)
    latest = max(published, default=0)
    if message.version not in (latest + 1, *published[-1:]):
        return (
            f"{message.name} v{message.version} in the code, v{latest} was published last:"
            " a version rises by one, and never goes back"
        )
    present = Side(f"v{message.version}", archive.generated(message))
    try:
        refusals(present, present)  # also a first version uses no keyword that nobody judges
        return _changed(archive, message) if message.version == latest else None
    except Unjudged as unjudged:
        return f"{message.name}: {unjudged}, so no change of it could be judged"


def _changed(archive: Archive, message: MessageType) -> str | None:
    published = archive.schema(message.name, message.version)
    present = archive.generated(message)
    if meaning(published) == meaning(present):
        return None
    return "\n".join(_advice(message, published, present))


def _advice(message: MessageType, published: Json, present: Json) -> Iterator[str]:
    old, new = message.version, message.version + 1
    was, will = Side(f"v{old}", published), Side(f"v{new}", present)
    unread, unreadable = refusals(was, will), refusals(will, was)
    name = message.model.__name__
    yield f"{message.name} v{old} is published and never changes, but the model says something else."
    if not unread and not unreadable:
        yield f"It breaks nobody. Set schema_version = {new} in {name}, run: python -m contracts write"
        return
    if unread:
        yield f"As v{new} it could not read the events of v{old}, which stay in the log:"
        yield from _indented(unread)
        yield (
            f"Write a step from v{old} to v{new}, in upcasts of {name};"
            " for a new field a default will do."
        )
    if unreadable:
        yield f"Consumers of v{old}, which run beside it, could not read what it sends:"
        yield from _indented(unreadable)
        yield (
            f"Keep the old form beside the new one, until none of them runs; then say so"
            f" by oldest_reader = {new}."
        )
    yield f"docs/events.md says how, step by step. With schema_version = {new} it is judged again."


def _indented(findings: Iterable[Finding]) -> Iterator[str]:
    return (f"  {finding}" for finding in findings)


# --- versions among each other --------------------------------------------------------------------


def unread(archive: Archive, message: MessageType) -> list[str]:
    """Backward: what newer versions could not read of the events of older ones."""
    return [
        f"v{new} cannot read what v{old} sent: {finding}"
        for old, new in combinations(archive.versions(message.name), 2)
        for finding in _unread(archive, message, old, new)
    ]


def unreadable(archive: Archive, message: MessageType) -> list[str]:
    """Forward: what consumers of older versions could not read of newer ones."""
    sides = [_side(archive, message, version) for version in archive.versions(message.name)]
    return [
        f"a consumer of {old.name} cannot read what {new.name} sends: {finding}"
        for old, new in combinations(sides[message.oldest_reader - 1 :], 2)
        for finding in refusals(new, old)
    ]


def _unread(archive: Archive, message: MessageType, old: int, new: int) -> Iterable[object]:
    """By the schemas alone; where a step changes payloads, by trying it on many."""
    if message.upcasts.keys().isdisjoint(range(old, new)):
        return refusals(_side(archive, message, old), _side(archive, message, new))
    judge = validator(archive.schema(message.name, new))
    sampler = Sampler(archive.schema(message.name, old), Random(old))
    tried = (upcast(message, sampler.draw(), old, new) for _ in range(DRAWN))
    return {
        f"{error.json_path}: {error.message}": None
        for payload in tried
        for error in judge.iter_errors(json.loads(json.dumps(payload, default=float)))
    }


def upcast(message: MessageType, payload: Json, old: int, new: int) -> Json:
    """Take the steps from one version to another."""
    for step in range(old, new):
        if step in message.upcasts:
            payload = message.upcasts[step](payload)
    return payload


def _side(archive: Archive, message: MessageType, version: int) -> Side:
    return Side(f"v{version}", archive.schema(message.name, version))


# --- what was published stays ---------------------------------------------------------------------


def touched(archive: Archive) -> list[str]:
    """Versions that are not what they were when they were published."""
    present = {
        _place(name, version): digest(
            archive.schema(name, version),
            json.loads(_text(archive.example_path(name, version)) or "null"),
        )
        for name in archive.names()
        for version in archive.versions(name)
    }
    published = _digests(archive)
    return sorted(
        place
        for place in present.keys() | published.keys()
        if present.get(place) != published.get(place)
    )


def digest(schema: Json, example: Json) -> str:
    """The same as long as a version means the same, and its example is the same."""
    whole = {"schema": meaning(schema), "example": example}
    return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _digests(archive: Archive) -> dict[str, str]:
    found: dict[str, str] = json.loads(_text(archive.digests_path) or "{}")
    return found


def _place(name: str, version: int) -> str:
    return f"{name}/v{version}"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
