"""Reads README and docs: their links, the shell commands they tell people to type, what they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_WORD = r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;&|<>'"\\])+"""
_TOKEN = re.compile(
    rf"(?P<comment>(?<![^\s;&|])\#[^\n]*)"
    rf"|(?P<redirection>(?:\d|&)?[<>]+[ \t]*(?:&\d|{_WORD}))"
    rf"|(?P<operator>[;&|\n]+)"
    rf"|(?P<word>{_WORD})"
    r"|(?P<open>[^ \t])"
)


@dataclass(frozen=True, slots=True)
class Page:
    path: Path
    text: str

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return _LINK.findall(_CODE.sub("", self.prose))

    @property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return _CODE.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        return {_slug(heading) for heading in _HEADING.findall(self.prose)}

    @property
    def shell_blocks(self) -> list[str]:
        return [body for language, body in _FENCE.findall(self.text) if language == "bash"]

    @property
    def blocks_with_next(self) -> list[tuple[str, str, str, str]]:
        """Language and text of each fenced block, and of the one after it."""
        blocks = [*_FENCE.findall(self.text), ("", "")]
        return [(*block, *after) for block, after in pairwise(blocks)]

    @property
    def tables(self) -> list[dict[str, dict[str, str]]]:
        """Each table: by the first cell of a row, then by the head of a column."""
        found = []
        for table in _TABLE.findall(self.prose + "\n"):
            head, _, *rows = [_cells(line) for line in table.strip().splitlines()]
            found.append({first: dict(zip(head[1:], rest, strict=True)) for first, *rest in rows})
        return found

    @property
    def commands(self) -> Iterator[list[str]]:
        for block in self.shell_blocks:
            yield from commands(block)


def pages() -> list[Page]:
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [Page(path, path.read_text(encoding="utf-8")) for path in found]


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command of a shell block, without redirections and variables before it."""
    words: list[str] = []
    for token in [*_TOKEN.finditer(block.replace("\\\n", " ")), None]:
        if token is None or token.lastgroup == "operator":
            if words:
                yield words
            words = []
        elif token.lastgroup == "open":
            raise ValueError(f"a quote is not closed: {block[token.start() :]}")
        elif token.lastgroup == "word" and (words or not re.match(r"[A-Z_]+=", token[0])):
            words += shlex.split(token[0])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _slug(heading: str) -> str:
    """How GitHub names the anchor of a heading."""
    plain = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
