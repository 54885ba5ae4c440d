"""Mutants of contracts: edits of the code that break a promise, each killed by tests that it names.

A mutant is what an engineer may type by mistake: what stands in a module, and what would stand there
instead. It is switched in when a process of its own loads the module, so no file is touched, and that
process runs the tests. Each test that the mutant names has to fail; that others do, too, does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType

import pytest

RUN_S = 300
"""A child that takes longer is no kill."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In this module, `old` is `new`. It has to stand there exactly once."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken promise."""

    bug: str
    """What is wrong, in a sentence."""
    edits: Sequence[Edit]
    killed_by: Sequence[str]
    """Tests that must each fail, as pytest names their functions: `contracts/test_x.py::test_y`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant."""

    name: str
    failed: Mapping[str, str]
    """The tests that failed, with the last line of their complaint."""
    survived: Sequence[str]
    """The tests that should have failed and did not."""
    trouble: str = ""
    """Why nothing can be said: the edit changes nothing, or the child fell over."""

    @property
    def is_killed(self) -> bool:
        return not self.survived and not self.trouble


def outcomes(mutants: Mapping[str, Mutant], root: Path) -> Iterator[Outcome]:
    """Run each in a process of its own, several at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda name: _outcome(name, mutants[name], root), mutants)


def _outcome(name: str, mutant: Mutant, root: Path) -> Outcome:
    command = [sys.executable, "-m", __name__, json.dumps(asdict(mutant))]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=RUN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, {}, mutant.killed_by, f"not done after {RUN_S} s")
    last = done.stdout.strip().rpartition("\n")[2]
    if not last.startswith("{"):
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        return Outcome(name, {}, mutant.killed_by, errors[0] if errors else "it said nothing")
    failed = json.loads(last)
    survived = [test for test in mutant.killed_by if test not in failed]
    return Outcome(name, failed, survived)


# --- in the child -----------------------------------------------------------------------------------


class _Editor(SourceFileLoader):
    """Loads a module with its text edited; nothing of it is kept on disk."""

    def __init__(self, module: str, path: str, edits: Collection[Edit]) -> None:
        super().__init__(module, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        text = Path(path).read_text(encoding="utf-8")
        for edit in self._edits:
            text = text.replace(edit.old, edit.new)
        return compile(text, path, "exec")


class _Finder(MetaPathFinder):
    """Finds the modules that are edited, before Python does."""

    def __init__(self, edits: Collection[Edit]) -> None:
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = [edit for edit in self._edits if edit.module == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if edits else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Editor(fullname, spec.origin, edits)
        return spec


class _Failures:
    """A pytest plugin: which test functions failed, whatever their parameters."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            lines = report.longreprtext.strip().splitlines() or [""]
            complaint = next((line for line in lines if line.startswith("E  ")), lines[-1])
            self.failed.setdefault(report.nodeid.partition("[")[0], complaint[1:].strip())


def main(mutant: str) -> int:
    """Switch the edits in, run the tests, print those that failed as the last line."""
    asked = json.loads(mutant)
    edits = [Edit(**edit) for edit in asked["edits"]]
    if objections := [text for edit in edits if (text := _objection(edit))]:
        print(f"ERROR: {'; '.join(objections)}")
        return 1
    sys.meta_path.insert(0, _Finder(edits))
    failures = _Failures()
    status = pytest.main(
        ["-q", "-p", "no:cacheprovider", "-m", "", *asked["killed_by"]], plugins=[failures]
    )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return 1
    if unloaded := [edit.module for edit in edits if edit.module not in sys.modules]:
        print(f"ERROR: no test loads {', '.join(unloaded)}")
        return 1
    print(json.dumps(failures.failed))
    return 0


def _objection(edit: Edit) -> str | None:
    """Why an edit would change nothing, or more than it says."""
    spec = find_spec(edit.module)
    if spec is None or spec.origin is None:
        return f"there is no module {edit.module}"
    if edit.module in sys.modules:
        return f"{edit.module} is loaded before it can be edited"
    times = Path(spec.origin).read_text(encoding="utf-8").count(edit.old)
    return None if times == 1 else f"{edit.module} has {edit.old!r} {times} times, not once"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
