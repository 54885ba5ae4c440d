"""The promises that can be judged from HTTP and topics alone, in the words of the neutral language.

Each says what of the evidence it is judged by; how, stands in `chaos.kit.promises`, once for all
sources. None knows what the system is about: a thing takes amounts from accounts, and goes from
state to state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from chaos.kit.blackbox.evidence import Evidence, Op, Told
from chaos.kit.blackbox.language import Do, Shown
from chaos.kit.promises import (
    KEPT,
    Anomaly,
    Blind,
    Cases,
    Checker,
    Sight,
    Verdict,
    amounts,
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
from chaos.kit.promises.commands import Acknowledged, Asked
from chaos.kit.promises.states import Seen

MAKES: frozenset[Do] = frozenset({"place", "move"})
ENDS: frozenset[Do] = frozenset({"place", "move", "advance", "cancel"})


def judge(
    evidence: Evidence,
    promises: Iterable[Checker[Evidence]],
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


def acknowledged_has_its_event(evidence: Evidence) -> Cases:
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


def acknowledged_has_its_effect(evidence: Evidence) -> Cases:
    return commands.acknowledged_is_kept(
        Acknowledged(_name(op), op.about, _wrong(evidence, op))
        for op in _acknowledged(evidence)
        if op.about
    )


def _wrong(evidence: Evidence, op: Op) -> str:
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


def refused_has_none(evidence: Evidence) -> Cases:
    """Only a mark tells that an effect is this command's, and not that of another like it."""
    done = {op.command.mark for op in evidence.ops if op.meant.outcome != "fail"}
    refused: dict[int, list[Asked]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.do in MAKES and op.command.mark not in done:
            refused[op.command.mark].append(_asked(op))
    return commands.take_effect_once(refused, _made(evidence, of_events=True))


def keys_count_once(evidence: Evidence) -> Cases:
    sent: dict[str, list[Op]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.key and op.command.do in MAKES:
            sent[op.command.key].append(op)
    twice = {key: ops for key, ops in sent.items() if len(ops) > 1 and _perhaps_done(ops)}
    by_mark = _made(evidence)
    made = {
        key: {op.meant.about for op in ops if op.ok} | by_mark[ops[0].command.mark]
        for key, ops in twice.items()
    }
    return commands.take_effect_once({key: [*map(_asked, ops)] for key, ops in twice.items()}, made)


def _perhaps_done(ops: Iterable[Op]) -> bool:
    return any(op.meant.outcome != "fail" for op in ops)


def _asked(op: Op) -> Asked:
    return Asked(_name(op), op.meant.outcome, op.meant.about, op.command.key)


def _made(evidence: Evidence, *, of_events: bool = False) -> dict[int, set[str]]:
    """By mark: the things that are shown, and perhaps those that events tell of."""
    made: dict[int, set[str]] = defaultdict(set)
    for thing, shown in evidence.read.items():
        if shown.mark:
            made[shown.mark].add(thing)
    for told in evidence.first_told if of_events else ():
        if told.event.mark:
            made[told.event.mark].add(told.event.about or told.record.place)
    return made


# --- events ---------------------------------------------------------------------------------------


def no_event_unasked(evidence: Evidence) -> Cases:
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


def one_partition_per_key(evidence: Evidence) -> Cases:
    return events.one_partition_per_key(told for told in evidence.first_told if told.about)


def order_per_key(evidence: Evidence) -> Cases:
    return events.order_per_key(evidence.first_told, lambda told: told.event.version)


def told_once(evidence: Evidence) -> Cases:
    """Of the whole run, in which a fault may explain repeats, and of what came before the first one."""
    began_s = min((fault.began_s for fault in evidence.faults), default=0.0)
    calm = [told for told in evidence.told if told.record.at_s < began_s]
    for each in (evidence, replace(evidence, told=calm, faults=())):
        count = len(each.first_told)
        yield from events.told_once(count, len(each.told) - count, len(each.faults))


def one_effect_per_cause(evidence: Evidence) -> Cases:
    """Two events that say the same of the same thing, under two ids, are two effects.

    A thing that may reserve twice has two causes for it, so where causes are seen they count.
    """
    effects: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for told in evidence.first_told:
        event = told.event
        for account, amount in event.moves.items():
            if amount:
                effects[event.kind, event.about, event.cause, account].add(told.record.place)
    for (kind, thing, _, account), places in effects.items():
        yield (
            KEPT
            if len(places) == 1
            else Anomaly(
                "double effect",
                f"{thing} was {kind} {len(places)} times from {account}: {_all(places)}",
                about=thing,
            )
        )


def events_have_their_effect(evidence: Evidence) -> Cases:
    """What is placed is there, unless it has ended: some systems show no more of it then."""
    looked_for = {op.command.about for op in evidence.ops if op.command.do == "read"}
    for told in evidence.first_told:
        thing, kind = told.event.about, told.event.kind
        if thing in evidence.read:
            state, allowed = evidence.read[thing].state, evidence.states.after.get(kind)
            if allowed is not None:
                yield KEPT if state in allowed else _without_effect(told, state)
        elif kind == "placed" and thing in looked_for:
            has_ended = any(
                each.event.kind in ("ended", "refused") for each in evidence.told_of[thing]
            )
            yield KEPT if has_ended else _without_effect(told, "not there")


def _without_effect(told: Told, how: str) -> Anomaly:
    thing = told.event.about
    seen = f"{told.record.place} tells {told.event}, and {thing} is {how} at rest"
    return Anomaly("missing effect", seen, about=thing)


# --- amounts --------------------------------------------------------------------------------------


def conserved(evidence: Evidence) -> Cases:
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


def taken_by_things(evidence: Evidence) -> Cases:
    """What an account holds is what it held, less what is held by things that are there."""
    return amounts.conserved(evidence.opened, _taken(evidence).values(), _held(evidence))


def never_negative(evidence: Evidence) -> Cases:
    seen: dict[str, list[int]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.do in ("read account", "view account") and op.meant.shows is not None:
            seen[op.command.about].append(op.meant.shows.amount or 0)
    for account, shown in evidence.held.items():
        seen[account].append(shown.amount or 0)
    return amounts.never_negative(seen)


def never_more_than_there_is(evidence: Evidence) -> Cases:
    """Things alone are asked, so that it is judged also where accounts do not show what they hold."""
    return amounts.never_more_than_there_is(evidence.opened, _taken(evidence))


def _held(evidence: Evidence) -> Mapping[str, int | None]:
    return {account: shown.amount for account, shown in evidence.held.items()}


def _taken(evidence: Evidence) -> Mapping[str, Mapping[str, int]]:
    """What things hold, by the commands that have placed them."""
    return {
        thing: evidence.placed[thing].command.moves
        for thing, shown in evidence.read.items()
        if shown.state in evidence.states.holds and thing in evidence.placed
    }


def ended_hold_nothing(evidence: Evidence) -> Cases:
    return amounts.hold_what_is_due(
        Holding(thing, shown.state, evidence.moved(thing), {})
        for thing, shown in evidence.read.items()
        if shown.state not in evidence.states.holds
        and any(told.event.moves for told in evidence.told_of.get(thing, ()))
    )


def holders_hold_all(evidence: Evidence) -> Cases:
    return amounts.hold_what_is_due(
        Holding(thing, evidence.read[thing].state, evidence.moved(thing), due)
        for thing, due in _taken(evidence).items()
    )


# --- states ---------------------------------------------------------------------------------------


def only_allowed_steps(evidence: Evidence) -> Cases:
    """By partition: two of them have no order."""
    ordered: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for told in evidence.first_told:
        if told.event.state:
            ordered[told.about, told.topic, told.partition].append(told.event.state)
    return states.only_allowed_steps(
        ((thing, seen) for (thing, _, _), seen in ordered.items()), evidence.states.leads
    )


def final_states_reached(evidence: Evidence) -> Cases:
    return states.ends_well(
        (thing, shown.state, shown.state in evidence.states.final)
        for thing, shown in evidence.read.items()
    )


# --- readers --------------------------------------------------------------------------------------


def write_side_is_view(evidence: Evidence) -> Cases:
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


def readers_never_go_back(evidence: Evidence) -> Cases:
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


def dead_letters_are_the_poison(evidence: Evidence) -> Cases:
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


def rest_is_reached(evidence: Evidence) -> Cases:
    return iter(()) if evidence.missing is None else rest.rest_is_reached(evidence.missing)


def no_process_falls(evidence: Evidence) -> Cases:
    return rest.no_process_falls(evidence.falls, len(evidence.processes))


def _acknowledged(evidence: Evidence) -> Iterator[Op]:
    return (op for op in evidence.ops if op.ok and op.command.do in ENDS)


def _name(op: Op) -> str:
    return f"{op.command.do} {op.about or f'with mark {op.command.mark}'}"


def _all(values: Collection[str]) -> str:
    return ", ".join(sorted(values))


_S = Sight
PROMISES: tuple[Checker[Evidence], ...] = (
    Checker(
        "acknowledged has its event",
        "Every command that was acknowledged is told by an event.",
        acknowledged_has_its_event,
        at_rest=True,
        usually="a commit and then a send, with a crash or an outage between; an event sent and not waited for",
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        "acknowledged has its effect",
        "What was acknowledged is there at rest, as the client has said it.",
        acknowledged_has_its_effect,
        at_rest=True,
        usually="an answer before the commit; a value that is never computed or stored",
        needs=_S.READS,
    ),
    Checker(
        "refused has none",
        "A command that was refused has no event, and no effect.",
        refused_has_none,
        usually="a refusal after the first of two steps; an event sent before the commit",
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        "keys count once",
        "Two requests with one idempotency key are one command.",
        keys_count_once,
        usually="a key that is stored beside the transaction, or that is not looked up",
        needs=_S.IDEMPOTENCY | _S.MARKS | _S.READS,
    ),
    Checker(
        "no event nobody asked for",
        "Every event is about a thing that a client has asked for.",
        no_event_unasked,
        usually="an event sent before a commit that then fails; ids given twice",
        needs=_S.MARKS | _S.RECORDS,
    ),
    Checker(
        "one partition per key",
        "The events of one thing lie in one partition of each topic.",
        one_partition_per_key,
        usually="no key, a random key, or the key of something else; partitions that were added",
        needs=_S.RECORDS,
    ),
    Checker(
        "order per key",
        "The events of one thing stand in each topic in the order of its versions.",
        order_per_key,
        usually="two senders; sends that overtake each other; a failed send that later ones do not wait for",
        needs=_S.RECORDS | _S.VERSIONS,
    ),
    Checker(
        "told once",
        "Events are repeated only where faults explain it.",
        told_once,
        usually="a sender that does not note what it has sent; a cursor that goes back",
        needs=_S.RECORDS | _S.EVENT_IDS,
    ),
    Checker(
        "one effect per cause",
        "Each effect of a cause happens once, however often the cause is delivered.",
        one_effect_per_cause,
        usually="check, act, mark as three commits; no inbox; a mark outside of the effect's transaction",
        needs=_S.RECORDS | _S.MOVES | _S.EVENT_IDS,
    ),
    Checker(
        "events have their effect",
        "What an event tells of a thing shows in the thing at rest.",
        events_have_their_effect,
        at_rest=True,
        usually="an offset committed before the effect; a handler that logs its failure and goes on; an event sent before its commit",
        needs=_S.READS | _S.RECORDS,
    ),
    Checker(
        "amounts conserved",
        "What accounts hold is what they held and what events say was moved.",
        conserved,
        at_rest=True,
        usually="an effect without its event, or an event without its effect; a read, then a write of the sum",
        needs=_S.RECORDS | _S.MOVES | _S.AMOUNTS,
    ),
    Checker(
        "amounts are held by things",
        "What is missing from accounts is held by things that are there.",
        taken_by_things,
        at_rest=True,
        usually="effects that happen twice or never; ended things that give nothing back",
        needs=_S.READS | _S.AMOUNTS | _S.MARKS,
    ),
    Checker(
        "never negative",
        "No account ever shows less than nothing.",
        never_negative,
        usually="a check and an update in two statements, without a lock or a condition",
        needs=_S.AMOUNTS,
    ),
    Checker(
        "never more than there is",
        "Things hold no more of an account than it had, and nothing of one that there is not.",
        never_more_than_there_is,
        at_rest=True,
        usually="no check at all; a check that others overtake; something given back that was never taken",
        needs=_S.READS,
    ),
    Checker(
        "ended things hold nothing",
        "A thing that has ended has given back all that it took.",
        ended_hold_nothing,
        at_rest=True,
        usually="an end without compensation; an end that overtakes the reservation",
        needs=_S.READS | _S.RECORDS | _S.MOVES,
    ),
    Checker(
        "things hold what they took",
        "A thing in a state that holds has all that its command says, and no more.",
        holders_hold_all,
        at_rest=True,
        usually="half of a reservation; a reservation that was never noted, or noted for nothing",
        needs=_S.READS | _S.RECORDS | _S.MOVES | _S.MARKS,
    ),
    Checker(
        "only allowed steps",
        "Events tell of no step that the states do not have.",
        only_allowed_steps,
        usually="a state that is overwritten without a look at the one before",
        needs=_S.RECORDS,
    ),
    Checker(
        "final states reached",
        "At rest, no thing is left half-way.",
        final_states_reached,
        at_rest=True,
        usually="an event that was lost, or its effect; a message that is given up without a word",
        needs=_S.READS,
    ),
    Checker(
        "write side is view",
        "At rest, the query side shows what the write side has.",
        write_side_is_view,
        at_rest=True,
        usually="an older event that overwrites a newer one; an event that a projection has missed",
        needs=_S.READS | _S.VIEWS,
    ),
    Checker(
        "readers never go back",
        "A reader never sees an earlier state after a later one.",
        readers_never_go_back,
        usually="replicas or caches of different age; an older event that overwrites a newer one",
        needs=_S.READS,
    ),
    Checker(
        "dead letters are the poison",
        "What nobody can handle is parked, and nothing else is.",
        dead_letters_are_the_poison,
        at_rest=True,
        usually="an outage that counts as a failure of the message; poison that is logged and dropped",
        needs=_S.DEAD_LETTERS,
    ),
    Checker(
        "rest is reached",
        "Once faults are healed and clients are silent, every lag is zero and nothing moves.",
        rest_is_reached,
        usually="a consumer that has died silently; a message that is retried without end",
        keeps=_S.GROUPS,
    ),
    Checker(
        "no process falls",
        "No process ends by itself.",
        no_process_falls,
        usually="an outage or a bad message that is an unhandled error",
    ),
)
