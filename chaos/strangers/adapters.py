"""Finds the adapter in a file of the user's, and says in one line what is wrong with it."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import get_args

from chaos.kit.blackbox import (
    PROMISES,
    Blind,
    Do,
    Event,
    Kind,
    Process,
    Record,
    Sight,
    States,
    Stranger,
    Topic,
    Unreadable,
    Workload,
    names,
)

HERE = Path(__file__).parent
SHIPPED = {
    "naive": f"{HERE / 'naive' / 'adapter.py'}:Naive",
    "repaired": f"{HERE / 'naive' / 'adapter.py'}:Repaired",
    "ours": f"{HERE / 'ours.py'}",
}
"""What `judge` also takes instead of a file: the systems that come with the kit."""


_READY = re.compile(r"GET /\S*|tcp|running")


class BadAdapter(Exception):
    """An adapter cannot be used. One line, which says what to do."""


def load(name: str) -> tuple[Stranger, Path]:
    """The stranger of `FILE.py` or `FILE.py:CLASS`, and the file's folder. Raises BadAdapter."""
    path, _, wanted = SHIPPED.get(name, name).partition(":")
    file = Path(path)
    if not file.is_file():
        raise BadAdapter(
            f"there is no file {path}; `python -m chaos strangers new NAME` writes one"
        )
    found = _strangers(file)
    if wanted and wanted not in found:
        raise BadAdapter(f"{path} has no adapter {wanted}; it has {', '.join(found) or 'none'}")
    if not found:
        raise BadAdapter(f"{path} has no subclass of Stranger")
    chosen = found[wanted] if wanted else next(iter(found.values()))
    try:
        stranger = chosen()
    except TypeError as error:  # an abstract method, which its text names
        raise BadAdapter(f"{path}: {error}") from None
    except Exception as error:
        raise BadAdapter(
            f"{path}: {chosen.__name__}() raised {type(error).__name__}: {error}"
        ) from error
    _check(stranger, path)
    return stranger, file.parent.resolve()


def _strangers(file: Path) -> dict[str, type[Stranger]]:
    spec = importlib.util.spec_from_file_location(f"adapter_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise BadAdapter(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BadAdapter(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    return {
        name: found
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and issubclass(found, Stranger)
        and found.__module__ == module.__name__
    }


def events_of(stranger: Stranger, record: Record) -> Sequence[Event]:
    """What a record tells. Raises Unreadable, and BadAdapter."""
    seen = f"for {record.place} {record.value[:200]!r}"
    try:
        events: list[object] = list(stranger.events(record))
    except Unreadable:
        raise
    except Exception as error:
        raise BadAdapter(f"events() raised {type(error).__name__}: {error} {seen}") from error
    for one in events:
        if said := _wrong_with(one):
            raise BadAdapter(f"events() gave {one!r}, {said}, {seen}")
    return [one for one in events if isinstance(one, Event)]


def _wrong_with(event: object) -> str:
    """Empty: nothing."""
    if not isinstance(event, Event):
        return "and no Event"
    said: Mapping[str, object] = {"about": event.about, "state": event.state}
    for field, text in said.items():
        if not isinstance(text, str):
            return f"whose {field} is no text"
    if not are_numbers(event.mark, *event.moves.values()):
        return "whose mark and moves are no numbers"
    return next(_strange("kind", "kind", (event.kind,), get_args(Kind)), "")


def are_numbers(*said: object) -> bool:
    return all(isinstance(one, int | float | Decimal) for one in said)


Wrong = Iterator[str]
"""What is wrong, each with the field first, as its author has to find it."""


def _check(stranger: Stranger, path: str) -> None:
    """Raises BadAdapter for the first thing that is wrong. What follows rests on what came before."""
    for wrong in (_kinds, _sights, _topics, _processes, _tells, _states, _workload, _known):
        for said in wrong(stranger):
            raise BadAdapter(f"{path}: {said}")


ONE: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "states": States,
    "sees": Sight,
    "tells": Mapping,
    "known": Mapping,
    "workload": Workload,
    "quiet_s": (int, float),
    "rest_s": (int, float),
}
SEVERAL: Mapping[str, type] = {
    "needs": str,
    "topics": Topic,
    "processes": Process,
    "blind": Blind,
}


def _kinds(stranger: Stranger) -> Wrong:
    for field, kind in {**ONE, **SEVERAL}.items():
        if not hasattr(stranger, field):
            yield f"`{field}` is not set"
            continue
        value = getattr(stranger, field)
        if field in ONE and not isinstance(value, kind):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            yield f"`{field}` is {value!r}, and no {' or '.join(one.__name__ for one in kinds)}"
        if field in SEVERAL and not _are_several(value, SEVERAL[field]):
            yield f"`{field}` wants each {SEVERAL[field].__name__} in a tuple, also a single one: (…,)"


