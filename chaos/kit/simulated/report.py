"""One self-contained page of a run: what struck whom, what every process did, and the verdicts.

No script, no font and no picture comes from elsewhere: the page can be mailed, and read in ten years.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from chaos.kit.history import Op, Outcome
from chaos.kit.simulated.faults import Seen, Spell
from chaos.kit.simulated.possible import MEANINGS
from chaos.kit.simulated.runner import Run, Schedule, is_fault
from chaos.kit.simulated.subject import Subject

WIDTH, LANE, LEFT, RIGHT = 1_000, 26, 110, 30
BACKLOG_HEIGHT = 60
COLOURS = {"sql": "#4a72b0", "log": "#d08a2e", "views": "#5a9a68"}
TRACE_MAX = 4_000
OUTCOMES = (
    '<span class="kept">ok</span>: done, and the answer came. fail: certainly not done. '
    '<span class="info">info</span>: nobody knows, since the connection broke or the server could '
    "not tell; judges allow for both."
)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { overflow: auto; max-height: 30em }
pre, .replay { background: #f4f4f2; padding: .8em; border-radius: 4px }
.replay { user-select: all; display: block; word-break: break-all }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .25em .6em; border-bottom: 1px solid #e4e4e0; vertical-align: top }
.kept { color: #2c7a3f } .broken { color: #b3261e; font-weight: 600 } .info { color: #8a6100 }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: #444 }
.struck { color: #b3261e; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818 } pre, .replay { background: #262626 }
  td, th { border-color: #333 } svg text { fill: #bbb } .kept { color: #7fca91 }
  .broken, .struck { color: #ff8a80 } .info { color: #e0b050 } }
"""


def report(run: Run, mutant: str | None = None) -> str:
    """The page of a run, perhaps with this bug switched in."""
    verdict = "broke a promise" if run.anomalies else "kept every promise"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(run.schedule.workload)}: {verdict}</title><style>{STYLE}</style>",
            f"<h1>A run of <i>{escape(run.schedule.workload)}</i> that {verdict}</h1>",
            _summary(run, mutant),
            "<h2>Replay it</h2>",
            f'<code class="replay">{escape(replay_command(run.subject, run.schedule, mutant))}</code>',
            "<h2>What every process did</h2>",
            _timeline(run),
            "<h2>Faults</h2>",
            _faults(run),
            "<h2>Verdicts</h2>",
            _verdicts(run),
            "<h2>What clients did</h2>",
            _operations(run.evidence.history),
            "<h2>Trace</h2>",
            f"<pre>{_trace(run.trace.lines)}</pre>",
            "</html>",
        )
    )


def replay_command(subject: Subject, schedule: Schedule, mutant: str | None = None) -> str:
    """What to type to see a run again."""
    return f"{subject.program} replay '{schedule}'" + (f" --mutant {mutant}" if mutant else "")


def in_order(ops: Iterable[Op]) -> list[Op]:
    """The history by its beginnings; it is recorded in the order of the answers."""
    return sorted(ops, key=lambda op: op.began_s)


def id_of(op: Op) -> str:
    """The id that a command's answer tells."""
    is_told = op.ok and op.method == "POST" and isinstance(op.json, dict)
    return str(op.json.get("id", "")) if is_told else ""


def _summary(run: Run, mutant: str | None) -> str:
    facts = (
        f"{len(run.places)} fault points passed in {run.ended_s:.1f} virtual seconds",
        f"{len(run.evidence.history)} requests",
        f"{len(run.evidence.first_told)} events in the log",
        f"trace digest <code>{run.digest}</code>",
        *([f"the bug <code>{mutant}</code>, reached {run.reached} times"] if mutant else []),
    )
    return f"<p>{'; '.join(facts)}.</p>"


def _timeline(run: Run) -> str:
    lines = run.trace.lines
    processes = sorted({line.process for line in lines if line.process != "-"})
    scale = (WIDTH - LEFT - RIGHT) / max(run.ended_s, 0.001)
    height = LANE * len(processes) + BACKLOG_HEIGHT + 50
    drawn = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline of the run">']
    drawn += _windows(run, scale, LANE * len(processes))
    for number, process in enumerate(processes):
        drawn += _lane(process, number * LANE, lines, scale)
    drawn += _backlog(run, scale, LANE * len(processes) + 10)
    drawn += _axis(run.ended_s, scale, height - 12)
    return "\n".join([*drawn, "</svg>", _legend()])


