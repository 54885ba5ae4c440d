"""The generic promises, judged from HTTP and topics alone.

Each is a pure function over the evidence, which yields one item per case: KEPT, or a breach. None
knows what the system is about: a thing takes amounts from accounts, and goes from state to state.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from chaos.kit.blackbox.evidence import Evidence, Op, Told
from chaos.kit.blackbox.language import Do, Shown
from chaos.kit.blackbox.stranger import Sight
from chaos.kit.blackbox.verdicts import KEPT, Breach, Promise

REPEATS_PER_FAULT = 15
"""What a sender may have in hand when it is struck, and sends again."""

MAKES: frozenset[Do] = frozenset({"place", "move"})
ENDS: frozenset[Do] = frozenset({"place", "move", "advance", "cancel"})

Cases = Iterator[Breach | None]


# --- commands -------------------------------------------------------------------------------------


def acknowledged_has_its_event(evidence: Evidence) -> Cases:
    marks = {(told.event.kind, told.event.mark) for told in evidence.first_told}
    things = {(told.event.kind, told.event.about) for told in evidence.first_told}
    for op in _acknowledged(evidence):
        kinds = evidence.tells.get(op.command.do, ())
        if not kinds:
            continue
        is_told = any(
            (op.command.mark and (kind, op.command.mark) in marks) or (kind, op.about) in things
            for kind in kinds
        )
        yield (
            KEPT
            if is_told
            else Breach(f"{_name(op)} was acknowledged, and no event tells of it", op.about)
        )


def acknowledged_has_its_effect(evidence: Evidence) -> Cases:
    for op in _acknowledged(evidence):
        shown = evidence.read.get(op.about)
        if not op.about:
            continue
        if shown is None:
            yield Breach(f"{_name(op)} was acknowledged, and {op.about} is not there", op.about)
        elif wrong := _differs(op, shown):
            yield Breach(f"{_name(op)} was acknowledged, and {op.about} {wrong}", op.about)
        else:
            allowed = evidence.states.after.get(op.command.do, (shown.state,))
            yield (
                KEPT
                if shown.state in allowed
                else Breach(
                    f"{_name(op)} was acknowledged, and {op.about} is {shown.state} at rest",
                    op.about,
                )
            )


def _differs(op: Op, shown: Shown) -> str:
    if op.command.do not in MAKES:
        return ""
    if shown.mark is not None and shown.mark != op.command.mark:
        return f"has the mark {shown.mark}, not {op.command.mark}"
    if shown.amount is not None and shown.amount != op.command.worth:
        return f"costs {shown.amount}, not {op.command.worth}"
    return ""


def refused_has_none(evidence: Evidence) -> Cases:
    """Only a mark tells that an effect is this command's, and not that of another like it."""
    marks = {told.event.mark: told for told in evidence.told if told.event.mark}
    done = {op.command.mark for op in evidence.ops if op.meant.outcome != "fail"}
    shown = {one.mark: thing for thing, one in evidence.read.items() if one.mark}
    for op in evidence.ops:
        mark = op.command.mark
        if op.command.do not in MAKES or op.meant.outcome != "fail" or mark in done:
            continue
        if mark in marks:
            place = marks[mark].record.place
            yield Breach(
                f"{_name(op)} was refused, and {place} tells of it", marks[mark].event.about
            )
        elif mark in shown:
            yield Breach(f"{_name(op)} was refused, and {shown[mark]} is there", shown[mark])
        else:
            yield KEPT


