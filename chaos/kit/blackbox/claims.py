"""What an adapter says that it sees and the run does not show: such a sight is taken back.

What cannot be seen is not judged; an adapter that says otherwise would have promises kept that
nobody has looked at, or blame its system for what it does not read itself. Each is taken back only
where not one case bears the adapter out: where some do, what the others lack is the system's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from chaos.kit.blackbox.language import Do, Shown
from chaos.kit.blackbox.observations import Observations
from chaos.kit.promises import Blind, Sight


def not_borne_out(evidence: Observations, sees: Sight) -> list[Blind]:
    """The sights that the adapter claims and the evidence does not have, and why."""
    return [
        Blind(sight, why)
        for sight, reasons in _REASONS.items()
        if sight in sees
        for why in reasons(evidence, sees)
    ]


def without(evidence: Observations, unseen: Sight) -> Observations:
    """The evidence without what was taken back, where it would blame promises that need other sights."""
    if Sight.EVENT_IDS in unseen:
        told = [replace(one, event=replace(one.event, id="")) for one in evidence.told]
        evidence = replace(evidence, told=told)
    if Sight.MARKS in unseen:
        evidence = replace(
            evidence, read=_unmarked(evidence.read), viewed=_unmarked(evidence.viewed)
        )
    if Sight.AMOUNTS in unseen:
        evidence = replace(evidence, held={}, held_in_views={})
    return evidence


def _unmarked(things: Mapping[str, Shown]) -> Mapping[str, Shown]:
    return {thing: replace(shown, mark=None) for thing, shown in things.items()}


def _marks(evidence: Observations, sees: Sight) -> Iterator[str]:
    """Of things of which an answer says which command has made them."""
    made = {
        op.meant.about: op.command.mark for op in evidence.ops if _has_made(op.command.do, op.ok)
    }
    read = made.keys() & evidence.read.keys()
    if (
        Sight.READS in sees
        and read
        and not any(evidence.read[one].mark == made[one] for one in read)
    ):
        yield "no thing that was read shows the mark of its command"
    told = [one for one in evidence.told if one.event.about in made]
    kinds = {kind for do in ("place", "move") for kind in evidence.tells.get(do, ())}
    if (
        Sight.RECORDS in sees
        and any(one.event.kind in kinds for one in told)
        and not any(one.event.mark == made[one.event.about] for one in told)
    ):
        yield "no event has the mark of the command that placed its thing"


def _has_made(do: Do, ok: bool) -> bool:
    return ok and do in ("place", "move")


def _reads(evidence: Observations, _: Sight) -> Iterator[str]:
    if evidence.placed and not _asks(evidence, "read"):
        yield "request() has no `read`"


def _amounts(evidence: Observations, _: Sight) -> Iterator[str]:
    if not evidence.opened:
        return
    if not _asks(evidence, "read account"):
        yield "request() has no `read account`"
    elif evidence.held and all(shown.amount is None for shown in evidence.held.values()):
        yield "no account that was read shows an `amount`"


def _asks(evidence: Observations, do: Do) -> bool:
    return any(op.command.do == do for op in evidence.ops)


def _moves(evidence: Observations, _: Sight) -> Iterator[str]:
    moving = [one for one in evidence.told if one.event.kind in _MOVING]
    if moving and not any(one.event.moves for one in moving):
        yield "no event that takes or gives back has `moves`"


_MOVING: Collection[str] = ("reserved", "charged", "moved", "released", "refunded")


def _event_ids(evidence: Observations, _: Sight) -> Iterator[str]:
    """An id that is made while reading, or of the place, is another one when the event is sent again."""
    ids: dict[object, set[str]] = defaultdict(set)
    for one in evidence.told:
        record, said = one.record, replace(one.event, id="")
        headers = tuple(sorted(record.headers.items()))
        ids[record.topic, record.key, record.value, headers, str(said)].add(one.event.id)
    if any(len(each) > 1 for each in ids.values()):
        yield "two records with the same bytes have two ids: they are not of the event"


def _versions(evidence: Observations, _: Sight) -> Iterator[str]:
    versions: dict[str, list[int | None]] = defaultdict(list)
    for one in evidence.first_told:
        versions[one.about].append(one.event.version)
    several = [each for each in versions.values() if len(each) > 1]
    if several and all(len(set(each)) == 1 for each in several):
        yield "no thing has events with two versions"


_REASONS: dict[Sight, Callable[[Observations, Sight], Iterator[str]]] = {
    Sight.MARKS: _marks,
    Sight.READS: _reads,
    Sight.AMOUNTS: _amounts,
    Sight.MOVES: _moves,
    Sight.EVENT_IDS: _event_ids,
    Sight.VERSIONS: _versions,
}
