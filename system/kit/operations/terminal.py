"""What a command writes: for a person at a terminal, for a pipe, or for no reader."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def prepare() -> None:
    """Let no output fail for its letters, and have somewhere to write with streams closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(*lines: str) -> None:
    """Print lines at once; to no one, if the reader is gone. Raises OSError."""
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    except OSError:
        _abandon_stdout()
        raise


def complain(line: str) -> None:
    """Say on stderr what stdout's readers are not to take for an answer."""
    sys.stderr.write(f"{line}\n")


def finish() -> None:
    """Write out what is left: Python itself would complain about a reader that has gone."""
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()


def _abandon_stdout() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def printable(text: str) -> str:
    """One line of text that moves no cursor: a dead letter may hold anything."""
    return printable_lines(text).replace("\n", r"\n")


def printable_lines(text: str) -> str:
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