def keys_count_once(evidence: Evidence) -> Cases:
    sent: dict[str, list[Op]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.key and op.command.do in MAKES:
            sent[op.command.key].append(op)
    made: dict[int, set[str]] = defaultdict(set)
    for thing, shown in evidence.read.items():
        if shown.mark:
            made[shown.mark].add(thing)
    for key, ops in sent.items():
        if len(ops) < 2:
            continue
        things = {op.meant.about for op in ops if op.ok} | made[ops[0].command.mark]
        yield (
            KEPT
            if len(things) < 2
            else Breach(
                f"key {key} was sent {len(ops)} times, and made {_all(things)}", min(things)
            )
        )


# --- events ---------------------------------------------------------------------------------------


def no_event_unasked(evidence: Evidence) -> Cases:
    asked = {op.command.mark for op in evidence.ops if op.meant.outcome != "fail"}
    known = set(evidence.placed)
    for record, why in evidence.unreadable:
        yield Breach(f"{record.place} cannot be read: {why}")
    for told in evidence.first_told:
        event = told.event
        if not event.about:
            continue
        is_asked = event.mark in asked if event.mark else event.about in known
        yield (
            KEPT
            if is_asked
            else Breach(
                f"{told.record.place} tells {event}, and nobody has asked for it", event.about
            )
        )


def one_partition_per_key(evidence: Evidence) -> Cases:
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for told in evidence.first_told:
        if told.event.about:
            places[told.event.about, told.record.topic].append(told.record.partition)
    for (thing, topic), partitions in places.items():
        if len(partitions) > 1:
            yield (
                KEPT
                if len(set(partitions)) == 1
                else Breach(
                    f"{thing} in {topic}: partitions {_all(partitions)}, which have no order", thing
                )
            )


def order_per_key(evidence: Evidence) -> Cases:
    versions: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for told in evidence.first_told:
        if told.event.version is not None:
            place = told.event.about, told.record.topic, told.record.partition
            versions[place].append(told.event.version)
    for (thing, topic, partition), seen in versions.items():
        if len(seen) > 1:
            yield (
                KEPT
                if seen == sorted(seen)
                else Breach(f"{thing} in {topic} {partition}: versions {seen}", thing)
            )


def told_once(evidence: Evidence) -> Cases:
    if evidence.told:
        repeats = len(evidence.told) - len(evidence.first_told)
        allowed = REPEATS_PER_FAULT * len(evidence.faults)
        yield (
            KEPT
            if repeats <= allowed
            else Breach(
                f"{repeats} repeats of {len(evidence.first_told)} events, with {len(evidence.faults)} faults"
            )
        )


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
            else Breach(
                f"{thing} was {kind} {len(places)} times from {account}: {_all(places)}", thing
            )
        )


def events_have_their_effect(evidence: Evidence) -> Cases:
    for told in evidence.first_told:
        thing = told.event.about
        allowed = evidence.states.after.get(told.event.kind)
        if allowed is None or thing not in evidence.read:
            continue
        state = evidence.read[thing].state
        yield (
            KEPT
            if state in allowed
            else Breach(
                f"{told.record.place} tells {told.event}, and {thing} is {state} at rest", thing
            )
        )


# --- amounts --------------------------------------------------------------------------------------


def conserved(evidence: Evidence) -> Cases:
    """What an account holds is what it held, and what events say was moved."""
    moved: Counter[str] = Counter()
    for told in evidence.first_told:
        moved.update(told.event.moves)
    yield from _as_expected(
        evidence, {account: held + moved[account] for account, held in evidence.opened.items()}
    )


def taken_by_things(evidence: Evidence) -> Cases:
    """What an account holds is what it held, less what is held by things that are there."""
    expected = Counter(evidence.opened)
    for thing, shown in evidence.read.items():
        if shown.state in evidence.states.holds and thing in evidence.placed:
            expected.update(evidence.placed[thing].command.moves)
    yield from _as_expected(evidence, expected)


def _as_expected(evidence: Evidence, expected: Mapping[str, int]) -> Cases:
    for account, amount in expected.items():
        shown = evidence.held.get(account)
        if shown is None or shown.amount is None:
            yield Breach(f"account {account} is not there, and should show {amount}")
        elif shown.amount != amount:
            lost = "made" if shown.amount > amount else "lost"
            yield Breach(
                f"account {account} shows {shown.amount}, not {amount}:"
                f" {abs(shown.amount - amount)} {lost}"
            )
        else:
            yield KEPT


