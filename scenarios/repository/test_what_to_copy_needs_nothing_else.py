"""`docs/what-to-copy.md` is true: the files of each part, and the ground, need nothing else of the kit."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from scenarios.repository.markdown import ROOT, Page

PAGE = ROOT / "docs" / "what-to-copy.md"
TEXT = PAGE.read_text(encoding="utf-8")
PARTS, *_ = Page(PAGE, TEXT).tables
KIT = "system.kit"


def files(text: str) -> set[Path]:
    """Those that a text links as code, in folders, too."""
    found: set[Path] = set()
    for link in re.findall(r"\[`kit\.[\w.]+`\]\(([^)]+)\)", text):
        target = (PAGE.parent / link).resolve()
        found |= set(target.rglob("*.py")) if target.is_dir() else {target}
    return found


def imported(path: Path) -> Iterator[Path]:
    """The files of the kit that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(KIT):
            for name in node.names:
                inner = ROOT.joinpath(*f"{node.module}.{name.name}".split("."))
                place = inner if inner.with_suffix(".py").exists() else inner.parent
                yield place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def missing(taken: Collection[Path]) -> set[str]:
    needed = {needed for path in taken for needed in imported(path)} - set(taken)
    return {str(path.relative_to(ROOT)) for path in needed}


GROUND = files(TEXT.partition("| you want |")[0])


def test_the_ground_stands_by_itself_and_is_as_large_as_it_says() -> None:
    assert not missing(GROUND)
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in GROUND)
    (said,) = re.findall(r"ground\*\*, ([0-9],[0-9]{3}) lines", TEXT)
    assert abs(lines - int(said.replace(",", ""))) < 150


@pytest.mark.parametrize("part", PARTS)
def test_a_part_needs_nothing_but_what_is_named(part: str) -> None:
    taken = files(PARTS[part]["take"])
    assert taken, "the row names no file"
    assert not missing({*taken, *GROUND})
