"""What each kind of fault means, and whether a fault can hit a workload at all.

A fault that hits nothing would let a replay say that all promises were kept, of a run in which
nothing happened.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from math import isfinite

from chaos.kit.simulated.faults import (
    COMMIT,
    IN_TIME,
    BadReplay,
    Fault,
    PointFault,
    TimedFault,
    kinds_at,
    parse,
)
from chaos.kit.simulated.nemeses.kinds import STORES
from chaos.kit.simulated.subject import Subject
from chaos.kit.simulated.workload import Workload
from system.kit.events import PARTITIONS
from system.kit.ports.log import Log, Subscription
from system.kit.ports.views import Views, ViewStore

MEANINGS = {
    "error": "the call never arrives: the connection breaks on the way there",
    "lost": "the call took effect, and its answer is lost",
    "conflict": "the statement meets a deadlock or a lock wait",
    "ghost": "the COMMIT arrives when its sender has given it up",
    "crash": "the process is killed there, and started again a moment later",
    "pause": "the process stands still there for longer than any lease",
    "late": "this call alone takes long, and others overtake it",
    "outage": "the store is away for so many seconds from this moment on",
    "slow": "the store takes far longer than usual, for so many seconds",
    "hang": "the store takes requests and answers none of them, for so many seconds",
    "stall": "the partition takes nothing, for so many seconds, and the others are well",
    "storm": "every statement that writes meets a conflict, for so many seconds",
    "jump": "the process's wall clock jumps by so many seconds",
    "rebalance": "the group deals its partitions anew",
    "duplicate": "the topic's records come once more",
    "restart": "the process is asked to stop, and started again",
}
LASTING = ("store", "partition")
"""What is away for a while."""
LONGEST_S = 3_600.0
"""No fault begins later or lasts longer, so that each run comes to an end."""


def _methods(*ports: type) -> set[str]:
    return {name for port in ports for name in vars(port) if not name.startswith("_")}


_OF_PORTS = {f"log.{name}" for name in _methods(Log, Subscription)} | {
    f"views.{name}" for name in _methods(Views, ViewStore)
}


def calls(subject: Subject) -> list[str]:
    """Every call to a store at which a process can be hit."""
    statements = {
        f"sql.{verb}-{table}"
        for verb in ("select", "insert", "update", "delete")
        for table in subject.table_names
    }
    return sorted(_OF_PORTS | statements | {COMMIT, "sql.probe"})


def fault_of(subject: Subject, text: str, workload: Workload) -> Fault:
    """Read a fault that can hit this workload. Raises BadReplay."""
    kind = text.partition("@")[0]
    _known("kind of fault", kind, MEANINGS)
    fault = parse(text)
    if isinstance(fault, PointFault):
        _check_point_fault(subject, fault, workload)
    else:
        _check_timed_fault(subject, fault, workload)
    return fault


def _check_point_fault(subject: Subject, fault: PointFault, workload: Workload) -> None:
    _known("process", fault.place.process, workload.processes)
    _known("call", fault.place.call, calls(subject))
    if fault.place.nth < 1:
        raise BadReplay(f"{fault} can never come: a process's first call is number 1")
    possible = kinds_at(fault.place)
    if fault.kind not in possible:
        raise BadReplay(f"{fault.kind!r} cannot hit {fault.place}; there it is {_listed(possible)}")


def _check_timed_fault(subject: Subject, timed_fault: TimedFault, workload: Workload) -> None:
    what, targets = _targets(subject, timed_fault.kind, workload)
    _known(what, timed_fault.target, targets)
    if not 0 <= timed_fault.at_s <= LONGEST_S:
        raise BadReplay(f"{timed_fault} begins at no moment from 0 to {LONGEST_S:g} s")
    if not isfinite(timed_fault.seconds) or abs(timed_fault.seconds) > LONGEST_S:
        raise BadReplay(f"{timed_fault} lasts longer than {LONGEST_S:g} s")
    if what in LASTING and timed_fault.seconds <= 0:
        raise BadReplay(f"{timed_fault} lasts for no time")
    if what in LASTING and timed_fault.at_s + timed_fault.seconds <= workload.begins_at_s:
        raise BadReplay(
            f"{timed_fault} is over when {workload.name} begins, {workload.begins_at_s:g} s"
        )


def _targets(subject: Subject, kind: str, workload: Workload) -> tuple[str, Collection[str]]:
    """What a fault in time hits, and what there is of it."""
    assert kind in IN_TIME, f"{kind} is a fault at a point"
    match kind:
        case "jump" | "restart":
            return "process", workload.processes
        case "rebalance":
            return "group", subject.groups
        case "duplicate":
            return "topic", subject.system.topics
        case "stall":
            topics = subject.system.topics
            return "partition", [f"{topic}-{n}" for topic in topics for n in range(PARTITIONS)]
        case "storm":
            return "store", ("sql",)  # no other has conflicts
    return "store", STORES


def check_clients(names: Collection[str], workload: Workload) -> None:
    """Whether these clients can be left out. Raises BadReplay."""
    for name in names:
        _known("client", name, workload.clients)


def _known(what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    alike = get_close_matches(name, known)
    there_are = f"did you mean {' or '.join(alike)}?" if alike else f"there are {_listed(known)}"
    raise BadReplay(f"there is no {what} {name!r}; {there_are}")


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
