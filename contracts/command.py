"""Write every generated artifact of the kit, or check that each is what would be written.

A generator is a function without arguments: it reads the one definition, which is code, and
gives the files that follow from it, or raises Incomplete. To add one, add a line to GENERATORS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pkgutil import resolve_name
from traceback import extract_tb

from pydantic import ValidationError

from contracts import mutants
from contracts.kit import Incomplete
from system.kit.operations.arguments import Parser, unknown

ROOT = Path(__file__).parents[1]

Generator = Callable[[], Mapping[str, str]]
"""Path inside the project to the text of the file."""

GENERATORS: Mapping[str, str] = {
    "schemas": "contracts.event_archive:files",
    "asyncapi": "contracts.topics.asyncapi:files",
    "breakage": "contracts.mutants:files",
    "map": "contracts.event_map:files",
    "scenarios": "contracts.scenario_table:files",
    "message-pacts": "contracts.messages.pact_files:files",
    "http-pacts": "contracts.http.pact_files:files",
    "openapi": "contracts.http.documents:files",
    "openapi-page": "contracts.http.page:files",
}
"""Loaded when it is asked for: in the middle of a change, not all of them can be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["mutants"]:
        return mutants.main(arguments[1:])
    asked = parser().parse_args(arguments)
    made: dict[str, str] = {}
    lacking = False
    for name in asked.names or GENERATORS:
        try:
            made.update(_generator(name)())
        except Incomplete as incomplete:
            print(incomplete, file=sys.stderr)
            lacking = True
        except ValidationError as error:
            print(f"{name}: {_misfit(error)}", file=sys.stderr)
            lacking = True
    outdated = {path: text for path, text in made.items() if _present(path) != text}
    if asked.action == "write":
        for path, text in outdated.items():
            _write(path, text)
            print(f"written: {path}")
    else:
        for path in outdated:
            print(f"not what the code says any more: {path}", file=sys.stderr)
        if outdated:
            print("run: python -m contracts write", file=sys.stderr)
    return 1 if lacking or (outdated and asked.action == "check") else 0


def _misfit(error: ValidationError) -> str:
    """Say where an example that was written by hand is not what its model says any more."""
    frames = extract_tb(error.__traceback__)
    place = [frame for frame in frames if "site-packages" not in frame.filename][-1]
    wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return (
        f"{Path(place.filename).name}:{place.lineno} builds {error.title} otherwise than its model"
        f" in the code: {'; '.join(wrong)}"
    )


def parser() -> argparse.ArgumentParser:
    made = Parser("python -m contracts", description=__doc__)
    made.add_argument(
        "action",
        choices=("write", "check", "mutants"),
        metavar="write | check | mutants",
        help="write what is out of date, or only name it; or break the contracts on purpose, and see"
        " each bug killed (mutants --help)",
    )
    made.add_argument(
        "names",
        nargs="*",
        default=(),
        type=_known,
        metavar="NAME",
        help=f"only these: {', '.join(GENERATORS)}",
    )
    return made


def _generator(name: str) -> Generator:
    found: Generator = resolve_name(GENERATORS[name])
    return found


def _known(name: str) -> str:
    if name not in GENERATORS:
        raise argparse.ArgumentTypeError(unknown("", name, GENERATORS))
    return name


def _present(path: str) -> str | None:
    place = ROOT / path
    return place.read_text(encoding="utf-8") if place.exists() else None


def _write(path: str, text: str) -> None:
    place = ROOT / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