def never_negative(evidence: Evidence) -> Cases:
    seen: dict[str, list[int]] = defaultdict(list)
    for op in evidence.ops:
        if op.command.do in ("read account", "view account") and op.meant.shows is not None:
            seen[op.command.about].append(op.meant.shows.amount or 0)
    for account, shown in evidence.held.items():
        seen[account].append(shown.amount or 0)
    for account, amounts in seen.items():
        yield KEPT if min(amounts) >= 0 else Breach(f"account {account} showed {min(amounts)}")


def never_more_than_there_is(evidence: Evidence) -> Cases:
    """Things alone are asked, so that it is judged also where accounts do not show what they hold."""
    left, last = Counter(evidence.opened), dict[str, str]()
    for thing, shown in evidence.read.items():
        if shown.state in evidence.states.holds and thing in evidence.placed:
            moves = evidence.placed[thing].command.moves
            left.update(moves)
            last |= dict.fromkeys(moves, thing)
    for account, thing in last.items():
        yield (
            KEPT
            if left[account] >= 0
            else Breach(
                f"of account {account} things hold {-left[account]} more than there was, {thing} among them",
                thing,
            )
        )


def ended_hold_nothing(evidence: Evidence) -> Cases:
    for thing, shown in evidence.read.items():
        if shown.state in evidence.states.holds or not any(
            told.event.moves for told in evidence.told_of.get(thing, ())
        ):
            continue
        left = {account: amount for account, amount in evidence.moved(thing).items() if amount}
        yield (
            KEPT
            if not left
            else Breach(f"{thing} is {shown.state} and still holds {_amounts(left)}", thing)
        )


def holders_hold_all(evidence: Evidence) -> Cases:
    for thing, shown in evidence.read.items():
        if shown.state not in evidence.states.holds or thing not in evidence.placed:
            continue
        wanted = {k: v for k, v in evidence.placed[thing].command.moves.items() if v}
        held = {account: amount for account, amount in evidence.moved(thing).items() if amount}
        yield (
            KEPT
            if held == wanted
            else Breach(
                f"{thing} is {shown.state} and holds {_amounts(held) or 'nothing'},"
                f" not {_amounts(wanted)}",
                thing,
            )
        )


# --- states ---------------------------------------------------------------------------------------


def only_allowed_steps(evidence: Evidence) -> Cases:
    for (thing, _, _), seen in _states_told(evidence.first_told).items():
        for before, after in pairwise(seen):
            yield (
                KEPT
                if evidence.states.leads(before, after)
                else Breach(f"{thing} went from {before} to {after}", thing)
            )


def _states_told(told: Iterable[Told]) -> Mapping[tuple[str, str, int], list[str]]:
    """By partition: two of them have no order."""
    ordered: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for one in told:
        if one.event.state:
            place = one.event.about, one.record.topic, one.record.partition
            ordered[place].append(one.event.state)
    return ordered


def final_states_reached(evidence: Evidence) -> Cases:
    for thing, shown in evidence.read.items():
        yield (
            KEPT
            if shown.state in evidence.states.final
            else Breach(f"{thing} is {shown.state} at rest", thing)
        )


# --- readers --------------------------------------------------------------------------------------


def write_side_is_view(evidence: Evidence) -> Cases:
    pairs = [(evidence.read, evidence.viewed), (evidence.held, evidence.held_in_views)]
    for written, viewed in pairs:
        for name in sorted(written.keys() | viewed.keys()):
            left, right = written.get(name), viewed.get(name)
            if not viewed:
                continue
            yield (
                KEPT
                if left == right
                else Breach(
                    f"{name} is {left or 'not there'} on the write side,"
                    f" and {right or 'not there'} on the query side",
                    name,
                )
            )