def _windows(run: Run, scale: float, height: float) -> Iterator[str]:
    for fault in run.schedule.faults:
        if isinstance(fault, Spell):
            x, width = LEFT + fault.at_s * scale, max(2.0, abs(fault.seconds) * scale)
            yield (
                f'<rect x="{x:.1f}" y="0" width="{width:.1f}" height="{height}" fill="#b3261e" '
                f'opacity=".15"><title>{escape(str(fault))}</title></rect>'
            )


def _lane(process: str, y: float, lines: Sequence[Seen], scale: float) -> Iterator[str]:
    yield f'<text x="0" y="{y + 16}">{escape(process)}</text>'
    yield f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y + 12}" y2="{y + 12}" stroke="#8886"/>'
    for line in lines:
        if line.process != process:
            continue
        x = LEFT + line.time_s * scale
        title = f"<title>{line.time_s:.4f} s: {escape(line.what)}</title>"
        if line.what.startswith("STRUCK"):
            yield f'<circle cx="{x:.1f}" cy="{y + 12}" r="6" fill="#b3261e">{title}</circle>'
        else:
            colour = COLOURS.get(line.what.partition(".")[0], "#888")
            yield (
                f'<rect x="{x:.1f}" y="{y + 5}" width="1.5" height="14" fill="{colour}">{title}</rect>'
            )


def _backlog(run: Run, scale: float, y: float) -> Iterator[str]:
    """How many records each group had still to read, all groups together."""
    steps = run.lag
    most = max((records for _, records in steps), default=0) or 1
    places = " ".join(
        f"{LEFT + time_s * scale:.1f},{y + BACKLOG_HEIGHT * (1 - records / most):.1f}"
        for time_s, records in steps
    )
    yield f'<text x="0" y="{y + 16}">lag, up to {most}</text>'
    yield f'<polyline points="{places}" fill="none" stroke="#8a4fb0" stroke-width="1.5"/>'


def _axis(ended_s: float, scale: float, y: float) -> Iterator[str]:
    for tenth in range(11):
        time_s = ended_s * tenth / 10
        yield f'<text x="{LEFT + time_s * scale - 10:.1f}" y="{y}">{time_s:.2f} s</text>'


def _legend() -> str:
    marks = " ".join(
        f'<span style="color:{colour}">▮</span> {store}' for store, colour in COLOURS.items()
    )
    return f'<p>{marks} <span class="struck">●</span> a fault strikes. Each mark has its words.</p>'


def _faults(run: Run) -> str:
    if not run.schedule.faults:
        return "<p>None: this run was left alone.</p>"
    never = run.never_struck
    items = "".join(
        f"<li><code>{escape(str(fault))}</code>: {escape(MEANINGS[fault.kind])}"
        f"{' <b>(never reached)</b>' if fault in never else ''}</li>"
        for fault in run.schedule.faults
    )
    return f"<ul>{items}</ul>"


def _verdicts(run: Run) -> str:
    count = Counter(found.checker for found in run.anomalies)
    rows = []
    for checker in run.subject.checkers.values():
        mark = (
            '<td class="broken">broken</td>'
            if count[checker.name]
            else '<td class="kept">kept</td>'
        )
        seen = "".join(
            f"<br><b>{escape(found.name)}</b>: {escape(found.seen)}<br>{escape(run.subject.anomalies[found.name])}"
            for found in run.anomalies
            if found.checker == checker.name
        )
        name = f"<code>{checker.name}</code>"
        rows.append(f"<tr>{mark}<td>{name}</td><td>{escape(checker.promise)}{seen}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _operations(ops: Sequence[Op]) -> str:
    kinds = {Outcome.OK: "kept", Outcome.FAIL: "", Outcome.INFO: "info"}
    rows = "".join(
        f"<tr><td>{op.began_s:.4f}</td><td>{escape(op.client)}</td>"
        f"<td><code>{escape(f'{op.method} {op.path}')}</code></td><td>{escape(id_of(op))}</td>"
        f"<td><code>{escape(op.key or '')}</code></td>"
        f'<td class="{kinds[op.outcome]}">{op.outcome.value}</td><td>{op.status or ""}</td></tr>'
        for op in in_order(ops)
    )
    columns = ("at, s", "client", "request", "id", "Idempotency-Key", "outcome", "status")
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f"<p>{OUTCOMES}</p><table><tr>{head}</tr>{rows}</table>"


def _trace(lines: Sequence[Seen]) -> str:
    shown = []
    for line in lines[:TRACE_MAX]:
        text = escape(f"{line.time_s:10.4f}  {line.process:<12}{line.what}")
        shown.append(f'<span class="struck">{text}</span>' if is_fault(line) else text)
    if len(lines) > TRACE_MAX:
        shown.append(f"… and {len(lines) - TRACE_MAX} lines more")
    return "\n".join(shown)
