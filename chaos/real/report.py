"""The page of a run on real servers, made from the evidence in its folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chaos.kit.causes import Causes
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op
from chaos.kit.page import Fault, Lane, Mark, Page, Picture, Said, html
from chaos.kit.promises import Verdict, anomalies_of
from chaos.kit.servers.timeline import Moment
from chaos.kit.verdicts import counted, sentence
from chaos.real import kept
from chaos.real.json_lines import Line, json_lines, logged_at
from chaos.shop.checkers import ANOMALIES
from system.roles import ROLES

REPORT = "report.html"
TIMELINE = "timeline.jsonl"
FAULTS = "faults.jsonl"
BEFORE_S, AFTER_S = 1.5, 3.0
"""So much before the first fault and after the last one is a picture."""
WORTH_SEEING = ("warning", "error", "critical")


def write(folder: Path, evidence: Evidence, judged: Sequence[Verdict]) -> Path:
    """Write the page of this evidence beside it, and say where. Raises NoEvidence."""
    path = folder / REPORT
    path.write_text(html(_page(folder, evidence, judged)), encoding="utf-8")
    return path


def _page(folder: Path, evidence: Evidence, judged: Sequence[Verdict]) -> Page:
    run = kept.facts(folder)
    began_s, ended_s = run.get("began_s", 0.0), run.get("ended_s", _last(evidence))
    moments = [one for one in _moments(folder) if began_s <= one.at_s <= ended_s]
    faults = list(_injected(folder) if (folder / FAULTS).is_file() else _faults(moments))
    causes = Causes(evidence, run["began_at"], client_of=_client)
    suspects = causes.suspects(anomalies_of(judged))
    said = sentence(judged, faults, ANOMALIES)
    if failure := run.get("failure"):
        said = f"{run['scenario']} has not shown what it shows: {failure}. {said}"
    return Page(
        title=f"{run.get('scenario', 'endurance')} on real servers",
        sentence=said,
        command=run.get("command", f"python -m chaos judge {folder}"),
        facts=[
            counted(judged),
            f"seed {run.get('seed')}, {run.get('database')}",
            f"{len(evidence.history)} requests, {len(evidence.first_told)} events in the whole run",
            f"its clock began at {run['began_at']:%Y-%m-%d %H:%M:%S} UTC",
        ],
        verdicts=judged,
        explained=ANOMALIES,
        stories=causes.stories(suspects, faults),
        pictures=list(_pictures(folder, run, causes, faults, suspects, began_s, ended_s)),
        faults=faults,
        proofs=run.get("seen", ()),
        recoveries=list(_recoveries(folder, run)),
        asked=[one for one in causes.asked(suspects, faults) if began_s <= one.at_s <= ended_s],
        trace=[Said(one.at_s, one.kind, one.text, one.kind == "fault") for one in moments],
    )


def _last(evidence: Evidence) -> float:
    return max((op.ended_s for op in evidence.history), default=0.0)


def _client(op: Op) -> str:
    """One lane for all who do the same: there is a client for each basket."""
    return op.client.partition("-")[0]


# --- faults ---------------------------------------------------------------------------------------


def _moments(folder: Path) -> Iterator[Moment]:
    """The clock of a run lies in its folder, or beside the folders of its scenarios."""
    for place in (folder, folder.parent):
        if (place / TIMELINE).is_file():
            yield from (Moment(**line) for line in _json_lines(place / TIMELINE))
            return


def _faults(moments: Sequence[Moment]) -> Iterator[Fault]:
    healed = [one for one in moments if one.kind == "healed"]
    for one in moments:
        if one.kind == "fault":
            end = next(
                (end for end in healed if end.text == one.text and end.at_s >= one.at_s), None
            )
            if end is not None:
                healed.remove(end)
            yield Fault(one.text, "", one.at_s, end.at_s if end else None)


def _injected(folder: Path) -> Iterator[Fault]:
    """Of an endurance run."""
    for line in _json_lines(folder / FAULTS):
        fault = line["fault"]
        text = f"{fault['kind']} {' and '.join(fault['targets'])}"
        yield Fault(text, "", line["began_s"], line["repaired_s"])


def _recoveries(folder: Path, run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if run.get("recovery_s") is not None:
        yield "no lag after the first good answer", f"{run['recovery_s']:.2f} s"
    if (folder / FAULTS).is_file():
        for line in _json_lines(folder / FAULTS):
            fault, ready_s = line["fault"], line["ready_after_s"]
            took = "the next fault did not wait" if ready_s is None else f"{ready_s:.2f} s"
            yield f"all ready after {fault['kind']} {' and '.join(fault['targets'])}", took


# --- pictures -------------------------------------------------------------------------------------


def _pictures(
    folder: Path,
    run: dict[str, Any],
    causes: Causes,
    faults: Sequence[Fault],
    suspects: Sequence[Any],
    began_s: float,
    ended_s: float,
) -> Iterator[Picture]:
    lanes = [
        *causes.clients(),
        *_roles(folder, run, causes),
        causes.database(),
        *causes.topics(),
    ]
    came = [fault for fault in faults if fault.began_s is not None]
    parts = [("The whole run", began_s, ended_s, bool(came))]
    if came:
        first_s = min(fault.began_s or 0.0 for fault in came)
        last_s = max(fault.last_s for fault in came)
        parts.insert(0, ("Around the faults", first_s - BEFORE_S, last_s + AFTER_S, False))
    for caption, from_s, to_s, is_folded in parts:
        lines = list(causes.lines(from_s, to_s, suspects))
        yield Picture(caption, lanes, from_s, to_s, lines, faults, is_folded=is_folded)


def _roles(folder: Path, run: dict[str, Any], causes: Causes) -> Iterator[Lane]:
    """What each role was asked, and what it found worth a warning."""
    logs = folder.parent / run["logs"] if "logs" in run else folder
    asked = causes.asked_of()
    for spec in ROLES:
        marks = list(asked.get(spec.name, ()))
        for log in sorted(logs.glob(f"{spec.name}*.log")):
            marks += _warnings(log, run["began_at"])
        yield Lane(spec.name, marks)


def _warnings(log: Path, began_at: datetime) -> Iterator[Mark]:
    for line in _json_lines(log):
        if line.get("level", "").lower() in WORTH_SEEING:
            at_s = (logged_at(line) - began_at) / timedelta(seconds=1)
            yield Mark(at_s, f"{line['level']}: {line.get('message', '')} {line.get('error', '')}")


def _json_lines(file: Path) -> Iterator[Line]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        yield from json_lines(lines)
