"""The evidence of a run in a folder, by which it can be judged again.

run.json            what ran, and when its clock began: all seconds count from there
history.jsonl       every request, with its answer, its outcome, and why none came
rows/TABLE.jsonl    the write model
records/TOPIC.jsonl the log, dead letters too
views/VIEW.jsonl    the documents of the live views
shown/LIST.jsonl    what the query side answered at rest
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.kit.servers import plain
from chaos.kit.servers.timeline import Timeline
from system.kit.ports.log import Message, Partition, Record, Unreadable
from system.kit.ports.views import Document
from system.table import SHOP

RUN = "run.json"
HISTORY = "history"
Line = dict[str, Any]  # one line, as it was before it was kept


class NoEvidence(Exception):
    """There is no evidence of a run in a folder, or it is not whole. One line that says what."""


def keep(evidence: Evidence, folder: Path, timeline: Timeline, **facts: object) -> None:
    """Write it down, with what else is to be known of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, HISTORY, (_op(op, timeline) for op in evidence.history))
    for table, rows in evidence.tables.items():
        _write(folder / "rows", table, map(dict, rows))
    for topic, records in evidence.log.items():
        _write(folder / "records", topic, map(_record, records))
    for view, documents in evidence.views.items():
        _write(folder / "views", view, map(asdict, documents.values()))
    for name, items in evidence.shown.items():
        _write(folder / "shown", name, map(dict, items))
    run = {
        **facts,
        "began_at": timeline.began_at,
        "missing": list(evidence.missing),
        "failures": list(evidence.failures),
        "disturbances": evidence.disturbances,
        "forced": sorted(evidence.forced),
    }
    (folder / RUN).write_text(f"{plain.dumps(run)}\n", encoding="utf-8")


def kept(folder: Path) -> Evidence:
    """Read it again. Raises NoEvidence."""
    try:
        run = plain.loads((folder / RUN).read_text(encoding="utf-8"))
        return Evidence(
            SHOP,
            history=[_op_again(line) for line in _read(folder / f"{HISTORY}.jsonl")],
            tables=_all(folder / "rows"),
            log={
                topic: [_record_again(line) for line in lines]
                for topic, lines in _all(folder / "records").items()
            },
            views={
                view: {line["key"]: Document(**line) for line in lines}
                for view, lines in _all(folder / "views").items()
            },
            shown=_all(folder / "shown"),
            missing=tuple(run["missing"]),
            failures=tuple(run["failures"]),
            disturbances=run["disturbances"],
            forced=frozenset(run["forced"]),
        )
    except FileNotFoundError as error:
        raise NoEvidence(
            f"{folder} holds no evidence of a run: {error.filename} is missing"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise NoEvidence(f"{folder} cannot be read: {error!r}") from error


def facts(folder: Path) -> dict[str, Any]:
    """What is known of a run beside its evidence: what ran, when it began, what was seen. Raises NoEvidence."""
    try:
        found: dict[str, Any] = plain.loads((folder / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoEvidence(
            f"{folder} holds no evidence of a run: {error.filename} is missing"
        ) from None
    return found


def runs_in(folder: Path) -> list[Path]:
    """The folder itself, or those in it that hold evidence. Raises NoEvidence."""
    found = sorted(file.parent for file in (*folder.glob(RUN), *folder.glob(f"*/{RUN}")))
    if not found:
        raise NoEvidence(f"{folder} holds no evidence of a run: there is no {RUN}")
    return found


def _op(op: Op, timeline: Timeline) -> Line:
    placed = replace(op, began_s=timeline.of_loop(op.began_s), ended_s=timeline.of_loop(op.ended_s))
    return asdict(placed)


def _op_again(line: Line) -> Op:
    return Op(**{**line, "outcome": Outcome(line["outcome"])})


def _record(record: Record) -> Line:
    """Flat, and with the key first: a person reads it, too."""
    message = record.message
    return {
        "key": message.key,
        "value": message.value,
        "headers": [list(header) for header in message.headers],
        "topic": record.partition.topic,
        "partition": record.partition.number,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "unreadable": asdict(record.unreadable) if record.unreadable else None,
    }


def _record_again(line: Line) -> Record:
    headers = tuple((name, value) for name, value in line["headers"])
    return Record(
        Message(line["topic"], line["key"], line["value"], headers),
        Partition(line["topic"], line["partition"]),
        line["offset"],
        line["timestamp_ms"],
        Unreadable(**line["unreadable"]) if line["unreadable"] else None,
    )


def _write(folder: Path, name: str, lines: Iterable[Line]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as file:
        file.writelines(f"{plain.dumps(line)}\n" for line in lines)


def _read(file: Path) -> Iterator[Line]:
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        for line in lines:
            yield plain.loads(line)


def _all(folder: Path) -> Mapping[str, list[Line]]:
    return {file.stem: list(_read(file)) for file in sorted(folder.glob("*.jsonl"))}
