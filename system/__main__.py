"""Run the system: `python -m system [ROLE …]`, or operate it."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

if __name__ == "__main__":
    # Ctrl-C while modules are loaded: nothing has begun, so end without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for _package in ("aiohttp", "pydantic_settings", "sqlalchemy", "structlog"):
        if find_spec(_package) is None:
            sys.exit(
                f"python -m system: {_package} is not installed: pip install -c constraints.txt -e ."
            )

import argparse
import asyncio
import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from system.kit.operations import COMMANDS, terminal
from system.kit.operations.arguments import Parser, unknown
from system.kit.settings import BadSettings
from system.roles import GROUPS, ROLES
from system.settings import Settings, load_settings

if TYPE_CHECKING:
    from system.kit.lifespan import Life
    from system.kit.logs import Logger
    from system.kit.parts import Parts
    from system.kit.roles import Role

DRIVERS = ("aiokafka", "aiomysql", "cramjam", "motor", "pymysql")
"""Of the servers: the embedded stack does without."""
ABANDON_S = 9.5
"""A process that was asked to stop ends within ten seconds, whatever hangs."""
SAME_KEY_PRESS_S = 0.5
"""Tools that start others pass Ctrl-C on, so that one may arrive twice."""
GC_THRESHOLDS = (20_000, 20, 50)
"""Python's own are 700, 10, 10: with them every few thousand requests wait for a full collection."""

DESCRIPTION = """\
Run the e-commerce system, or some of its roles, until Ctrl-C or SIGTERM.

Without a role all eight run in this one process, on the embedded stack: SQLite, an event log and
views in memory. Nothing is kept, unless --data names a directory. With roles the servers are
used: MYSQL_DSN, KAFKA_BROKERS and MONGO_URI say where they are.
"""
EPILOG = f"""\
roles, each with its port:
{chr(10).join(f"  {spec.name:<18}{spec.port}" for spec in ROLES)}
groups of roles:
{chr(10).join(f"  {name:<18}{' '.join(roles)}" for name, roles in GROUPS.items())}

examples:
  python -m system                          all in one process, nothing is kept
  python -m system --data ./data            the same, and the next start goes on from there
  python -m system apis                     four of eight, on the servers
  PORT=9000 python -m system order-api      one, on another port

operations, asked of the running consumers (each has its own --help):
  python -m system dead-letters list | show | replay | purge
  python -m system rebuild

Settings come from the environment and from .env; .env.example explains them all.
Exit status: 0 stopped when asked to, 1 failed, 2 asked for something impossible.
"""


EXAMPLE = ("order.created", "product-consumer")
"""A topic and one of its consumers, in the help of operations."""


class Impossible(Exception):
    """What the command line asks for cannot be. The text is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    terminal.prepare()
    try:
        if arguments and arguments[0] in COMMANDS:
            from system.events import TOPICS
            from system.kit.operations import cli

            operated = cli.Operated(ROLES, TOPICS, EXAMPLE)
            return cli.main(arguments, operated, load_settings)
        return _run(parser().parse_args(arguments))
    except (BadSettings, Impossible) as error:
        return _fail(str(error), 2)
    finally:
        terminal.finish()


def parser() -> argparse.ArgumentParser:
    made = Parser(
        "python -m system",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "roles",
        nargs="*",
        metavar="ROLE",
        help="a role or a group of roles (see below); all eight without one",
    )
    made.add_argument(
        "--stack",
        choices=("embedded", "servers"),
        help="embedded by default without a role, servers with one",
    )
    made.add_argument(
        "--data",
        metavar="DIR",
        help="keep the write model, the log and its offsets here (embedded stack only)",
    )
    return made


def chosen(names: Sequence[str]) -> list[str]:
    """The roles that are meant, each once. Raises Impossible for an unknown one."""
    known = [spec.name for spec in ROLES]
    roles: list[str] = []
    for name in names or known:
        if name in COMMANDS:
            raise Impossible(f"{name} is an operation and stands first: python -m system {name} …")
        if name not in known and name not in GROUPS:
            raise Impossible(unknown("role", name, (*known, *GROUPS, *COMMANDS)))
        roles.extend(GROUPS.get(name, (name,)))
    return list(dict.fromkeys(roles))


def _run(asked: argparse.Namespace) -> int:
    roles = chosen(asked.roles)
    stack = asked.stack or ("servers" if asked.roles else "embedded")
    data = _directory(asked.data, stack)
    settings = load_settings()
    if settings.port is not None and len(roles) != 1:
        raise Impossible("PORT is for exactly one role; name it, or unset PORT")
    from system.kit import logs, stacks
    from system.kit.errors import Misconfigured
    from system.kit.http.server import CannotListen
    from system.table import SHOP

    service = settings.service_name or (roles[0] if len(roles) == 1 else "system")
    logs.configure(
        settings.log_format,
        settings.log_level,
        service,
        also_of_roles=settings.service_name is not None,
    )
    try:
        topics = SHOP.all_topics
        parts = (
            stacks.embedded(settings, topics, data)
            if stack == "embedded"
            else stacks.servers(settings, topics)
        )
        asyncio.run(_serve(roles, parts, settings, _welcome(stack, data), logs.logger(service)))
    except (Misconfigured, stacks.StackError) as error:
        return _fail(str(error), 1)
    except ModuleNotFoundError as error:
        driver = (error.name or "").partition(".")[0]
        if driver not in DRIVERS:
            raise
        return _fail(
            f"{driver} is not installed: pip install -c constraints.txt -e '.[servers]'", 1
        )
    except BaseExceptionGroup as group:
        expected, bugs = group.split((CannotListen, Misconfigured, stacks.StackError))
        if expected is None or bugs is not None:
            raise
        return _fail(str(next(_leaves(expected))), 1)  # eight ports taken are one story
    return 0


def _directory(text: str | None, stack: str) -> Path | None:
    if text is None:
        return None
    if stack != "embedded":
        raise Impossible("--data is for the embedded stack; servers keep their own data")
    if not text.strip() or "\0" in text:
        raise Impossible("--data needs the name of a directory")
    return Path(text)


def _welcome(stack: str, data: Path | None) -> str:
    if stack == "servers":
        return "The system runs, on servers."
    kept = f"Kept in {data}." if data else "Nothing is kept; --data DIR would keep it."
    return f"The system runs, on the embedded stack. {kept}"


TRY_IT = """\
Try it, from another terminal:

  curl -X POST {users}/users -H 'Content-Type: application/json' \\
    -d '{{"name": "Ada", "email": "ada@example.com"}}'

