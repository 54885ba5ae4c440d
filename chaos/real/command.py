"""The command line of chaos on real servers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from chaos.kit.command import output_folder, whole_number
from chaos.kit.servers.scenario import Scenario
from chaos.real import endurance, measure, named, starts
from chaos.real.kept import NoEvidence
from chaos.real.mechanisms import MECHANISMS
from chaos.real.scenarios import QUICK, SCENARIOS, chance
from chaos.real.shoppers import CannotBegin
from chaos.real.stage import Stage
from chaos.real.system_under_test import NotReady
from chaos.shop.checkers import BadChecker
from scenarios.harness.servers import DATABASES, Missing, NotStarted
from scenarios.harness.servers.common import say
from system.kit.errors import leaves
from system.kit.operations.arguments import Parser, unknown

DESCRIPTION = """\
Run the whole system on real servers, disturb it, and judge what came of it.

Starts Kafka, MySQL and a MongoDB-speaking server on free ports in throw-away folders (programs
are fetched once), and each role as a process of its own. Nothing has to run before, and nothing
is left behind but the evidence.
"""
ENDURANCE = """\
Place orders over HTTP while every role and every server is killed with kill -9 in turn.
Between the kills roles and servers are paused (SIGSTOP), and lines to servers go silent, are
refused or get slow (Toxiproxy), each for longer than every lease.

Shoppers place, pay, cancel and delete orders, some with an Idempotency-Key, some sent twice,
some without waiting for the answer. Meanwhile a shopkeeper sets prices and stock, and has the
views built anew. All that they ask is recorded with its outcome: ok, fail
(certainly not done) or info (nobody knows). At the end everything is healed, the system has to
come to rest, and the history is judged against every row, event, view and answer.
"""
ENDURANCE_MORE = """\
examples:
  python -m chaos endurance --orders 1000               what CI runs: every target killed twice
  python -m chaos endurance --orders 10000 --kills 100  the long one, about fifteen minutes
  python -m chaos endurance --orders 1000 --database mariadb   the same on MariaDB
  python -m chaos endurance --orders 500 --seed 7       another order of kills, other baskets
  python -m chaos endurance --orders 500 --kills 0 --pauses 20   nobody dies, all stand still once

The same seed gives the same baskets and the same faults; the machine's own timing stays chance.
Exit status: 0 every promise kept, 1 one broke (the lines above the last say which, and the folder
named there holds the logs, the faults and the history), 2 it could not run.
"""


REAL = """\
Play named scenarios on real servers: one fault each.

All servers and all roles are started once, every connection leads through Toxiproxy, and orders
flow over HTTP. A scenario injects its fault, gives a visible proof of it ("seen" in the lines
below; one that saw nothing of its fault fails), and measures how long the system takes to have
no lag after the first good answer of what was healed. Then every row, event, view and answer is
judged. After a failure the next scenario gets a new system.
"""
REAL_MORE = """\
examples:
  python -m chaos real --list                        what there is
  python -m chaos real                               all of them
  python -m chaos real retries dead-letter           these two
  python -m chaos real half-open-commit --repeat 5   one, five times
  python -m chaos real --minutes 30 --seed 7         one to three faults at once, by chance
  python -m chaos real chance-7-12                   the twelfth of these alone
  python -m chaos real --without-mechanism           each has to fail without what it shows

