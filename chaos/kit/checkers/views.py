"""Views: what a rebuild would give, and frozen for nothing but a rebuild's progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from chaos.kit.checkers.checker import Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Anomaly, Promise
from chaos.kit.systems import projector
from system.kit.ports.views import Put

Folded = Mapping[tuple[str, int, str], Put]


def _equal_rebuild(evidence: Evidence) -> Iterator[Anomaly]:
    wanted = folded(evidence)
    shown = {
        (view, key, part): (version, document.parts[part])
        for view, documents in evidence.views.items()
        for key, document in documents.items()
        for part, version in document.versions.items()
    }
    for place, put in sorted(wanted.items()):
        name = f"{place[0]} {place[1]}.{place[2]}"
        if place not in shown:
            yield Anomaly("missing view", f"{name} at version {put.version}")
            continue
        version, fields = shown[place]
        if version < put.version:
            yield Anomaly("stale view", f"{name}: version {version}, told {put.version}")
        elif version > put.version:
            yield Anomaly("ghost in the views", f"{name}: version {version}, told {put.version}")
        elif _plain(fields) != _plain(put.fields):
            yield Anomaly("view differs", f"{name} at {version}: {fields}, told {put.fields}")
    for place in sorted(shown.keys() - wanted.keys()):
        yield Anomaly("ghost in the views", f"{place[0]} {place[1]}.{place[2]}")


def folded(evidence: Evidence) -> Folded:
    """All that the log tells, put together in any order: the newest version of each part wins."""
    shown = evidence.system.projections
    keeps_views = projector(evidence.system)
    newest: dict[tuple[str, int, str], Put] = {}
    parked = {
        (letter.topic, letter.partition, letter.offset)
        for letter in evidence.dead_letters
        if letter.consumer == keeps_views
    }
    for told in evidence.told:
        place = told.record.partition
        if (place.topic, place.number, told.record.offset) in parked:
            continue
        for projection in shown[told.event.type]:
            for put in projection(told.event):
                where = put.view, put.key, put.part
                if where not in newest or put.version > newest[where].version:
                    newest[where] = put
    return newest


def _plain(fields: Any) -> Any:  # JSON values
    """The same values look the same, whether in tuples or in lists."""
    if isinstance(fields, Mapping):
        return {name: _plain(value) for name, value in fields.items()}
    return [_plain(value) for value in fields] if isinstance(fields, list | tuple) else fields


def _freezes(evidence: Evidence) -> Iterator[Anomaly]:
    for before, after in pairwise(evidence.freezes):
        if after.building == before.building and after.built < before.records:
            yield Anomaly(
                "frozen in vain",
                f"for generation {after.building}: {before.records} records were wanted before,"
                f" and only {after.built} are read",
            )


EQUAL_REBUILD = Checker(
    Promise(
        "views_equal_rebuild",
        "At rest, the views are what a rebuild from the log gives.",
    ),
    _equal_rebuild,
    lambda evidence: evidence.told,
)
FREEZES = Checker(
    Promise(
        "freezes_follow_progress",
        "Views are frozen again only when those being built have come to where the last freeze wanted"
        " them: readers with a token wait for nothing else.",
    ),
    _freezes,
    lambda evidence: evidence.freezes,
)
