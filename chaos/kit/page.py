"""One self-contained page of a run: what broke, what hit, and how causes led to effects.

No script, no font and no picture comes from elsewhere: the page can be mailed, and read in ten years.
It knows no system. Who makes one gives lanes, lines between them, faults and verdicts; all times are
seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from chaos.kit.promises import Anomaly, Verdict

WIDTH, LANE, LEFT, RIGHT, TOP = 1_000, 24, 150, 20, 8
ROW = 14
"""Height of a fault's name above the lanes."""
BACKLOG = 50
TITLES = 6
"""Marks that fall on one place share it: so many of them are named."""
AROUND = 14
"""Lines of a trace that are shown on each side of a fault."""
FAR_MAX = 3_000
ROWS_MAX = 1_500
SEEN_MAX = 8

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 1.5em auto; padding: 0 1em;
       color: #222; background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.35em; line-height: 1.35 } h2 { font-size: 1.1em; margin-top: 2em }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { overflow: auto; max-height: 34em }
pre, .replay { background: #f4f4f2; padding: .8em; border-radius: 4px }
pre { overflow-wrap: normal; margin: .3em 0 }
.replay { user-select: all; display: block; word-break: break-all }
.wide { overflow-x: auto } .wide svg { min-width: 760px; width: 100%; height: auto; display: block }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .25em .6em; border-bottom: 1px solid #e4e4e0; vertical-align: top }
summary { cursor: pointer; padding: .3em 0 } figure { margin: 1em 0 } figcaption { font-weight: 600 }
section.broken { border-left: 4px solid #b3261e; padding: .1em 1em; margin: 1em 0 }
.says { color: #2c7a3f } .bad { color: #b3261e; font-weight: 600 } .unknown { color: #8a6100 }
svg text { font: 11px system-ui, sans-serif; fill: #555 } svg .name { fill: #b3261e; font-weight: 600 }
svg .rule { stroke: #8885 } svg .fault { fill: #b3261e; opacity: .13 } svg .cause { stroke: #555; opacity: .7 }
svg .cause, svg .suspect { fill: none; stroke-width: 1.3 } svg .suspect { stroke: #b3261e; stroke-width: 2 }
svg .lag { fill: none; stroke: #8a4fb0; stroke-width: 1.5 }
.sql { fill: #4a72b0; color: #4a72b0 } .log { fill: #d08a2e; color: #d08a2e }
.views { fill: #5a9a68; color: #5a9a68 } .injected { fill: #b3261e; color: #b3261e; font-weight: 600 }
.ok { fill: #5a9a68; color: #2c7a3f } .fail { fill: #999; color: #777 }
.info { fill: #d0a030; color: #8a6100 } .other { fill: #888; color: #888 }
@media (max-width: 700px) { pre { white-space: pre-wrap } }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818 } pre, .replay { background: #262626 }
  td, th { border-color: #333 } svg text { fill: #bbb } .says { color: #7fca91 }
  .bad, .injected, svg .name { color: #ff8a80; fill: #ff8a80 } .unknown { color: #e0b050 }
  svg .cause { stroke: #bbb } }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened on a lane."""

    at_s: float
    text: str
    kind: str = "other"
    """A class of `STYLE`: sql, log, views; ok, fail, info; hit; other."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A client, a process, a topic or a store."""

    name: str
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a picture."""

    lane: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Line:
    """From a cause to its effect."""

    cause: Spot
    effect: Spot
    text: str
    is_suspect: bool = False
    """It belongs to what broke."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to the system, and when."""

    text: str
    means: str = ""
    began_s: float | None = None
    """None: it never came."""
    ended_s: float | None = None
    """None: it hit one moment."""

    @property
    def last_s(self) -> float:
        """The last moment of one that came."""
        return self.ended_s if self.ended_s is not None else self.began_s or 0.0

    def meets(self, began_s: float, ended_s: float) -> bool:
        """Whether it came, and some of it falls into this time."""
        return self.began_s is not None and self.began_s <= ended_s and self.last_s >= began_s


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a trace, or of a story."""

    at_s: float
    who: str
    what: str
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Lanes over a part of the run's time, with the faults that fall into it."""

    caption: str
    lanes: Sequence[Lane]
    began_s: float
    ended_s: float
    lines: Sequence[Line] = ()
    faults: Sequence[Fault] = ()
    lag: Sequence[tuple[float, int]] = ()
    """At these times, so many records were still to be read."""
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client."""

    at_s: float
    client: str
    request: str
    outcome: Literal["ok", "fail", "info"]
    more: str = ""
    is_near: bool = False
    """To a fault, or to what broke."""


@dataclass(frozen=True)
class Page:
    """All that a page shows, in the order in which it is read."""

    title: str
    sentence: str
    """What broke, or that nothing did; one sentence for a reader who reads no more."""
    command: str
    """What to type to see it again."""
    facts: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    explained: Mapping[str, str] = field(default_factory=dict)
    """What the names of findings mean."""
    stories: Mapping[str, Sequence[Said]] = field(default_factory=dict)
    """How what broke came to be as it is: by what it is about."""
    pictures: Sequence[Picture] = ()
    faults: Sequence[Fault] = ()
    proofs: Sequence[str] = ()
    """What was seen of the faults."""
    recoveries: Sequence[tuple[str, str]] = ()
    asked: Sequence[Asked] = ()
    trace: Sequence[Said] = ()


def html(page: Page) -> str:
    """The page, as one file."""
    return "\n".join(_parts(page)) + "\n"


def _parts(page: Page) -> Iterator[str]:
    broken = [one for one in page.verdicts if one.outcome == "broken"]
    yield "<!doctype html>"
    yield '<html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(page.title)}</title><style>{STYLE}</style>"
    yield f"<h1>{escape(page.sentence)}</h1>"
    yield f"<p>{escape(page.title)}: {escape('; '.join(page.facts))}.</p>"
    yield "<h2>See it again</h2>"
    yield f'<code class="replay">{escape(page.command)}</code>'
    if broken:
        yield f"<h2>Broken: {len(broken)} of {_promises(len(page.verdicts))}</h2>"
        yield from (_broken(verdict, page.explained) for verdict in broken)
    for about, story in page.stories.items():
        yield f"<h2>The story of {escape(about)}</h2>"
        yield f"<pre>{_said(story)}</pre>"
    yield "<h2>Faults</h2>"
    yield _faults(page.faults)
    yield from _listed("What was seen of them", page.proofs)
    for picture in page.pictures:
        yield _figure(picture)
    if page.recoveries:
        yield "<h2>Recovery</h2>"
        rows = (
            f"<tr><td>{escape(what)}</td><td>{escape(time)}</td></tr>"
            for what, time in page.recoveries
        )
        yield f"<table>{''.join(rows)}</table>"
    yield "<h2>All promises</h2>"
    yield from _unbroken(page.verdicts)
    if page.trace:
        yield "<h2>Trace, around the faults</h2>"
        yield from _trace(page.trace)
    yield "<h2>What clients did</h2>"
    yield from _operations(page.asked)
    yield "</html>"


def _promises(count: int) -> str:
    return "1 promise" if count == 1 else f"{count} promises"


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield f"<p>{escape(title)}:</p><ul>"
        yield from (f"<li>{escape(item)}</li>" for item in items)
        yield "</ul>"


# --- verdicts -------------------------------------------------------------------------------------


def _broken(verdict: Verdict, explained: Mapping[str, str]) -> str:
    seen: dict[str, list[Anomaly]] = {}
    for found in verdict.found:
        seen.setdefault(found.name, []).append(found)
    parts = [
        (
            f'<section class="broken"><p><span class="bad">broken</span> '
            f"<code>{escape(verdict.promise)}</code>: {escape(verdict.says)}</p>"
        )
    ]
    for name, alike in seen.items():
        parts.append(f"<p><b>{escape(name)}</b>: {escape(explained.get(name, ''))}</p><ul>")
        parts += [f"<li>{escape(found.seen)}</li>" for found in alike[:SEEN_MAX]]
        if len(alike) > SEEN_MAX:
            parts.append(f"<li>… and {len(alike) - SEEN_MAX} more</li>")
        parts.append("</ul>")
    return "".join([*parts, "</section>"])


def _unbroken(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What nothing happened to is named: it was not kept, for it was not put to the test."""
    of = {
        outcome: [one for one in verdicts if one.outcome == outcome]
        for outcome in ("kept", "nothing happened", "not judged")
    }
    for one in of["not judged"]:
        yield (
            f'<p><span class="unknown">not judged</span> <code>{escape(one.promise)}</code>:'
            f" {escape(one.because)}</p>"
        )
    if idle := of["nothing happened"]:
        names = ", ".join(f"<code>{escape(one.promise)}</code>" for one in idle)
        yield (
            f'<p><span class="unknown">Nothing happened</span> that could break {len(idle)} of'
            f" them, so this run says nothing of: {names}.</p>"
        )
    kept = of["kept"]
    rows = "".join(
        f'<tr><td class="says">kept</td><td><code>{escape(one.promise)}</code></td>'
        f"<td>{escape(one.says)}</td></tr>"
        for one in kept
    )
    yield (
        f"<details><summary>{_promises(len(kept))} kept</summary>"
        f'<div class="wide"><table>{rows}</table></div></details>'
    )


def _faults(faults: Sequence[Fault]) -> str:
    if not faults:
        return "<p>None: this run was left alone.</p>"
    items = "".join(f"<li>{_fault(fault)}</li>" for fault in faults)
    return f"<ul>{items}</ul>"


def _fault(fault: Fault) -> str:
    if fault.began_s is None:
        when = "<b>never came</b>"
    elif fault.ended_s is None:
        when = f"at {fault.began_s:.2f} s"
    else:
        when = f"from {fault.began_s:.2f} s to {fault.ended_s:.2f} s"
    means = f": {escape(fault.means)}" if fault.means else ""
    return f"<code>{escape(fault.text)}</code>{means} ({when})"


# --- pictures -------------------------------------------------------------------------------------


def _figure(picture: Picture) -> str:
    drawn = f'<div class="wide">{"".join(_svg(picture))}</div>'
    caption = escape(picture.caption)
    if picture.is_folded:
        return f"<details><summary>{caption}</summary>{drawn}</details>"
    return f"<figure><figcaption>{caption}</figcaption>{drawn}{LEGEND}</figure>"


LEGEND = "".join(
    (
        "<p>",
        *(
            f'<span class="{kind}">▮</span> {what} '
            for kind, what in (
                ("ok", "done"),
                ("info", "nobody knows"),
                ("fail", "not done"),
                ("sql", "database"),
                ("log", "log"),
                ("views", "views"),
            )
        ),
        '<span class="fault">●</span> a fault hits. A line leads from a cause to its effect, ',
        "a red one through what broke. Each mark has its words.</p>",
    )
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds and lanes to places of the drawing."""

    began_s: float
    per_s: float
    top: float
    lanes: Mapping[str, int]

    def x(self, at_s: float) -> float:
        return min(max(LEFT, LEFT + (at_s - self.began_s) * self.per_s), WIDTH)

    def y(self, lane: str) -> float:
        return self.top + self.lanes[lane] * LANE + LANE / 2


def _svg(picture: Picture) -> Iterator[str]:
    span_s = max(picture.ended_s - picture.began_s, 0.001)
    faults = [each for each in picture.faults if each.meets(picture.began_s, picture.ended_s)]
    scale = _Scale(
        picture.began_s,
        (WIDTH - LEFT - RIGHT) / span_s,
        TOP + ROW * len(faults),
        {lane.name: number for number, lane in enumerate(picture.lanes)},
    )
    bottom = scale.top + LANE * len(picture.lanes)
    height = bottom + (BACKLOG + 10 if picture.lag else 0) + 26
    yield (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(picture.caption)}">'
    )
    for number, fault in enumerate(faults):
        yield from _band(fault, number, scale, bottom)
    for lane in picture.lanes:
        yield from _lane(lane, scale, picture)
    for line in picture.lines:
        yield from _line(line, scale, picture)
    if picture.lag:
        yield from _lag(picture, scale, bottom + 6)
    yield from _axis(picture, scale, height - 8)
    yield "</svg>"


def _band(fault: Fault, number: int, scale: _Scale, bottom: float) -> Iterator[str]:
    assert fault.began_s is not None, "of those that came"
    x = scale.x(fault.began_s)
    width = max(2.0, scale.x(fault.last_s) - x)
    y = TOP + ROW * number
    yield (
        f'<rect class="fault" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{bottom - y:.1f}">'
        f"<title>{escape(fault.text)}</title></rect>"
    )
    at_the_right = x > WIDTH * 0.6
    yield (
        f'<text class="name" x="{x - 3 if at_the_right else x + 3:.1f}" y="{y + ROW - 3:.1f}"'
        f"{' text-anchor=' + chr(34) + 'end' + chr(34) if at_the_right else ''}>"
        f"{escape(fault.text)}</text>"
    )


def _lane(lane: Lane, scale: _Scale, picture: Picture) -> Iterator[str]:
    y = scale.y(lane.name)
    yield f'<text x="0" y="{y + 4:.1f}">{escape(lane.name)}</text>'
    yield f'<line class="rule" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
    places: dict[tuple[int, str], list[Mark]] = {}
    for mark in lane.marks:
        if picture.began_s <= mark.at_s <= picture.ended_s:
            places.setdefault((round(scale.x(mark.at_s) / 2), mark.kind), []).append(mark)
    for (place, kind), marks in places.items():
        title = "\n".join(f"{mark.at_s:.4f} s: {mark.text}" for mark in marks[:TITLES])
        more = f"\n… and {len(marks) - TITLES} more" if len(marks) > TITLES else ""
        words = f"<title>{escape(title + more)}</title>"
        if kind == "fault":
            yield f'<circle class="fault" cx="{place * 2}" cy="{y:.1f}" r="6">{words}</circle>'
        else:
            yield (
                f'<rect class="{kind}" x="{place * 2 - 1}" y="{y - 7:.1f}" width="2" height="14">'
                f"{words}</rect>"
            )


def _line(line: Line, scale: _Scale, picture: Picture) -> Iterator[str]:
    ends = (line.cause, line.effect)
    if any(end.lane not in scale.lanes for end in ends):
        return
    if line.effect.at_s < picture.began_s or line.cause.at_s > picture.ended_s:
        return
    (x1, y1), (x2, y2) = ((scale.x(end.at_s), scale.y(end.lane)) for end in ends)
    middle = (x1 + x2) / 2
    kind = "suspect" if line.is_suspect else "cause"
    yield (
        f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f}'
        f' {x2:.1f} {y2:.1f}"><title>{escape(line.text)}</title></path>'
        f'<path class="{kind}" d="M{x2 - 5:.1f} {y2 - 3:.1f}L{x2:.1f} {y2:.1f}L{x2 - 5:.1f} {y2 + 3:.1f}"/>'
    )


def _lag(picture: Picture, scale: _Scale, y: float) -> Iterator[str]:
    """How many records each group had still to read, all groups together."""
    steps = [step for step in picture.lag if picture.began_s <= step[0] <= picture.ended_s]
    most = max((records for _, records in steps), default=0) or 1
    places = " ".join(
        f"{scale.x(at_s):.1f},{y + BACKLOG * (1 - records / most):.1f}" for at_s, records in steps
    )
    yield f'<text x="0" y="{y + 16:.1f}">lag, up to {most}</text>'
    yield f'<polyline class="lag" points="{places}"/>'


def _axis(picture: Picture, scale: _Scale, y: float) -> Iterator[str]:
    span_s = picture.ended_s - picture.began_s
    digits = 1 if span_s > 20 else 2 if span_s > 1 else 3
    for part in range(9):
        at_s = picture.began_s + span_s * part / 8
        yield (
            f'<text x="{scale.x(at_s):.1f}" y="{y:.1f}" text-anchor="middle">'
            f"{at_s:.{digits}f} s</text>"
        )


# --- words ----------------------------------------------------------------------------------------


def _said(lines: Iterable[Said]) -> str:
    shown = []
    for line in lines:
        text = escape(f"{line.at_s:10.4f}  {line.who:<18} {line.what}")
        shown.append(f'<span class="fault">{text}</span>' if line.is_fault else text)
    return "\n".join(shown)


def _trace(lines: Sequence[Said]) -> Iterator[str]:
    """What is near a fault is open, all else is folded; without a fault all of it is."""
    for is_near, part in _by_nearness(lines):
        if is_near:
            yield f"<pre>{_said(part)}</pre>"
        else:
            more = f"\n… and {len(part) - FAR_MAX} lines more" if len(part) > FAR_MAX else ""
            yield (
                f"<details><summary>{len(part)} lines</summary>"
                f"<pre>{_said(part[:FAR_MAX])}{more}</pre></details>"
            )


def _by_nearness(lines: Sequence[Said]) -> Iterator[tuple[bool, Sequence[Said]]]:
    near: set[int] = set()
    for number, line in enumerate(lines):
        if line.is_fault:
            near.update(range(number - AROUND, number + AROUND + 1))
    begin = 0
    for number in range(1, len(lines) + 1):
        if number == len(lines) or (number in near) != (begin in near):
            yield begin in near, lines[begin:number]
            begin = number


OUTCOMES = (
    '<span class="ok">ok</span>: done, and the answer came. <span class="fail">fail</span>: '
    'certainly not done. <span class="info">info</span>: nobody knows, since the connection broke '
    "or the server could not tell; judges allow for both."
)


def _operations(asked: Sequence[Asked]) -> Iterator[str]:
    yield f"<p>{OUTCOMES}</p>"
    near = [one for one in asked if one.is_near]
    if near:
        yield _table(near)
    yield f"<details><summary>all {len(asked)} requests</summary>{_table(asked)}</details>"


def _table(asked: Sequence[Asked]) -> str:
    rows = "".join(
        f"<tr><td>{one.at_s:.4f}</td><td>{escape(one.client)}</td>"
        f"<td><code>{escape(one.request)}</code></td>"
        f'<td class="{one.outcome}">{one.outcome}</td><td>{escape(one.more)}</td></tr>'
        for one in asked[:ROWS_MAX]
    )
    more = f"<p>… and {len(asked) - ROWS_MAX} more.</p>" if len(asked) > ROWS_MAX else ""
    head = "".join(f"<th>{one}</th>" for one in ("at, s", "client", "request", "outcome", ""))
    return f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>{more}'
