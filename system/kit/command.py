"""The command line of a system: it runs roles until it is asked to stop, or operates those that run.

Light: `--help` loads no database, no broker and no HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from system.kit.operations import COMMANDS, terminal
from system.kit.operations.arguments import Parser, unknown
from system.kit.program import Program
from system.kit.settings import BadSettings, KitSettings

if TYPE_CHECKING:
    from system.kit.lifespan import Lifespan
    from system.kit.logs import Logger
    from system.kit.parts import Parts
    from system.kit.roles import Role
    from system.kit.table import System

DRIVERS = ("aiokafka", "aiomysql", "cramjam", "motor", "pymysql")
"""Of the servers: the embedded stack does without."""
ABANDON_S = 9.5
"""A process that was asked to stop ends within ten seconds, whatever hangs."""
SAME_KEY_PRESS_S = 0.5
"""Tools that start others pass Ctrl-C on, so that one may arrive twice."""


class Impossible(Exception):
    """What the command line asks for cannot be. The text is one line."""


def main(program: Program, arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    terminal.prepare()
    try:
        if arguments and arguments[0] in COMMANDS:
            from system.kit.operations import cli

            return cli.main(arguments, program)
        return _run(program, parser(program).parse_args(arguments))
    except (BadSettings, Impossible) as error:
        return _fail(program, str(error), 2)
    finally:
        terminal.finish()


def parser(program: Program) -> argparse.ArgumentParser:
    made = Parser(
        program.name,
        description=program.description,
        epilog=program.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "roles",
        nargs="*",
        metavar="ROLE",
        help="a role or a group of roles (see below); all without one",
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


def chosen(program: Program, names: Sequence[str]) -> list[str]:
    """The roles that are meant, each once. Raises Impossible for an unknown one."""
    known = [spec.name for spec in program.roles]
    roles: list[str] = []
    for name in names or known:
        if name in COMMANDS:
            raise Impossible(f"{name} is an operation and stands first: {program.name} {name} …")
        if name not in known and name not in program.groups:
            raise Impossible(unknown("role", name, (*known, *program.groups, *COMMANDS)))
        roles.extend(program.groups.get(name, (name,)))
    return list(dict.fromkeys(roles))


def _run(program: Program, asked: argparse.Namespace) -> int:
    roles = chosen(program, asked.roles)
    stack = asked.stack or ("servers" if asked.roles else "embedded")
    data = _directory(asked.data, stack)
    settings = program.settings()
    if settings.port is not None and len(roles) != 1:
        raise Impossible("PORT is for exactly one role; name it, or unset PORT")
    from system.kit import logs, stacks
    from system.kit.errors import Misconfigured, leaves
    from system.kit.http.server import CannotListen

    service = settings.service_name or (roles[0] if len(roles) == 1 else "system")
    logs.configure(
        settings.log_format,
        settings.log_level,
        service,
        also_of_roles=settings.service_name is not None,
    )
    try:
        system = program.system()
        topics = system.all_topics
        parts = (
            stacks.embedded(settings, topics, data)
            if stack == "embedded"
            else stacks.servers(settings, topics)
        )
        greet = partial(_greeting, program, _welcome(stack, data))
        asyncio.run(_serve(system, roles, parts, settings, greet, logs.logger(service)))
    except (Misconfigured, stacks.StackError) as error:
        return _fail(program, str(error), 1)
    except ModuleNotFoundError as error:
        driver = (error.name or "").partition(".")[0]
        if driver not in DRIVERS:
            raise
        return _fail(
            program, f"{driver} is not installed: pip install -c constraints.txt -e '.[servers]'", 1
        )
    except BaseExceptionGroup as group:
        expected, bugs = group.split((CannotListen, Misconfigured, stacks.StackError))
        if expected is None or bugs is not None:
            raise
        return _fail(program, str(next(leaves(expected))), 1)  # eight ports taken are one story
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


async def _serve(
    system: System,
    names: Sequence[str],
    stack: AbstractAsyncContextManager[Parts],
    settings: KitSettings,
    greet: Callable[[Mapping[str, str]], str],
    logger: Logger,
) -> None:
    from system.kit import process, roles
    from system.kit.http.connections import Connections, quiet_accepts, room_for_connections
    from system.kit.lifespan import Lifespan

    lifespan = Lifespan()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(quiet_accepts(loop.default_exception_handler, loop.time))
    stop = _Stop(lifespan, loop, logger)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with stack as parts:
        if not await process.prepared([system.role(name) for name in names], parts, lifespan):
            return
        connections = Connections(room_for_connections())
        blueprint = roles.Blueprint(system, settings, connections=connections)
        made = [roles.build(name, parts, blueprint, lifespan) for name in names]
        greeting = asyncio.create_task(_greet(lifespan, made, greet))
        try:
            await process.run(made, lifespan)
        finally:
            greeting.cancel()


class _Stop:
    """What a signal does: the first asks to stop, a second Ctrl-C leaves at once."""

    def __init__(self, lifespan: Lifespan, loop: asyncio.AbstractEventLoop, logger: Logger) -> None:
        self._lifespan = lifespan
        self._loop = loop
        self._logger = logger
        self._asked_at: float | None = None

    def __call__(self, number: signal.Signals) -> None:
        now = self._loop.time()
        if self._asked_at is None:
            self._asked_at = now
            self._lifespan.stopping.set()
            self._logger.info("stopping", signal=number.name)
            # every wait has a bound of its own; this one is for a driver that breaks its promise
            self._loop.call_later(ABANDON_S, os._exit, 0)
        elif number is signal.SIGINT and now - self._asked_at > SAME_KEY_PRESS_S:
            # as safe as kill -9: nothing acknowledged is lost
            os._exit(128 + number)


async def _greet(
    lifespan: Lifespan, roles: Sequence[Role], greet: Callable[[Mapping[str, str]], str]
) -> None:
    from system.kit.process import collect_rarely

    await lifespan.all_ready.wait()
    collect_rarely()
    with suppress(OSError):  # a full disk behind stdout ends no service
        terminal.say(greet({role.name: role.http.url for role in roles}))


def _greeting(program: Program, welcome: str, urls: Mapping[str, str]) -> str:
    lines = ["", welcome, "", *(f"  {name:<18}{url}" for name, url in urls.items()), ""]
    if len(urls) == len(program.roles):
        lines.append(program.try_it(urls))
    return "\n".join(lines)


def _fail(program: Program, problem: str, status: int) -> int:
    print(f"{program.name}: {problem}", file=sys.stderr)
    return status
