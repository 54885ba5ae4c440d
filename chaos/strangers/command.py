"""The command line of the judge of strangers."""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import shutil
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from chaos.kit.blackbox import PROMISES, Stranger
from chaos.kit.command import output_file, output_folder, whole_number
from chaos.strangers import report
from chaos.strangers.adapters import SHIPPED, BadAdapter, load
from chaos.strangers.callers import CannotBegin
from chaos.strangers.processes import NotReady
from chaos.strangers.run import Wanted, run
from chaos.strangers.topics import Missed
from scenarios.harness.servers import Missing, NotStarted
from scenarios.harness.servers.common import say
from system.kit.errors import leaves
from system.kit.operations.arguments import Parser

NAME = "strangers"

DESCRIPTION = """\
Judge an event-driven system that is not the kit's, in any language, from outside.

Its processes are started by their own commands, on servers that are started for them. Clients
place, advance and cancel things over HTTP, while processes are killed and lines to servers and
between processes fail. When all is at rest, the answers, the topics and what can be read are
judged. An adapter of about a hundred lines says how to talk to it; docs/strangers.md teaches how
to write one in an hour.
"""
JUDGE = """\
Start a system by its adapter, disturb it, and say of each promise: kept, broken, not judged (with
the adapter's reason), or nothing happened (no case of it came up).
"""
JUDGE_MORE = """\
promises:
{promises}

examples:
  python -m chaos strangers judge naive              a shop with six bugs, which comes with the kit
  python -m chaos strangers judge repaired           the same shop without them
  python -m chaos strangers judge ours               the kit's own system, as an adapter sees it
  python -m chaos strangers judge ../mine/adapter.py --seconds 180 --seed 7

The same seed gives the same faults in the same order; the machine's own timing stays chance.
Exit status: 0 every promise that was judged is kept, or broken as the adapter says it is known;
1 one is broken, or kept although it is known to be broken; 2 it could not run.
"""
NEW = """\
Write NAME.py, the skeleton of an adapter: every part is there, and a comment says what it wants.
"""
SKELETON = Path(__file__).with_name("skeleton.txt")

_seconds = partial(whole_number, least=1, most=36_000)


def main(arguments: Sequence[str], *, program: str = "python -m chaos") -> int:
    """Run what is asked for; the exit status."""
    asked = parser(program).parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # of topics that are not made yet
    try:
        return int(asked.run(asked))
    except KeyboardInterrupt:
        say("stopped")
        return 130
    except (BadAdapter, CannotBegin, Missed) as error:
        say(f"cannot judge: {error}")
        return 2
    except BaseExceptionGroup as group:
        expected, others = group.split(
            (BadAdapter, CannotBegin, Missed, Missing, NotStarted, NotReady)
        )
        if expected is None or others is not None:
            raise
        for reason in dict.fromkeys(map(str, leaves(expected))):
            say(f"cannot judge: {reason}")
        return 2


def parser(program: str) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    made = Parser(program)
    strangers = made.add_subparsers(required=True).add_parser(
        NAME, description=DESCRIPTION, formatter_class=raw
    )
    commands = strangers.add_subparsers(required=True, metavar="judge | new")
    promises = "\n".join(f"  {one.name}\n      {one.promise.says}" for one in PROMISES)
    judge = commands.add_parser(
        "judge",
        help="start a system, disturb it, and judge it",
        description=JUDGE,
        epilog=JUDGE_MORE.format(promises=promises),
        formatter_class=raw,
    )
    judge.add_argument(
        "adapter",
        metavar="ADAPTER.py",
        help=f"a file, or FILE.py:CLASS, or one of {', '.join(SHIPPED)}",
    )
    judge.add_argument("--seed", type=whole_number, default=1, metavar="S", help="default 1")
    judge.add_argument(
        "--seconds",
        type=_seconds,
        metavar="N",
        help="of work under faults (default: until each fault has hit once)",
    )
    judge.add_argument(
        "--evidence",
        type=output_folder,
        metavar="DIR",
        help="where logs of the processes go, to stay (default: a new folder, which goes again where"
        " nothing is broken)",
    )
    judge.add_argument(
        "--page", type=output_file, metavar="FILE", help="write what was found as Markdown, too"
    )
    judge.set_defaults(run=_judge)
    new = commands.add_parser(
        "new", help="write the skeleton of an adapter", description=NEW, formatter_class=raw
    )
    new.add_argument("name", metavar="NAME", help="of the system: letters, digits and _")
    new.set_defaults(run=_new)
    return made


def _judge(asked: argparse.Namespace) -> int:
    stranger, folder = load(asked.adapter)
    logs = Path(asked.evidence or tempfile.mkdtemp(prefix="strangers-")).resolve()
    logs.mkdir(parents=True, exist_ok=True)
    say(f"{stranger.name}: logs of its processes in {logs}")
    status = None
    try:
        status = _judged(asked, stranger, folder, logs)
        return status
    finally:
        if asked.evidence is None:
            _leave(logs, is_clean=status == 0)


def _leave(logs: Path, *, is_clean: bool) -> None:
    """Of a folder that nobody has named, leave no more than somebody will look into."""
    if not is_clean and any(log.stat().st_size for log in logs.iterdir()):
        say(f"logs of its processes stay in {logs}")
        return
    shutil.rmtree(logs)
    if is_clean:
        say("all is as it should be, so its logs are deleted; --evidence DIR keeps them")


def _judged(asked: argparse.Namespace, stranger: Stranger, folder: Path, logs: Path) -> int:
    wanted = Wanted(asked.seed, asked.seconds)
    result = asyncio.run(run(stranger, folder, logs, wanted))
    for line in report.lines(result):
        print(line)
    if asked.page is not None:
        command = f"python -m chaos strangers judge {asked.adapter}"
        asked.page.write_text(report.page(stranger.name, command, result, wanted), encoding="utf-8")
    return 1 if any(verdict.counts for verdict in result.verdicts) else 0


def _new(asked: argparse.Namespace) -> int:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", asked.name):
        raise BadAdapter(f"{asked.name!r} is no name of a Python module: a-z, 0-9 and _")
    file = Path(f"{asked.name}.py")
    if file.exists():
        raise BadAdapter(f"{file} is there already, and stays as it is")
    title = asked.name.title().replace("_", "")
    text = SKELETON.read_text(encoding="utf-8")
    file.write_text(text.replace("NAME", asked.name).replace("TITLE", title), encoding="utf-8")
    print(f"{file}: fill it in, then: python -m chaos strangers judge {file}")
    return 0