and see it arrive: curl {views}/users
Every API has a page to try it at /docs. Ctrl-C stops.
"""


async def _serve(
    names: Sequence[str],
    stack: AbstractAsyncContextManager[Parts],
    settings: Settings,
    welcome: str,
    logger: Logger,
) -> None:
    from system.kit import process, roles
    from system.kit.http.connections import Connections, quiet_accepts, room_for_connections
    from system.kit.lifespan import Life
    from system.table import SHOP

    life = Life()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(quiet_accepts(loop.default_exception_handler, loop.time))
    stop = _Stop(life, loop, logger)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with stack as parts:
        if not await process.prepared([SHOP.role(name) for name in names], parts, life):
            return
        connections = Connections(room_for_connections())
        blueprint = roles.Blueprint(SHOP, settings, connections=connections)
        made = [roles.build(name, parts, blueprint, life) for name in names]
        greeting = asyncio.create_task(_greet(life, made, welcome))
        try:
            await process.run(made, life)
        finally:
            greeting.cancel()


class _Stop:
    """What a signal does: the first asks to stop, a second Ctrl-C leaves at once."""

    def __init__(self, life: Life, loop: asyncio.AbstractEventLoop, logger: Logger) -> None:
        self._life = life
        self._loop = loop
        self._logger = logger
        self._asked_at: float | None = None

    def __call__(self, number: signal.Signals) -> None:
        now = self._loop.time()
        if self._asked_at is None:
            self._asked_at = now
            self._life.stopping.set()
            self._logger.info("stopping", signal=number.name)
            # every wait has a bound of its own; this one is for a driver that breaks its promise
            self._loop.call_later(ABANDON_S, os._exit, 0)
        elif number is signal.SIGINT and now - self._asked_at > SAME_KEY_PRESS_S:
            # as safe as kill -9: nothing acknowledged is lost
            os._exit(128 + number)


async def _greet(life: Life, roles: Sequence[Role], welcome: str) -> None:
    await life.all_ready.wait()
    _collect_rarely()
    urls = {role.name: role.http.url for role in roles}
    lines = ["", welcome, "", *(f"  {name:<18}{url}" for name, url in urls.items()), ""]
    if len(roles) == len(ROLES):
        lines.append(TRY_IT.format(users=urls["user-api"], views=urls["query-api"]))
    with suppress(OSError):  # a full disk behind stdout stops nobody's orders
        terminal.say(*lines)


def _collect_rarely() -> None:
    """Keep what a start has made out of every collection, and collect less often.

    A full collection walks over all modules, models and statements, some 100,000 objects, and holds
    up each request meanwhile: those are the slowest hundredth. What requests leave is freed by
    counting references; only cycles wait for a collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _fail(problem: str, status: int) -> int:
    print(f"python -m system: {problem}", file=sys.stderr)
    return status


def _leaves(group: BaseExceptionGroup[Exception]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
