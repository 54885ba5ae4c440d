"""Command lines: what is mistyped is named, with what it may have been meant to be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from system.kit.operations.terminal import printable

LISTED_MAX = 20
"""So many names are listed where none is near; more have a page."""
NEAR = 0.7
"""How alike two names have to be: billing-apo is near billing-api, and not near billing-consumer."""


class Parser(argparse.ArgumentParser):
    """Says of each unknown choice, command and option which known one is near.

    It looks at options first: argparse takes the x of `--databse x` for a positional, and would
    complain of that alone. Parsers of commands below are of this class, too.
    """

    def parse_known_args(  # type: ignore[override]  # its overloads say no more than this
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        given = sys.argv[1:] if args is None else list(args)
        # argparse has no public way to ask for these two
        if self._subparsers is None:
            self._refuse_unknown(given, self._option_string_actions)
        return super().parse_known_args(given, namespace)

    def _refuse_unknown(self, given: Iterable[str], options: Iterable[str]) -> None:
        for argument in takewhile(lambda it: it != "--", given):
            name = argument.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in options):
                self.error(unknown("option", name, [it for it in options if it.startswith("--")]))

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Overrides what argparse says of a choice, for which it has no public way."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, unknown("", str(value), action.choices))


def unknown(what: str, name: str, known: Iterable[str], *, page: str = "--help") -> str:
    """One line: `there is no role 'billing-apo'; did you mean billing-api?`."""
    from difflib import get_close_matches  # noqa: PLC0415 - for the one who mistyped alone

    names = list(map(str, known))
    shown = f"{what} '{printable(name)}'".strip()
    if alike := get_close_matches(name, names, cutoff=NEAR):
        return f"there is no {shown}; did you mean {' or '.join(alike)}?"
    if len(names) > LISTED_MAX:
        return f"there is no {shown}; {page} lists all {len(names)}"
    return f"there is no {shown}; there {'are' if len(names) > 1 else 'is'} {', '.join(names)}"