def readers_never_go_back(evidence: Evidence) -> Cases:
    last: dict[tuple[str, Do, str], Shown] = {}
    for op in sorted(evidence.ops, key=lambda op: op.began_s):
        if op.command.do not in ("read", "view") or op.meant.outcome == "info":
            continue
        reader = op.client, op.command.do, op.about
        before = last.get(reader)
        if op.meant.shows is None:
            if before is not None:
                yield Breach(f"{op.client} saw {op.about} {before.state}, then nothing", op.about)
            continue
        last[reader] = op.meant.shows
        if before is not None:
            yield (
                KEPT
                if evidence.states.leads(before.state, op.meant.shows.state)
                else Breach(
                    f"{op.client} saw {op.about} {before.state}, then {op.meant.shows.state}",
                    op.about,
                )
            )


# --- letters and rest -----------------------------------------------------------------------------


def dead_letters_are_the_poison(evidence: Evidence) -> Cases:
    for topic, put_in in evidence.poison.items():
        there = Counter(record.value for record in evidence.letters.get(topic, ()))
        for poison in put_in:
            yield KEPT if there[poison] else Breach(f"{poison!r} is not in {topic}")
    for topic, records in evidence.letters.items():
        for record in records:
            is_poison = record.value in evidence.poison.get(topic, ())
            yield (
                KEPT if is_poison else Breach(f"{record.place} is no poison: {record.value[:80]!r}")
            )


def rest_is_reached(evidence: Evidence) -> Cases:
    if evidence.missing is not None:
        yield from (Breach(what) for what in evidence.missing)
        if not evidence.missing:
            yield KEPT


def no_process_falls(evidence: Evidence) -> Cases:
    yield from (Breach(fall) for fall in evidence.falls)
    if evidence.processes and not evidence.falls:
        yield from (KEPT for _ in evidence.processes)


def _acknowledged(evidence: Evidence) -> Iterator[Op]:
    return (op for op in evidence.ops if op.ok and op.command.do in ENDS)


def _name(op: Op) -> str:
    return f"{op.command.do} {op.about or f'with mark {op.command.mark}'}"


def _amounts(amounts: Mapping[str, int]) -> str:
    return ", ".join(f"{amount:+d} of {account}" for account, amount in sorted(amounts.items()))


def _all(values: Iterable[object]) -> str:
    return ", ".join(map(str, sorted(set(map(str, values)))))