Exit status: 0 each one kept what it shows, 1 one did not, 2 it could not run.
The folder named at the end holds all evidence; `python -m chaos judge FOLDER` judges it again.
"""
JUDGE = """\
Judge again what a run on real servers has left: of one scenario, of all, or of endurance.
"""


_count = partial(whole_number, most=1_000_000)
_some = partial(whole_number, least=1, most=1_000_000)
Commands = Any  # the type of argparse's subparsers has no public name


def main(arguments: Sequence[str] | None = None, *, program: str = "python -m chaos.real") -> int:
    """Run what is asked for; the exit status."""
    asked = parser(program).parse_args(arguments)
    if asked.command == "judge":
        return _judge(asked.folder)
    if getattr(asked, "list", False):
        sys.stdout.writelines(f"{one.name:<26}{one.shows}\n" for one in SCENARIOS.values())
        return 0
    folder = Path(asked.evidence or tempfile.mkdtemp(prefix=f"{asked.command}-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return int(asked.run(asked, folder))
    except KeyboardInterrupt:
        say(f"stopped; logs in {folder}")
        return 130
    except (Missing, NotStarted, NotReady, CannotBegin, BadChecker) as error:
        say(f"cannot run: {error} (logs in {folder})")
        return 2
    except BaseExceptionGroup as group:
        expected, others = group.split((Missing, NotStarted))
        if expected is None or others is not None:
            raise
        for reason in dict.fromkeys(map(str, leaves(expected))):
            say(f"cannot run: {reason}")
        return 2


def parser(program: str) -> argparse.ArgumentParser:
    made = Parser(
        program,
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True)
    _add_real(commands)
    _add_judge(commands)
    _add_endurance(commands)
    _add_starts(commands)
    _add_measure(commands)
    return made


def _add_real(commands: Commands) -> None:
    made = commands.add_parser(
        "real",
        help="named scenarios: one fault each, its proof, its recovery",
        description=REAL,
        epilog=REAL_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "scenarios", nargs="*", type=_scenario, metavar="SCENARIO", help="all without one"
    )
    made.add_argument(
        "--minutes", type=_some, metavar="M", help="instead: faults by chance for so long"
    )
    made.add_argument(
        "--without-mechanism",
        action="store_true",
        help="each on a system that lacks what it is about, so that it has to fail",
    )
    made.add_argument("--quick", action="store_true", help="those that CI runs, in a few minutes")
    made.add_argument("--list", action="store_true", help="say what there is, and end")
    made.add_argument("--seed", type=whole_number, default=1, metavar="S", help="default 1")
    made.add_argument("--repeat", type=_some, default=1, metavar="N", help="each so many times")
    _common(made)
    made.set_defaults(run=_real)


def _scenario(name: str) -> Scenario[Stage]:
    found = SCENARIOS.get(name) or chance.by_name(name)
    if found is None:
        raise argparse.ArgumentTypeError(
            unknown("scenario", name, SCENARIOS, page="docs/servers.md")
        )
    return found


def _real(asked: argparse.Namespace, folder: Path) -> int:
    named_ones = asked.scenarios or (QUICK if asked.quick else SCENARIOS.values())
    chosen: Iterable[Scenario[Stage]] = (one for one in named_ones for _ in range(asked.repeat))
    if asked.minutes is not None:
        chosen = chance.without_end(asked.seed)
    wanted = named.Wanted(asked.seed, asked.database, asked.minutes)
    say(f"all evidence goes into {folder}")
    if asked.without_mechanism:
        return named.run_without([one for one in chosen if one.name in MECHANISMS], wanted, folder)
    return named.run(chosen, wanted, folder)


def _add_judge(commands: Commands) -> None:
    made = commands.add_parser("judge", help="judge a run's evidence again", description=JUDGE)
    made.add_argument("folder", type=Path, metavar="FOLDER", help="as a run names it at its end")


def _judge(folder: Path) -> int:
    try:
        return named.judge_again(folder)
    except (NoEvidence, BadChecker) as error:
        say(f"python -m chaos judge: {error}")
        return 2


def _add_endurance(commands: Commands) -> None:
    made = commands.add_parser(
        "endurance",
        help="orders over HTTP, while roles and servers are killed in turn",
        description=ENDURANCE,
        epilog=ENDURANCE_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--orders", type=_some, required=True, metavar="N", help="to be placed")
    made.add_argument(
        "--kills", type=_count, default=22, metavar="K", help="of roles and servers (default 22)"
    )
    made.add_argument(
        "--pauses",
        type=_count,
        default=4,
        metavar="P",
        help="of roles, servers and lines to servers, longer than every lease (default 4)",
    )
    made.add_argument("--seed", type=whole_number, default=1, metavar="S", help="default 1")
    made.add_argument(
        "--consumers", type=_some, default=1, metavar="C", help="processes of each (default 1)"
    )
    _common(made)
    made.set_defaults(run=_endurance)


def _add_starts(commands: Commands) -> None:
    made = commands.add_parser(
        "starts",
        help="all roles at the same moment on empty servers, again and again",
        description="Start everything on empty servers, place one order, see it, stop. Again.",
    )
    made.add_argument("--times", type=_some, default=20, metavar="N", help="default 20")
    made.add_argument(
        "--late",
        type=_count,
        default=0,
        metavar="S",
        help="start the roles first, and the servers so many seconds later",
    )
    _common(made)
    made.set_defaults(
        run=lambda asked, folder: starts.run(
            asked.times, folder, late_s=asked.late, database=asked.database
        )
    )


def _add_measure(commands: Commands) -> None:
    made = commands.add_parser(
        "measure",
        help="from order to view when idle, and orders a second",
        description="Measure how long an order takes to be visible, one at a time, and how many "
        "orders a second are accepted from many clients. The clients share this machine.",
    )
    made.add_argument("--orders", type=_some, default=300, metavar="N", help="one at a time")
    made.add_argument("--seconds", type=_some, default=10, metavar="S", help="of many at once")
    made.add_argument("--clients", type=_some, default=64, metavar="C", help="at once")
    _common(made)
    made.set_defaults(
        run=lambda asked, folder: measure.run(
            measure.Wanted(asked.orders, asked.seconds, asked.clients, asked.database), folder
        )
    )


def _common(made: argparse.ArgumentParser) -> None:
    made.add_argument("--database", choices=sorted(DATABASES), default="mysql")
    made.add_argument(
        "--evidence",
        type=output_folder,
        metavar="DIR",
        help="where logs and history go (default: a new folder)",
    )


def _endurance(asked: argparse.Namespace, folder: Path) -> int:
    wanted = endurance.Wanted(
        asked.orders, asked.kills, asked.pauses, asked.seed, asked.consumers, asked.database
    )
    return endurance.run(wanted, folder)