def _are_several(value: object, kind: type) -> bool:
    """A text is a collection, too, of its letters."""
    return (
        isinstance(value, Collection)
        and not isinstance(value, str)
        and all(isinstance(one, kind) for one in value)
    )


def _sights(stranger: Stranger) -> Wrong:
    said = stranger.sees
    for blind in stranger.blind:
        if blind.sight & stranger.sees:
            yield f"{names(blind.sight & stranger.sees)} is in sees and in blind"
        said |= blind.sight
    if unsaid := ~Sight(0) & ~said:
        yield f"say of {names(unsaid)} whether it can be seen (sees), or why not (blind)"


def _topics(stranger: Stranger) -> Wrong:
    if stranger.topics and "kafka" not in stranger.needs:
        yield "it has topics, and kafka is not among `needs`"
    yield from _twice("topics", (topic.name for topic in stranger.topics))
    for topic in stranger.topics:
        if topic.partitions < 1:
            yield f"topic {topic.name}: partitions: at least 1"
        yield from _strange(f"{topic.name}: by", "process", topic.writers, _process_names(stranger))


def _processes(stranger: Stranger) -> Wrong:
    """What they are called by must be there, and none may wait for itself."""
    known = _process_names(stranger)
    if not known:
        yield "processes: at least 1"
    yield from _twice("processes", (process.name for process in stranger.processes))
    for process in stranger.processes:
        if not process.argv or not _are_several(process.argv, str):
            yield f'{process.name}: argv wants a text for each word: ("./shop", "serve")'
        if not _are_several(process.env.values(), str):
            yield f"{process.name}: env wants texts"
        if not _READY.fullmatch(process.ready):
            yield f"{process.name}: ready is {process.ready!r}; there are GET /PATH, tcp and running"
        if process.falls not in ("failure", "restart"):
            yield f"{process.name}: falls is {process.falls!r}; there are failure and restart"
        yield from _strange(f"{process.name}: after", "process", process.after, known)
    try:
        TopologicalSorter({each.name: each.after for each in stranger.processes}).prepare()
    except CycleError as error:
        yield f"after: {' waits for '.join(error.args[1])}"


def _tells(stranger: Stranger) -> Wrong:
    yield from _strange("tells", "command", stranger.tells, get_args(Do))
    for do, kinds in stranger.tells.items():
        if not _are_several(kinds, str):
            yield f'tells: {do} wants its kinds in a tuple, also a single one: ("placed",)'
        yield from _strange(f"tells: {do}", "kind", kinds, get_args(Kind))


def _states(stranger: Stranger) -> Wrong:
    states = stranger.states
    yield from _strange(
        "states: after", "command or kind", states.after, (*get_args(Do), *get_args(Kind))
    )
    named = {"final": states.final, "holds": states.holds}
    named |= {f"steps from {state}": after for state, after in states.steps.items()}
    named |= {f"after {what}": allowed for what, allowed in states.after.items()}
    known = {*states.steps, *(state for after in states.steps.values() for state in after)}
    for where, some in named.items():
        if not _are_several(some, str):
            yield f'states: {where} wants a set, also of a single one: {{"DONE"}}'
        elif known:
            yield from _strange(f"states: {where}", "state in `steps`", some, known)


def _workload(stranger: Stranger) -> Wrong:
    workload = stranger.workload
    for what, least in {"accounts": 2, "clients": 1, "lines": 1, "quantity": 1}.items():
        if getattr(workload, what) < least:
            yield f"workload: {what}: at least {least}"
    yield from _strange("workload: weights", "command", workload.weights, get_args(Do))
    if not sum(workload.weights.values()):
        yield "workload: weights: at least one above 0"


def _known(stranger: Stranger) -> Wrong:
    yield from _strange("known", "promise", stranger.known, [promise.name for promise in PROMISES])


def _strange(where: str, what: str, said: Iterable[str], known: Collection[str]) -> Wrong:
    if unknown := sorted(set(said) - set(known)):
        yield f"{where}: there is no {what} {', '.join(map(repr, unknown))}; there are {', '.join(known)}"


def _twice(where: str, said: Iterable[str]) -> Wrong:
    for name, times in Counter(said).items():
        if times > 1:
            yield f"{where}: {name} is there {times} times"


def _process_names(stranger: Stranger) -> list[str]:
    return sorted({process.name for process in stranger.processes})
