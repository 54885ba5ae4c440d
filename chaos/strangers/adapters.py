"""Finds the adapter in a file of the user's, and says in one line what is wrong with it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from chaos.kit.blackbox import PROMISES, Sight, Stranger, names

HERE = Path(__file__).parent
SHIPPED = {
    "naive": f"{HERE / 'naive' / 'adapter.py'}:Naive",
    "repaired": f"{HERE / 'naive' / 'adapter.py'}:Repaired",
    "ours": f"{HERE / 'ours.py'}",
}
"""What `judge` also takes instead of a file: the systems that come with the kit."""


class BadAdapter(Exception):
    """An adapter cannot be used. One line, which says what to do."""


def load(name: str) -> tuple[Stranger, Path]:
    """The stranger of `FILE.py` or `FILE.py:CLASS`, and the file's folder. Raises BadAdapter."""
    path, _, wanted = SHIPPED.get(name, name).partition(":")
    file = Path(path)
    if not file.is_file():
        raise BadAdapter(
            f"there is no file {path}; `python -m chaos strangers new NAME` writes one"
        )
    found = _strangers(file)
    if wanted and wanted not in found:
        raise BadAdapter(f"{path} has no adapter {wanted}; it has {', '.join(found) or 'none'}")
    if not found:
        raise BadAdapter(f"{path} has no subclass of Stranger")
    chosen = found[wanted] if wanted else next(iter(found.values()))
    try:
        stranger = chosen()
    except TypeError as error:  # an abstract method, which its text names
        raise BadAdapter(f"{path}: {error}") from None
    _check(stranger, path)
    return stranger, file.parent.resolve()


def _strangers(file: Path) -> dict[str, type[Stranger]]:
    spec = importlib.util.spec_from_file_location(f"adapter_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise BadAdapter(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadAdapter(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    return {
        name: found
        for name, found in vars(module).items()
        if inspect.isclass(found)
        and issubclass(found, Stranger)
        and found.__module__ == module.__name__
    }


def _check(stranger: Stranger, path: str) -> None:
    for field in ("name", "needs", "processes", "states", "sees"):
        if not hasattr(stranger, field):
            raise BadAdapter(f"{path}: `{field}` is not set")
    said = stranger.sees
    for blind in stranger.blind:
        if blind.sight & stranger.sees:
            raise BadAdapter(
                f"{path}: {names(blind.sight & stranger.sees)} is in sees and in blind"
            )
        said |= blind.sight
    if unsaid := ~Sight(0) & ~said:
        raise BadAdapter(
            f"{path}: say of {names(unsaid)} whether it can be seen (sees), or why not (blind)"
        )
    _check_processes(stranger, path)
    known = {promise.name for promise in PROMISES}
    for what, least in {"accounts": 2, "clients": 1, "lines": 1, "quantity": 1}.items():
        if getattr(stranger.workload, what) < least:
            raise BadAdapter(f"{path}: workload: {what}: at least {least}")
    if unknown := sorted(stranger.known.keys() - known):
        raise BadAdapter(f"{path}: known: there is no promise {', '.join(map(repr, unknown))}")


def _check_processes(stranger: Stranger, path: str) -> None:
    """What they are called by must be there, and none may wait for itself."""
    names = {process.name for process in stranger.processes}
    named = {f"{topic.name}: by": topic.writers for topic in stranger.topics}
    named |= {f"{process.name}: after": process.after for process in stranger.processes}
    for where, wanted in named.items():
        if unknown := sorted(set(wanted) - names):
            raise BadAdapter(
                f"{path}: {where}: there is no process {', '.join(map(repr, unknown))};"
                f" there are {', '.join(sorted(names))}"
            )
    try:
        TopologicalSorter({each.name: each.after for each in stranger.processes}).prepare()
    except CycleError as error:
        raise BadAdapter(f"{path}: after: {' waits for '.join(error.args[1])}") from None
