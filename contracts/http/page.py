"""Draws the lists of `docs/openapi.md`: what is expected otherwise than schemathesis does, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts.http.shown import SHOWN, Shown
from contracts.http.widened import WIDENED

PATH = "docs/openapi.md"
TEXT = Path(__file__).parent / "page.md"


def files() -> Mapping[str, str]:
    """The page, under its path."""
    lists = {"{widened}": _widened(), "{shown}": _shown()}
    page = TEXT.read_text(encoding="utf-8")
    for mark, lines in lists.items():
        page = page.replace(mark, "\n".join(lines))
    return {PATH: page}


def _widened() -> Iterator[str]:
    yield "| answer | check | reason |"
    yield "| --- | --- | --- |"
    for one in WIDENED:
        yield f"| {one.what} | `{one.check.__name__}` | {one.reason} |"


def _shown() -> Iterator[str]:
    yield "| problem | shown by |"
    yield "| --- | --- |"
    for row in SHOWN:
        yield f"| `{row.problem}`{_paths(row)} | {_by(row)} |"


def _paths(row: Shown) -> str:
    return f" of {', '.join(f'`{path}`' for path in row.paths)}" if row.paths else ""


def _by(row: Shown) -> str:
    if row.elsewhere is None:
        return f"`{row.scenario.__name__}`, of a system that is {row.system}"
    path, name = row.elsewhere.split("::")
    return f"[`{name}`](../{path})"
