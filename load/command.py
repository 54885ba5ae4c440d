"""The command line of load."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from chaos.kit.command import output_folder, whole_number
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

FAULTS = """\
Put load on a whole system on real servers while faults come by chance, one to three at once:
roles and servers are killed or stand still, lines are cut, slow, thin, silent or reset.

Starts Kafka, MySQL, a MongoDB-speaking server, Toxiproxy and each role as a process of its own, and
`locust -f load/orders.py` beside them. At the end all is healed, and the judge waits for rest. A
request that fails during a fault is a figure; what is judged is whether a promise was broken.

Exit status: 0 kept, 1 broken, 2 it could not run, 3 not judged.
"""

BUGS = ("oversell", "lost-event", "missing-view")

_some = partial(whole_number, least=1, most=1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; the exit status."""
    asked = parser().parse_args(arguments)
    return int(asked.run(asked))


def parser() -> argparse.ArgumentParser:
    made = Parser("python -m load", description=DESCRIPTION)
    commands = made.add_subparsers(required=True, metavar="judge | mutant | faults | bench")
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
    faults = commands.add_parser(
        "faults",
        help="load on real servers, while faults come by chance",
        description=FAULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    faults.add_argument(
        "--seconds", type=_some, default=120, metavar="S", help="of load (default 120)"
    )
    faults.add_argument("--users", type=_some, default=10, metavar="N", help="default 10")
    faults.add_argument("--seed", type=whole_number, default=1, metavar="S", help="default 1")
    faults.add_argument(
        "--evidence",
        type=output_folder,
        metavar="DIR",
        help="where logs and evidence go (default: a new folder)",
    )
    faults.set_defaults(run=_faults)
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
            "judged": verdicts.rows(found.judged),
        }
        print(json.dumps(document))
    else:
        print("\n".join(lines))
    return verdicts.exit_status(found.judged)


def _faults(asked: argparse.Namespace) -> int:
    from load import faults  # noqa: PLC0415 - the judge needs no servers

    folder = Path(asked.evidence or tempfile.mkdtemp(prefix="load-"))
    return faults.run(faults.Wanted(asked.seconds, asked.users, asked.seed), folder)


def _mutant(asked: argparse.Namespace) -> int:
    from load.shop import mutants  # noqa: PLC0415 - the judge needs none of the system

    return mutants.run(asked.bugs)
