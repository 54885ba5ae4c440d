"""Events: told if and only if the state changed, in order, and hardly more often than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from chaos.kit.checkers.checker import Check, Checker
from chaos.kit.evidence import Evidence, Told, is_replay, place_of
from chaos.kit.promises import KEPT, Anomaly, Cases, Promise, catalog, events

HELD_UP_S = 3.0
"""More than a relay's longest pause; less than a partition is away for."""

VersionsOf = Callable[[Any], Iterable[tuple[str, int, int]]]  # Any: one of the models of events
"""What an event alone may tell of: the next version of one thing, as kind, id and version."""


def _lost(evidence: Evidence) -> Iterator[Anomaly]:
    told = {str(id) for id in evidence.first_told}
    for id, row in evidence.stored.items():
        if row["processed_at"] is not None and id not in told:
            yield Anomaly(
                "lost event", f"outbox {row['id']}, {row['event_type']} {row['message_key']}"
            )


def every_version(aggregate: str, table: str) -> Check:
    """An aggregate's events count the versions of its rows; one without a state of it is its end."""

    def check(evidence: Evidence) -> Iterator[Anomaly]:
        versions: dict[int, set[int]] = defaultdict(set)
        ended = set()
        for event in evidence.events_with("version"):
            if event.aggregate == aggregate:
                versions[event.key].add(event.version)
                if not hasattr(event, aggregate):
                    ended.add(event.key)
        rows = {row["id"]: row["version"] for row in evidence.rows(table)}
        for id in sorted(versions.keys() | rows.keys() | _acknowledged(evidence, table)):
            last = rows.get(id, max(versions[id], default=1))
            if missing := set(range(1, last + 1)) - versions[id]:
                yield Anomaly(
                    "silent change", f"{table} {id}: version {listed(missing)} was never told"
                )
            if id not in rows and id not in ended:
                yield Anomaly("silent end", f"{table} {id} is gone, and its end was never told")

    return check


def _acknowledged(evidence: Evidence, table: str) -> set[int]:
    return {
        op.json["id"]
        for op in evidence.history
        if op.ok and op.method == "POST" and op.path == f"/{table}"
    }


def _phantoms(evidence: Evidence) -> Iterator[Anomaly]:
    for id, told in evidence.first_told.items():
        event, row = told.event, evidence.stored.get(str(id))
        if row is None:
            yield Anomaly("phantom event", f"{event.type} {event.key}, event {id}")
        elif row["payload"] != told.record.message.value:
            yield Anomaly("garbled event", f"{event.type} {event.key}, event {id}")


def _own_version(event: Any) -> Iterator[tuple[str, int, int]]:
    """The version of what the event is about, if it counts one."""
    if hasattr(event, "version"):
        yield event.aggregate, event.key, event.version


def one_for_each_version(versions_of: VersionsOf) -> Check:
    """No two events tell of one version."""

    def check(evidence: Evidence) -> Iterator[Anomaly]:
        versions: dict[tuple[str, int, int], Told] = {}
        for told in evidence.first_told.values():
            for place in versions_of(told.event):
                if (first := versions.setdefault(place, told)) is not told:
                    both = f"{_named(first)} and {_named(told)}"
                    yield Anomaly(
                        "forked version", f"{place[0]} {place[1]} version {place[2]}: {both}"
                    )

    return check


def _in_one_partition(evidence: Evidence) -> Cases:
    return events.one_partition_per_key(evidence.first_told.values())


def _in_order(evidence: Evidence) -> Cases:
    """The ids of the outbox count the commits."""
    ids = {event_id: row["id"] for event_id, row in evidence.stored.items()}
    return events.order_per_key(
        evidence.first_told.values(), lambda told: ids.get(str(told.event.event_id))
    )


def ids_follow_versions(versions_of: VersionsOf) -> Check:
    """The order of the outbox's ids is the order of the versions, for each thing that has versions."""

    def check(evidence: Evidence) -> Cases:
        events = {str(id): told.event for id, told in evidence.first_told.items()}
        last: dict[tuple[str, int], tuple[int, int]] = {}
        for event_id, row in evidence.stored.items():
            event = events.get(event_id)
            if event is None:
                continue
            for kind, id, version in versions_of(event):
                id_before, version_before = last.get((kind, id), (0, 0))
                yield (
                    KEPT
                    if version >= version_before
                    else Anomaly(
                        "outbox out of order",
                        f"{kind} {id}: version {version} has outbox id {row['id']}, "
                        f"and {version_before} has {id_before}",
                    )
                )
                last[kind, id] = row["id"], version

    return check


