"""The promises that can be judged from HTTP and topics alone, in the words of the neutral language.

Each says what of the evidence it is judged by; how, stands in `chaos.kit.promises`, once for all
sources. None knows what the system is about: a thing takes amounts from accounts, and goes from
state to state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from chaos.kit.blackbox.language import Do, Shown
from chaos.kit.blackbox.observations import Exchange, Observations, Told
from chaos.kit.promises import (
    Anomaly,
    Blind,
    Cases,
    Checker,
    Sight,
    Verdict,
    amounts,
    catalog,
    checker,
    commands,
    dead_letters,
    events,
    rest,
    states,
    views,
)
from chaos.kit.promises.amounts import Holding
from chaos.kit.promises.anomalies import ANOMALIES
from chaos.kit.promises.commands import Acknowledged, Asked, Requests
from chaos.kit.promises.effects import Effect, never_missing, never_twice
from chaos.kit.promises.states import Seen

MAKES: frozenset[Do] = frozenset({"place", "move"})
ENDS: frozenset[Do] = frozenset({"place", "move", "advance", "cancel"})


def judge(
    evidence: Observations,
    promises: Iterable[Checker[Observations]],
    *,
    sees: Sight,
    blind: Sequence[Blind] = (),
    known: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """The verdict of each promise. `known`: those that are known to be broken, and why."""
    unrest = f"it never came to rest: {evidence.missing[0]}" if evidence.missing else ""
    return checker.judge(
        evidence, promises, ANOMALIES, unrest=unrest, sees=sees, blind=blind, known=known
    )


# --- commands -------------------------------------------------------------------------------------


def acknowledged_has_its_event(evidence: Observations) -> Cases:
    marks = {(told.event.kind, told.event.mark) for told in evidence.first_told}
    things = {(told.event.kind, told.event.about) for told in evidence.first_told}

    def asked() -> Iterator[Acknowledged]:
        for op in _acknowledged(evidence):
            if kinds := evidence.tells.get(op.command.do, ()):
                is_told = any(
                    (op.command.mark and (kind, op.command.mark) in marks)
                    or (kind, op.about) in things
                    for kind in kinds
                )
                yield Acknowledged(_name(op), op.about, "" if is_told else "no event tells of it")

    return commands.acknowledged_is_kept(asked())


def acknowledged_has_its_effect(evidence: Observations) -> Cases:
    return commands.acknowledged_is_kept(
        Acknowledged(_name(op), op.about, _wrong(evidence, op))
        for op in _acknowledged(evidence)
        if op.about
    )


def _wrong(evidence: Observations, op: Exchange) -> str:
    shown = evidence.read.get(op.about)
    if shown is None:
        return f"{op.about} is not there"
    if op.command.do in MAKES:
        if shown.mark is not None and shown.mark != op.command.mark:
            return f"{op.about} has the mark {shown.mark}, not {op.command.mark}"
        worth = op.command.worth(mark_is_amount=evidence.mark_is_amount)
        if shown.amount is not None and shown.amount != worth:
            return f"{op.about} costs {shown.amount}, not {worth}"
    allowed = evidence.states.after.get(op.command.do, (shown.state,))
    return "" if shown.state in allowed else f"{op.about} is {shown.state} at rest"


def refused_has_no_effect(evidence: Observations) -> Cases:
    return _requests(evidence, of_events=True).refused_has_no_effect()


def keys_count_once(evidence: Observations) -> Cases:
    return _requests(evidence).keys_count_once()


def commands_take_effect_once(evidence: Observations) -> Cases:
    return _requests(evidence).take_effect_once()


def _requests(evidence: Observations, *, of_events: bool = False) -> Requests[int]:
    """Only a mark tells that an effect is this command's, and not that of another like it.

    What was made is shown, or perhaps an event is about it. Answers count as well where the requests
    have one key: they must name one thing. To whom nobody listened, nothing was refused.
    """
    asked: dict[int, list[Asked]] = defaultdict(list)
    made: dict[int, set[str]] = defaultdict(set)
    for op in evidence.ops:
        if op.command.do in MAKES and op.command.mark and not op.is_unheard:
            asked[op.command.mark].append(
                Asked(_name(op), op.meant.outcome, op.meant.about, op.command.key)
            )
            if op.command.key and op.ok and op.meant.about:
                made[op.command.mark].add(op.meant.about)
    for thing, shown in evidence.read.items():
        if shown.mark:
            made[shown.mark].add(thing)
    for told in evidence.first_told if of_events else ():
        if told.event.mark:
            made[told.event.mark].add(told.event.about or told.record.place)
    return Requests(asked, made)


# --- events ---------------------------------------------------------------------------------------


def nothing_unasked(evidence: Observations) -> Cases:
    for record, why in evidence.unreadable:
        yield Anomaly("phantom event", f"{record.place} cannot be read: {why}")
    asked: set[int | str] = {op.command.mark for op in evidence.ops if op.meant.outcome != "fail"}
    yield from commands.nothing_unasked(
        (
            (told.event.mark or told.about, told.about, f"{told.record.place} tells {told.event}")
            for told in evidence.first_told
            if told.about
        ),
        asked | evidence.placed.keys(),
    )


def one_partition_per_key(evidence: Observations) -> Cases:
    return events.one_partition_per_key(told for told in evidence.first_told if told.about)


def order_per_key(evidence: Observations) -> Cases:
    return events.order_per_key(evidence.first_told, lambda told: told.event.version)


def published_once(evidence: Observations) -> Cases:
    """Of the whole run, in which a fault may explain repeats, and of what came before the first one."""
    began_s = min((fault.began_s for fault in evidence.faults), default=0.0)
    calm = [told for told in evidence.told if told.record.at_s < began_s]
    for each in (evidence, replace(evidence, told=calm, faults=())):
        count = len(each.first_told)
        yield from events.published_once(count, len(each.told) - count, len(each.faults))


def one_effect_per_cause(evidence: Observations) -> Cases:
    """Two events that say the same of the same thing, under two ids, are two effects.

    A thing that may reserve twice has two causes for it, so where causes are seen they count.
    """
    effects: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for told in evidence.first_told:
        event = told.event
        for account, amount in event.moves.items():
            if amount:
                effects[event.kind, event.about, event.cause, account].add(told.record.place)
    return never_twice(
        Effect(f"{thing} was {kind} from {account} at {_all(places)}", 1, len(places), thing)
        for (kind, thing, _, account), places in effects.items()
    )


def events_have_their_effect(evidence: Observations) -> Cases:
    """What is placed is there, unless it has ended: some systems show no more of it then."""
    return never_missing(_effects(evidence))


def _effects(evidence: Observations) -> Iterator[Effect]:
    looked_for = {op.command.about for op in evidence.ops if op.command.do == "read"}
    for told in evidence.first_told:
        thing, kind = told.event.about, told.event.kind
        if thing in evidence.read:
            state, allowed = evidence.read[thing].state, evidence.states.after.get(kind)
            if allowed is not None:
                yield _effect(told, state, is_there=state in allowed)
        elif kind == "placed" and thing in looked_for:
            has_ended = any(
                each.event.kind in ("ended", "refused") for each in evidence.told_of[thing]
            )
            yield _effect(told, "not there", is_there=has_ended)


def _effect(told: Told, how: str, *, is_there: bool) -> Effect:
    thing = told.event.about
    seen = f"{told.record.place} tells {told.event}, and {thing} is {how} at rest"
    return Effect(seen, 1, int(is_there), thing)


# --- amounts --------------------------------------------------------------------------------------


def conserved(evidence: Observations) -> Cases:
    """What an account holds is what it held, and what events say was moved."""
    moves = (
        {
            account: amount
            for account, amount in told.event.moves.items()
            if account in evidence.opened
        }
        for told in evidence.first_told
    )
    return amounts.conserved(evidence.opened, moves, _held(evidence))


def taken_by_things(evidence: Observations) -> Cases:
    """What an account holds is what it held, less what is held by things that are there."""
    return amounts.conserved(evidence.opened, _taken(evidence).values(), _held(evidence))


def never_negative(evidence: Observations) -> Cases:
    seen: dict[str, list[int]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.do in ("read account", "view account") and op.meant.shows is not None:
            seen[op.command.about].append(op.meant.shows.amount or 0)
    for account, shown in evidence.held.items():
        seen[account].append(shown.amount or 0)
    return amounts.never_negative(seen)


def never_more_than_there_is(evidence: Observations) -> Cases:
    """Things alone are asked, so that it is judged also where accounts do not show what they hold."""
    return amounts.never_more_than_there_is(evidence.opened, _taken(evidence))


def _held(evidence: Observations) -> Mapping[str, int | None]:
    return {account: shown.amount for account, shown in evidence.held.items()}


def _taken(evidence: Observations) -> Mapping[str, Mapping[str, int]]:
    """What things hold, by the commands that have placed them."""
    return {
        thing: evidence.placed[thing].command.moves
        for thing, shown in evidence.read.items()
        if shown.state in evidence.states.holds and thing in evidence.placed
    }


def ended_hold_nothing(evidence: Observations) -> Cases:
    """One that is still half-way has not ended: where it should have got to is another promise."""
    return amounts.hold_what_is_due(
        Holding(thing, shown.state, evidence.moved(thing), {})
        for thing, shown in evidence.read.items()
        if shown.state not in evidence.states.holds
        and (shown.state in evidence.states.final or "ended" in _kinds(evidence, thing))
        and any(told.event.moves for told in evidence.told_of.get(thing, ()))
    )


def _kinds(evidence: Observations, thing: str) -> Collection[str]:
    return {told.event.kind for told in evidence.told_of.get(thing, ())}


def holders_hold_all(evidence: Observations) -> Cases:
    return amounts.hold_what_is_due(
        Holding(thing, evidence.read[thing].state, evidence.moved(thing), due)
        for thing, due in _taken(evidence).items()
    )


# --- states ---------------------------------------------------------------------------------------


def only_allowed_steps(evidence: Observations) -> Cases:
    """By partition: two of them have no order. What says the same again is no step."""
    ordered: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for told in evidence.first_told:
        if told.event.state:
            ordered[told.about, told.topic, told.partition].append(told.event.state)
    return states.only_allowed_steps(
        ((thing, [state for state, _ in groupby(seen)]) for (thing, _, _), seen in ordered.items()),
        evidence.states.leads,
    )


def final_states_reached(evidence: Observations) -> Cases:
    return states.ends_well(
        (thing, shown.state, shown.state in evidence.states.final)
        for thing, shown in evidence.read.items()
    )


# --- readers --------------------------------------------------------------------------------------


def views_show_the_truth(evidence: Observations) -> Cases:
    """A side that shows nothing although it was asked has lost all."""
    asked = {op.command.do for op in evidence.ops}
    if evidence.viewed or "view" in asked:
        yield from views.sides_agree(_fields(evidence.read), _fields(evidence.viewed))
    if evidence.held_in_views or "view account" in asked:
        yield from views.sides_agree(_fields(evidence.held), _fields(evidence.held_in_views))


def _fields(things: Mapping[str, Shown]) -> Mapping[str, views.Shown]:
    return {
        name: {"state": shown.state, "amount": shown.amount, "mark": shown.mark}
        for name, shown in things.items()
    }


def readers_never_go_back(evidence: Observations) -> Cases:
    return states.readers_never_go_back(
        (
            Seen(
                f"{op.client} ({op.command.do})",
                op.about,
                None if op.meant.shows is None else op.meant.shows.state,
            )
            for op in sorted(evidence.ops, key=lambda op: op.began_s)
            if op.command.do in ("read", "view") and op.meant.outcome != "info"
        ),
        evidence.states.leads,
    )


# --- dead letters and rest ------------------------------------------------------------------------


def dead_letters_are_the_poison(evidence: Observations) -> Cases:
    """One is known by its topic and its bytes, whoever has parked it."""
    places = {
        (topic, record.value): f"{record.place}, {record.value[:80]!r},"
        for topic, records in evidence.letters.items()
        for record in records
    }
    poison = {
        (topic, value): value for topic, put_in in evidence.poison.items() for value in put_in
    }
    return dead_letters.exactly_the_poison(
        poison,
        {(topic, value): value for topic, value in places},
        named=lambda key: places.get(key) or f"{key[1][:80]!r} of {key[0]}",
    )


def rest_is_reached(evidence: Observations) -> Cases:
    return iter(()) if evidence.missing is None else rest.rest_is_reached(evidence.missing)


def no_process_falls(evidence: Observations) -> Cases:
    return rest.no_process_falls(evidence.falls, len(evidence.processes))


def _acknowledged(evidence: Observations) -> Iterator[Exchange]:
    return (op for op in evidence.ops if op.ok and op.command.do in ENDS)


def _name(op: Exchange) -> str:
    return f"{op.command.do} {op.about or f'with mark {op.command.mark}'}"


def _all(values: Collection[str]) -> str:
    return ", ".join(sorted(values))


_S = Sight
PROMISES: tuple[Checker[Observations], ...] = (
    Checker(
        catalog.ACKNOWLEDGED_HAS_ITS_EVENT,
        acknowledged_has_its_event,
        at_rest=True,
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        catalog.ACKNOWLEDGED_HAS_ITS_EFFECT,
        acknowledged_has_its_effect,
        at_rest=True,
        needs=_S.READS,
    ),
    Checker(
        catalog.REFUSED_HAS_NO_EFFECT,
        refused_has_no_effect,
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        catalog.KEYS_COUNT_ONCE,
        keys_count_once,
        needs=_S.IDEMPOTENCY | _S.MARKS | _S.READS,
    ),
    Checker(
        catalog.COMMANDS_TAKE_EFFECT_ONCE,
        commands_take_effect_once,
        at_rest=True,
        needs=_S.MARKS | _S.READS,
    ),
    Checker(
        catalog.NOTHING_UNASKED,
        nothing_unasked,
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        catalog.ONE_PARTITION_PER_KEY,
        one_partition_per_key,
        needs=_S.RECORDS,
    ),
    Checker(
        catalog.ORDER_PER_KEY,
        order_per_key,
        needs=_S.RECORDS | _S.VERSIONS,
    ),
    Checker(
        catalog.PUBLISHED_ONCE,
        published_once,
        needs=_S.RECORDS | _S.EVENT_IDS,
    ),
    Checker(
        catalog.ONE_EFFECT_PER_CAUSE,
        one_effect_per_cause,
        needs=_S.RECORDS | _S.MOVES | _S.EVENT_IDS,
    ),
    Checker(
        catalog.EVENTS_HAVE_THEIR_EFFECT,
        events_have_their_effect,
        at_rest=True,
        needs=_S.READS | _S.RECORDS,
    ),
    Checker(
        catalog.AMOUNTS_CONSERVED,
        conserved,
        at_rest=True,
        needs=_S.RECORDS | _S.MOVES | _S.AMOUNTS,
    ),
    Checker(
        catalog.AMOUNTS_ARE_HELD_BY_THINGS,
        taken_by_things,
        at_rest=True,
        needs=_S.READS | _S.AMOUNTS | _S.MARKS,
    ),
    Checker(
        catalog.NEVER_NEGATIVE,
        never_negative,
        needs=_S.AMOUNTS,
    ),
    Checker(
        catalog.NEVER_MORE_THAN_THERE_IS,
        never_more_than_there_is,
        at_rest=True,
        needs=_S.READS,
    ),
    Checker(
        catalog.ENDED_THINGS_HOLD_NOTHING,
        ended_hold_nothing,
        at_rest=True,
        needs=_S.READS | _S.RECORDS | _S.MOVES,
    ),
    Checker(
        catalog.THINGS_HOLD_WHAT_THEY_TOOK,
        holders_hold_all,
        at_rest=True,
        needs=_S.READS | _S.RECORDS | _S.MOVES | _S.MARKS,
    ),
    Checker(
        catalog.ONLY_ALLOWED_STEPS,
        only_allowed_steps,
        needs=_S.RECORDS,
    ),
    Checker(
        catalog.FINAL_STATES_REACHED,
        final_states_reached,
        at_rest=True,
        needs=_S.READS,
    ),
    Checker(
        catalog.VIEWS_SHOW_THE_TRUTH,
        views_show_the_truth,
        at_rest=True,
        needs=_S.READS | _S.VIEWS,
    ),
    Checker(
        catalog.READERS_NEVER_GO_BACK,
        readers_never_go_back,
        needs=_S.READS,
    ),
    Checker(
        catalog.DEAD_LETTERS_ARE_THE_POISON,
        dead_letters_are_the_poison,
        at_rest=True,
        needs=_S.DEAD_LETTERS,
    ),
    Checker(
        catalog.REST_IS_REACHED,
        rest_is_reached,
        keeps=_S.GROUPS,
    ),
    Checker(
        catalog.NO_PROCESS_FALLS,
        no_process_falls,
    ),
)
