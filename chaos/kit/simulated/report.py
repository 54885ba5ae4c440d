"""The page of a simulated run: what hit whom, what every process did, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.kit.causes import Causes, id_of, in_order
from chaos.kit.page import Fault, Lane, Mark, Page, Picture, Said, html
from chaos.kit.simulated.faults import OF_STORES, TimedFault
from chaos.kit.simulated.possible import MEANINGS
from chaos.kit.simulated.runner import Run, Schedule, is_fault
from chaos.kit.simulated.subject import Subject
from chaos.kit.verdicts import counted, sentence

BEFORE, AFTER = 60, 150
"""So many lines of the trace before the first fault and after the last one are a picture."""
LASTS = (*OF_STORES, "stall")

__all__ = ["id_of", "in_order", "replay_command", "report"]


def report(run: Run, mutant: str | None = None, healthy: Run | None = None) -> str:
    """The page of a run, perhaps with this bug switched in, and beside it the one without."""
    return html(_page(run, mutant, healthy))


def replay_command(subject: Subject, schedule: Schedule, mutant: str | None = None) -> str:
    """What to type to see a run again."""
    return f"{subject.program} replay '{schedule}'" + (f" --mutant {mutant}" if mutant else "")


def _page(run: Run, mutant: str | None, healthy: Run | None) -> Page:
    judged = run.verdicts
    causes, faults = _causes(run), list(_faults(run))
    suspects = causes.suspects(run.anomalies)
    said = sentence(judged, faults, run.subject.anomalies)
    if run.never_injected and not run.anomalies:
        said = f"Nothing is shown: {run.never_injected[0]} was never reached."
    return Page(
        title=f"A run of {run.schedule.workload} in simulated time",
        sentence=said,
        command=replay_command(run.subject, run.schedule, mutant),
        facts=[
            counted(judged),
            f"{len(run.places)} fault points passed in {run.ended_s:.1f} virtual seconds",
            f"{len(run.evidence.history)} requests",
            f"{len(run.evidence.first_told)} events in the log",
            f"trace digest {run.digest}",
            *(
                [f"with the bug {mutant}, whose code was reached {run.reached} times"]
                if mutant
                else []
            ),
        ],
        verdicts=judged,
        explained=run.subject.anomalies,
        stories=causes.stories(suspects, faults),
        pictures=list(_pictures(run, causes, faults, healthy)),
        faults=faults,
        asked=causes.asked(suspects, faults),
        trace=[
            Said(line.time_s, line.process, line.what, is_fault(line)) for line in run.trace.lines
        ],
    )


def _causes(run: Run) -> Causes:
    processes = run.subject.workloads[run.schedule.workload].processes
    of = {role: process for process, roles in processes.items() for role in roles}
    return Causes(run.evidence, run.started_at, process_of=lambda role: of.get(role, role))


def _faults(run: Run) -> Iterator[Fault]:
    happened = {
        line.what.partition(" ")[2]: line.time_s for line in run.trace.lines if is_fault(line)
    }
    for fault in run.schedule.faults:
        began_s = happened.get(str(fault))
        ended_s = None
        if began_s is not None and isinstance(fault, TimedFault) and fault.kind in LASTS:
            ended_s = began_s + fault.seconds
        yield Fault(str(fault), MEANINGS[fault.kind], began_s, ended_s)


def _pictures(
    run: Run, causes: Causes, faults: Sequence[Fault], healthy: Run | None
) -> Iterator[Picture]:
    began_s, ended_s = _around(run)
    if faults:
        yield _picture("Around the faults", run, causes, faults, began_s, ended_s)
    else:
        ended_s = run.ended_s
    if healthy is not None:
        caption = "The same without the bug"
        others = list(_faults(healthy))
        yield _picture(caption, healthy, _causes(healthy), others, began_s, ended_s)
    yield _picture("The whole run", run, causes, faults, 0.0, run.ended_s, is_folded=bool(faults))


def _around(run: Run) -> tuple[float, float]:
    """From some steps before the first fault to some after the last; the beginning, without any."""
    lines = run.trace.lines
    hit = [number for number, line in enumerate(lines) if is_fault(line)] or [0]
    if not lines:
        return 0.0, run.ended_s
    first, last = max(0, hit[0] - BEFORE), min(len(lines) - 1, hit[-1] + AFTER)
    return lines[first].time_s, lines[last].time_s


def _picture(
    caption: str,
    run: Run,
    causes: Causes,
    faults: Sequence[Fault],
    began_s: float,
    ended_s: float,
    *,
    is_folded: bool = False,
) -> Picture:
    return Picture(
        caption,
        [*causes.clients(), *_processes(run), causes.database(), *causes.topics()],
        began_s,
        ended_s,
        list(causes.lines(began_s, ended_s, causes.suspects(run.anomalies))),
        faults,
        run.lag,
        is_folded,
    )


def _processes(run: Run) -> list[Lane]:
    marks: dict[str, list[Mark]] = {}
    for line in run.trace.lines:
        if line.process != "-":
            kind = "fault" if is_fault(line) else line.what.partition(".")[0]
            marks.setdefault(line.process, []).append(Mark(line.time_s, line.what, kind))
    return [Lane(process, found) for process, found in sorted(marks.items())]