def _repeats(evidence: Evidence) -> Cases:
    originals = [told for told in evidence.told if not is_replay(told.record)]
    count = len({told.event.event_id for told in originals})
    repeats = len(originals) - count - evidence.duplicated
    return events.published_once(count, repeats, evidence.disturbances)


def _held_up(evidence: Evidence) -> Iterator[Anomaly]:
    """Judges runs in which nothing but partitions was away: any other fault may delay an event."""
    if not evidence.stalled:
        return
    told = {str(id): told for id, told in evidence.first_told.items()}
    for id, row in evidence.stored.items():
        event = told.get(id)
        if event is None or row["processed_at"] is None or _place(event) in evidence.stalled:
            continue
        took = datetime.fromisoformat(row["processed_at"]) - datetime.fromisoformat(
            row["created_at"]
        )
        if took.total_seconds() > HELD_UP_S:
            yield Anomaly(
                "held up", f"outbox {row['id']}, {row['event_type']} {row['message_key']}: {took}"
            )


def _named(told: Told) -> str:
    """An event by its key and its place in the log."""
    return f"{told.event.type} {told.event.key} at {place_of(told.record)}"


def _place(told: Told) -> str:
    return f"{told.record.partition.topic}-{told.record.partition.number}"


def _causes(evidence: Evidence) -> Iterator[Anomaly]:
    first = evidence.first_told
    for told in first.values():
        name, cause = f"{told.event.type} {told.event.key}", told.envelope.cause
        if cause.causation_id is None:
            continue
        before = first.get(cause.causation_id)
        if before is None:
            yield Anomaly("orphan", f"{name}: its cause was never told")
        elif before.envelope.cause.correlation_id != cause.correlation_id:
            yield Anomaly("torn thread", f"{name} follows from {before.event.type}")


def listed(numbers: Iterable[int]) -> str:
    """In their order: `2, 3`."""
    return ", ".join(map(str, sorted(numbers)))


def _names(evidence: Evidence) -> Iterator[Anomaly]:
    for name, own in evidence.emitted_under:
        if name != own:
            yield Anomaly("another's name", f"an event of {own} was emitted under {name}")


def _told(evidence: Evidence) -> Sequence[Told]:
    return evidence.told


NO_LOST_EVENT = Checker(
    Promise("no_lost_event", "Every committed change is told in the log, sooner or later."),
    _lost,
    _told,
)
"""A system adds `every_version` of each aggregate that counts them."""
NO_PHANTOM_EVENT = Checker(
    Promise("no_phantom_event", "Whatever the log tells was committed, and once for each version."),
    _phantoms,
    _told,
).also(one_for_each_version(_own_version))
"""By the rows of the outbox, so it needs no `nothing_unasked` beside it: that a client has asked for
what an event is about is all that can be seen without them."""
ONE_PARTITION = Checker(catalog.ONE_PARTITION_PER_KEY, _in_one_partition)
IN_ORDER = Checker(catalog.ORDER_PER_KEY, _in_order).also(ids_follow_versions(_own_version))
PUBLISHED_ONCE = Checker(catalog.PUBLISHED_ONCE, _repeats)
NONE_HELD_UP = Checker(
    Promise(
        "blocked_partitions_hold_up_no_other",
        "While a partition takes nothing, the events of all others go out as if it were well.",
    ),
    _held_up,
    lambda evidence: evidence.stalled,
)
OWN_NAMES = Checker(
    Promise(
        "each_request_in_its_own_name",
        "What is done for a request is logged under its correlation id or none, never a neighbour's.",
    ),
    _names,
    lambda evidence: evidence.emitted_under,
)
CAUSES_TOLD = Checker(
    Promise(
        "causes_are_told",
        "An event names the event that it follows from, about the same thing, and the request behind it.",
    ),
    _causes,
    lambda evidence: [told for told in evidence.told if told.envelope.cause.causation_id],
)