_S = Sight
PROMISES = (
    Promise(
        "acknowledged has its event",
        "Every command that was acknowledged is told by an event.",
        "a commit and then a send, with a crash or an outage between; an event sent and not waited for",
        _S.MARKS | _S.RECORDS,
        acknowledged_has_its_event,
        at_rest=True,
    ),
    Promise(
        "acknowledged has its effect",
        "What was acknowledged is there at rest, as the client has said it.",
        "an answer before the commit; a value that is never computed or stored",
        _S.READS,
        acknowledged_has_its_effect,
        at_rest=True,
    ),
    Promise(
        "refused has none",
        "A command that was refused has no event, and no effect.",
        "a refusal after the first of two steps; an event sent before the commit",
        _S.MARKS | _S.RECORDS,
        refused_has_none,
    ),
    Promise(
        "keys count once",
        "Two requests with one idempotency key are one command.",
        "a key that is stored beside the transaction, or that is not looked up",
        _S.IDEMPOTENCY | _S.MARKS | _S.READS,
        keys_count_once,
    ),
    Promise(
        "no event nobody asked for",
        "Every event is about a thing that a client has asked for.",
        "an event sent before a commit that then fails; ids given twice",
        _S.MARKS | _S.RECORDS,
        no_event_unasked,
    ),
    Promise(
        "one partition per key",
        "The events of one thing lie in one partition of each topic.",
        "no key, a random key, or the key of something else; partitions that were added",
        _S.RECORDS,
        one_partition_per_key,
    ),
    Promise(
        "order per key",
        "The events of one thing stand in each topic in the order of its versions.",
        "two senders; sends that overtake each other; a failed send that later ones do not wait for",
        _S.RECORDS | _S.VERSIONS,
        order_per_key,
    ),
    Promise(
        "told once",
        "Events are repeated only where faults explain it.",
        "a sender that does not note what it has sent; a cursor that goes back",
        _S.RECORDS | _S.EVENT_IDS,
        told_once,
    ),
    Promise(
        "one effect per cause",
        "Each effect of a cause happens once, however often the cause is delivered.",
        "check, act, mark as three commits; no inbox; a mark outside of the effect's transaction",
        _S.RECORDS | _S.MOVES | _S.EVENT_IDS,
        one_effect_per_cause,
    ),
    Promise(
        "events have their effect",
        "What an event tells of a thing shows in the thing at rest.",
        "an offset committed before the effect; a handler that logs its failure and goes on",
        _S.READS | _S.RECORDS,
        events_have_their_effect,
        at_rest=True,
    ),
    Promise(
        "amounts conserved",
        "What accounts hold is what they held and what events say was moved.",
        "an effect without its event, or an event without its effect; a read, then a write of the sum",
        _S.RECORDS | _S.MOVES | _S.AMOUNTS,
        conserved,
        at_rest=True,
    ),
    Promise(
        "amounts are held by things",
        "What is missing from accounts is held by things that are there.",
        "effects that happen twice or never; ended things that give nothing back",
        _S.READS | _S.AMOUNTS | _S.MARKS,
        taken_by_things,
        at_rest=True,
    ),
    Promise(
        "never negative",
        "No account ever shows less than nothing.",
        "a check and an update in two statements, without a lock or a condition",
        _S.AMOUNTS,
        never_negative,
    ),
    Promise(
        "never more than there is",
        "Things hold no more of an account than it had, and nothing of one that there is not.",
        "no check at all; a check that others overtake; something given back that was never taken",
        _S.READS,
        never_more_than_there_is,
        at_rest=True,
    ),
    Promise(
        "ended things hold nothing",
        "A thing that has ended has given back all that it took.",
        "an end without compensation; an end that overtakes the reservation",
        _S.READS | _S.RECORDS | _S.MOVES,
        ended_hold_nothing,
        at_rest=True,
    ),
    Promise(
        "things hold what they took",
        "A thing in a state that holds has all that its command says, and no more.",
        "half of a reservation; a reservation that was never noted, or noted for nothing",
        _S.READS | _S.RECORDS | _S.MOVES | _S.MARKS,
        holders_hold_all,
        at_rest=True,
    ),
    Promise(
        "only allowed steps",
        "Events tell of no step that the states do not have.",
        "a state that is overwritten without a look at the one before",
        _S.RECORDS,
        only_allowed_steps,
    ),
    Promise(
        "final states reached",
        "At rest, no thing is left half-way.",
        "an event that was lost, or its effect; a message that is given up without a word",
        _S.READS,
        final_states_reached,
        at_rest=True,
    ),
    Promise(
        "write side is view",
        "At rest, the query side shows what the write side has.",
        "an older event that overwrites a newer one; an event that a projection has missed",
        _S.READS | _S.VIEWS,
        write_side_is_view,
        at_rest=True,
    ),
    Promise(
        "readers never go back",
        "A reader never sees an earlier state after a later one.",
        "replicas or caches of different age; an older event that overwrites a newer one",
        _S.READS,
        readers_never_go_back,
    ),
    Promise(
        "dead letters are the poison",
        "What nobody can handle is parked, and nothing else is.",
        "an outage that counts as a failure of the message; poison that is logged and dropped",
        _S.DEAD_LETTERS,
        dead_letters_are_the_poison,
        at_rest=True,
    ),
    Promise(
        "rest is reached",
        "Once faults are healed and clients are silent, every lag is zero and nothing moves.",
        "a consumer that has died silently; a message that is retried without end",
        Sight(0),
        rest_is_reached,
        keeps=_S.GROUPS,
    ),
    Promise(
        "no process falls",
        "No process ends by itself.",
        "an outage or a bad message that is an unhandled error",
        Sight(0),
        no_process_falls,
    ),
)
