"""What the kit does by itself: `python -m system.kit new FOLDER` begins a system."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from system.kit.operations.arguments import Parser

SKELETON = Path(__file__).parent / "skeleton"
DESCRIPTION = """\
Begin a system of your own on the kit.

`new bank` writes the package `bank`: accounts that are paid into, in one file of 140 lines of code,
with an API, an event handler and a view. It runs at once, by `python -m bank`; then change it.
"""
DONE = """\
{folder} is a system. Run it in {beside}:

  python -m {name}

docs/your-own-system.md, in the checkout of the kit, goes through it.
"""


class CannotBegin(Exception):
    """The folder cannot be written. The text is one line."""


def new(folder: Path) -> None:
    """Write the skeleton there, under that name. Raises CannotBegin; then nothing is written."""
    if not folder.name.isidentifier():
        raise CannotBegin(f"{folder.name!r} is no name of a Python package; take one such as bank")
    if folder.exists():
        raise CannotBegin(f"{folder} is there already; name one that is not")
    try:
        shutil.copytree(SKELETON, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for path in folder.glob("*.py"):
            text = path.read_text(encoding="utf-8").replace("system.kit.skeleton", folder.name)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotBegin(f"{folder} cannot be written: {error.strerror}") from error


def parser() -> argparse.ArgumentParser:
    made = Parser(
        "python -m system.kit",
        description=DESCRIPTION,
        epilog="Exit status: 0 written, 1 it could not be, 2 asked for something impossible.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(required=True, metavar="new", dest="command")
    beginning = commands.add_parser("new", help="write a small system, to begin from")
    beginning.add_argument("folder", metavar="FOLDER", type=Path, help="where: the package's name")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; the exit status."""
    folder = parser().parse_args(arguments).folder
    try:
        new(folder)
    except CannotBegin as error:
        print(f"python -m system.kit: {error}", file=sys.stderr)
        return 1
    beside = "this folder" if folder.parent == Path() else folder.parent
    print(DONE.format(folder=folder, beside=beside, name=folder.name), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
