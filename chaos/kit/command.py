"""What the kit's commands do alike: say what is missing, check before the work, tell how far they are."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import TypeVar

EVERY_S = 10.0
"""So often a line tells a log how far the work is. A terminal has a bar."""

MINUTES_MAX = 7 * 24 * 60

T = TypeVar("T")


def run(main: str, *, program: str) -> int:
    """Run `module:function`, and end as a command should; the exit status.

    Its module is imported here: with the base install alone, that is where a package is missing.
    """
    # As Ctrl-C: stop in good order. Also where a script's `&` has started it, and Ctrl-C is ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found: Callable[[], int] = resolve_name(main)
        return found()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {path.stem for path in Path(__file__).parents[2].iterdir()}:
            raise  # one of ours: a fault, and no missing package
        sys.stderr.write(
            f"{program}: {package} is not installed: pip install -c constraints.txt -e '.[all]'\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


def require(*packages: str) -> None:
    """Find out before the work whether what it needs is installed. Raises ModuleNotFoundError."""
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(name=package)


def output_file(text: str) -> Path:
    """An argparse type: a file that can be written, found out before the work for it is done."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text} may not be written")
    return path


def output_folder(text: str) -> Path:
    """An argparse type: a folder that is there or can be made, found out before the work for it."""
    path = Path(text)
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is no folder")
    if not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{there} may not be written")
    return path


def whole_number(text: str, least: int = 0, most: int | None = None) -> int:
    """An argparse type: 0 or more. Others by functools.partial."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < least or (most is not None and number > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text} is out of range; it must be {bounds}")
    return number


def minutes(text: str) -> float:
    """An argparse type: more than none, and no more than a week."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 < number <= MINUTES_MAX:  # nor NaN
        raise argparse.ArgumentTypeError(
            f"{text} is out of range; it must be more than 0, and {MINUTES_MAX} at most"
        )
    return number


def progress(what: str, total: int | None, results: Iterable[T]) -> Iterator[T]:
    """The results one by one: with a bar on a terminal, with a line now and then in a pipe."""
    if total == 0:
        yield from results
    elif sys.stderr.isatty():
        from tqdm import tqdm  # noqa: PLC0415 - this module says what is missing: it needs nothing

        yield from tqdm(results, desc=what, total=total, unit="", leave=False)
    else:
        of = "" if total is None else f" of {total}"
        began = told_at = time.monotonic()
        _line(f"{what}: 0{of} …")
        for number, result in enumerate(results, start=1):
            yield result
            if time.monotonic() - told_at >= EVERY_S:
                told_at = time.monotonic()
                _line(f"{what}: {number}{of}, {told_at - began:.0f} s")


def _line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
