"""`python -m load bench`: measure each figure beside its limit, and count what no machine changes."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from chaos.kit.command import output_file, whole_number
from load.bench.size import FULL, QUICK
from load.kit import bench_report
from load.kit.figures import Measured, measured
from system.kit import logs
from system.kit.operations.arguments import unknown

DESCRIPTION = """\
Measure the system beside its limits: the same statements, bytes and answers without the
guarantees (load/limits). All arms of a figure are measured in turn, round by round, so that what
counts, their ratio, holds on a machine that is slow at times.

The servers are started for it (--stack local), or are those at MYSQL_DSN, KAFKA_BROKERS and
MONGO_URI (--stack addresses): databases, topics and groups of its own are made there, and
dropped. It takes about 25 minutes, --quick about 3.

A figure is void, and its ratio is not told, where the machine was too unsteady or the generator
too slow. All of it is where the servers may forget what they have acknowledged.

Exit status: 0 measured, 1 a count is above its gate, 2 it could not begin, 3 all of it is void.
"""

COUNTS = "counts"
GROUPS = ("orders", "backlogs", "rebuild", "system", "role", "scale", "history", COUNTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    quick: bool
    stack: str
    database: str
    views: str | None
    rounds: int | None
    groups: Sequence[str]
    report: Path | None


def add_to(commands: Any) -> None:  # the type of argparse's subparsers has no public name
    """Add the command to those of `python -m load`."""
    made = commands.add_parser(
        "bench",
        help="measure the system beside its limits",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "groups",
        nargs="*",
        type=_group,
        metavar="GROUP",
        help=f"only these: {', '.join(GROUPS)}; all without any",
    )
    made.add_argument("--quick", action="store_true", help="fewer figures, rounds and events")
    made.add_argument("--stack", choices=["local", "addresses"], default="local")
    made.add_argument("--database", choices=["mysql", "mariadb"], default="mysql")
    made.add_argument(
        "--views", choices=["mongod", "documentdb", "java"], help="what speaks MongoDB's protocol"
    )
    made.add_argument(
        "--rounds",
        type=partial(whole_number, least=1, most=100),
        metavar="N",
        help=f"instead of {FULL.rounds}, or {QUICK.rounds} if quick",
    )
    made.add_argument(
        "--report",
        type=_report,
        metavar="FILE.md",
        help="a page with charts; FILE.svg and FILE.json go beside it",
    )
    made.set_defaults(run=_run)


def _group(name: str) -> str:
    if name not in GROUPS:
        raise argparse.ArgumentTypeError(unknown("group", name, GROUPS))
    return name


def _report(text: str) -> Path:
    path = output_file(text)
    if path.suffix != ".md":
        raise argparse.ArgumentTypeError(f"{text!r} does not end with .md")
    return path


def _run(asked: argparse.Namespace) -> int:
    wanted = Wanted(
        asked.quick,
        asked.stack,
        asked.database,
        asked.views,
        asked.rounds,
        asked.groups or GROUPS,
        asked.report,
    )
    from load.bench.ground import NotDurable  # noqa: PLC0415 (drivers, for this command only)
    from scenarios.harness.servers import Missing, NotStarted  # noqa: PLC0415

    logs.configure("json", "warning", "bench", also_of_roles=True)
    status = 0
    try:
        status = asyncio.run(_bench(wanted))
    except* (Missing, NotStarted) as failures:
        status = 2
        for failure in failures.exceptions:
            say(f"load bench: {failure}")
    except* NotDurable as forgets:
        status = 3
        say(f"load bench: void: {forgets.exceptions[0]}")
    except* KeyboardInterrupt:
        status = 130
        say("load bench: interrupted")
    return status


def show(text: str) -> None:
    """A result, on stdout."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """A line of progress; stdout is for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def _bench(wanted: Wanted) -> int:
    from load.bench import counts, figures, groups  # noqa: PLC0415 (drivers, for this command only)
    from load.bench.ground import ground  # noqa: PLC0415
    from system.kit.process import collect_rarely  # noqa: PLC0415

    size = QUICK if wanted.quick else FULL
    found: list[Measured] = []
    counted: dict[str, counts.Counts] = {}
    async with ground(wanted.stack, wanted.database, wanted.views) as on:
        durable = await on.durability()
        collect_rarely()  # as each process of the system, for parts of it run in this one
        say("the servers say: " + ", ".join(f"{name} {value}" for name, value in durable.items()))
        try:
            for name, group in groups.GROUPS.items():
                if name in wanted.groups:
                    async with group(on, size) as made:
                        found += await measured(made, wanted.rounds or size.rounds, say)
            if COUNTS in wanted.groups:
                counted = await counts.counted(on, say)
        except (KeyboardInterrupt, asyncio.CancelledError):
            show(bench_report.table(found))
            raise
    facts = {**_machine(), **durable, "servers": on.product}
    report = bench_report.Report(found, counted, facts)
    show(bench_report.table(found))
    if counted:
        show(bench_report.count_table(counted))
    for line in figures.in_series(found):
        show(line)
    for why in (*(why for each in found for why in each.void()), *figures.too_slow(found)):
        say(f"load bench: void: {why}")
    over = counts.over(counted) if counted else []
    for why in over:
        say(f"load bench: {why}")
    if wanted.report is not None:
        for path in bench_report.write(report, wanted.report):
            say(f"written: {path}")
    return 1 if over else 0


def _machine() -> Mapping[str, str]:
    """What it was measured on: without names of machines or people."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "when": datetime.now(UTC).date().isoformat(),
        "commit": commit or "unknown",
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
    }
