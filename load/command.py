"""The command line of load."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from load.bench import command as bench
from load.kit import verdicts
from load.kit.evidence import NotEvidence, read
from load.shop import judge
from system.kit.operations.arguments import Parser

DESCRIPTION = """\
What belongs to the load profiles, the judge of their runs and systems with a bug to try it on; and
the benchmark beside its limits.
"""
JUDGE = """\
Judge a run of `locust -f load/orders.py` by its evidence, and by what the system shows now.

Waits until the system has come to rest (/metrics: outboxes empty, no lag, nothing moves), reads
what both sides show of the run's orders, users and products, and says of each promise whether it
was kept, broken, not judged (and why), or whether nothing happened by which to judge it. Only
HTTP and /metrics are asked; docs/load.md says what cannot be seen that way.

Exit status: 0 kept, 1 broken, 2 it could not judge at all, 3 not judged.
"""
MUTANT = """\
Run the whole system in this process, embedded, with classic bugs switched in, until Ctrl-C.
Put load on it, and see the judge name the promise that it breaks.
"""

BUGS = ("oversell", "lost-event", "missing-view")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; the exit status."""
    asked = parser().parse_args(arguments)
    return int(asked.run(asked))


def parser() -> argparse.ArgumentParser:
    made = Parser("python -m load", description=DESCRIPTION)
    commands = made.add_subparsers(required=True, metavar="judge | mutant | bench")
    judging = commands.add_parser(
        "judge",
        help="judge a run by its evidence",
        description=JUDGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    judging.add_argument("file", metavar="FILE", type=Path, help="the evidence that the run kept")
    judging.add_argument(
        "--within",
        type=_seconds,
        default=judge.WITHIN_S,
        metavar="SECONDS",
        help=f"how long to wait for rest (default {judge.WITHIN_S:g})",
    )
    judging.add_argument("--json", action="store_true", help="the verdicts as JSON")
    judging.set_defaults(run=_judge)
    bugs = commands.add_parser(
        "mutant",
        help="run the system with a bug switched in",
        description=MUTANT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bugs.add_argument("bugs", choices=BUGS, nargs="+", metavar="BUG", help=", ".join(BUGS))
    bugs.set_defaults(run=_mutant)
    bench.add_to(commands)
    return made


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds


def _judge(asked: argparse.Namespace) -> int:
    try:
        found = judge.verdicts(read(asked.file), within_s=asked.within)
    except (NotEvidence, judge.CannotAsk) as error:
        print(f"python -m load judge: {error}", file=sys.stderr)
        return verdicts.Exit.BAD_USE
    except KeyboardInterrupt:
        print("python -m load judge: stopped; nothing is judged", file=sys.stderr)
        return 130
    lines = [*judge.summary(found), "", *verdicts.lines(found.judged)]
    if asked.json:
        document: dict[str, Any] = {
            "lines": lines,
            "judged": [asdict(one) for one in found.judged],
        }
        print(json.dumps(document))
    else:
        print("\n".join(lines))
    return verdicts.exit_status(found.judged)


def _mutant(asked: argparse.Namespace) -> int:
    from load.shop import mutants  # noqa: PLC0415 - the judge needs none of the system

    return mutants.run(asked.bugs)
