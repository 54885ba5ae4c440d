"""Run the system: `python -m system [ROLE …]`, or operate it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from system import logs, wiring
from system.life import Life
from system.operations import cli
from system.settings import BadSettings, Settings, load_settings
from system.table import ROLES
from system.web.server import CannotListen

GROUPS = {
    "apis": tuple(spec.name for spec in ROLES if spec.name.endswith("-api")),
    "consumers": tuple(spec.name for spec in ROLES if spec.name.endswith("-consumer")),
}
ABANDON_S = 9.5
"""A process that was asked to stop ends within ten seconds, whatever hangs."""

DESCRIPTION = """\
Run the e-commerce system, or some of its roles, until Ctrl-C or SIGTERM.

Without a role all eight run in this one process, on the embedded stack: SQLite, an event log and
views in memory. Nothing is kept, unless --data names a directory. With roles the servers are
used: MYSQL_DSN, KAFKA_BROKERS and MONGO_URI say where they are.
"""
EPILOG = f"""\
roles:   {" ".join(spec.name for spec in ROLES)}
groups:  apis consumers

operations, asked of the running consumers (each has its own --help):
  python -m system dead-letters list | show | replay | purge
  python -m system rebuild

Settings come from the environment and from .env; .env.example explains them all.
Exit status: 0 stopped when asked to, 1 failed, 2 asked for something impossible.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments and arguments[0] in cli.COMMANDS:
            return cli.main(arguments)
        return _run(parser().parse_args(arguments))
    except BadSettings as error:
        return _fail(str(error), 2)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
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
        type=Path,
        metavar="DIR",
        help="keep the write model, the log and its offsets here (embedded stack only)",
    )
    return made


def chosen(names: Sequence[str]) -> list[str]:
    """The roles that are meant, each once. Raises ValueError for an unknown one."""
    known = [spec.name for spec in ROLES]
    roles: list[str] = []
    for name in names or known:
        if name not in known and name not in GROUPS:
            raise ValueError(
                f"unknown role {name!r}; there are {', '.join(known)}, and the groups "
                f"{' and '.join(GROUPS)}"
            )
        roles.extend(GROUPS.get(name, (name,)))
    return list(dict.fromkeys(roles))


def _run(asked: argparse.Namespace) -> int:
    try:
        roles = chosen(asked.roles)
    except ValueError as error:
        return _fail(str(error), 2)
    stack = asked.stack or ("servers" if asked.roles else "embedded")
    settings = load_settings()
    if settings.port is not None and len(roles) != 1:
        return _fail("PORT is for exactly one role; name it, or unset PORT", 2)
    if asked.data is not None and stack != "embedded":
        return _fail("--data is for the embedded stack; servers keep their own data", 2)
    service = settings.service_name or (roles[0] if len(roles) == 1 else "system")
    logs.configure(settings.log_format, settings.log_level, service)
    parts = (
        wiring.embedded(settings, asked.data) if stack == "embedded" else wiring.servers(settings)
    )
    welcome = WELCOME_EMBEDDED if stack == "embedded" else WELCOME_SERVERS
    kept = f"Kept in {asked.data}." if asked.data else "Nothing is kept; --data DIR would keep it."
    try:
        asyncio.run(_serve(roles, parts, settings, welcome.format(kept=kept)))
    except wiring.StackError as error:
        return _fail(str(error), 1)
    except BaseExceptionGroup as group:
        ports, others = group.split(CannotListen)
        if ports is None or others is not None:
            raise
        return _fail("; ".join(str(error) for error in _leaves(ports)), 1)
    return 0


WELCOME_EMBEDDED = """
The system runs, on the embedded stack. {kept}
"""
WELCOME_SERVERS = """
The system runs, on servers.
"""
TRY_IT = """
Try it, from another terminal:

  curl -X POST http://localhost:8081/users -H 'Content-Type: application/json' \\
    -d '{"name": "Ada", "email": "ada@example.com"}'

and see it arrive: curl http://localhost:8084/users
Every API has a page to try it at /docs. Ctrl-C stops.
"""


async def _serve(
    names: Sequence[str],
    stack: AbstractAsyncContextManager[wiring.Parts],
    settings: Settings,
    welcome: str,
) -> None:
    life = Life()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _ask_to_stop, life, loop)
    async with stack as parts:
        if not await wiring.prepared(parts, life):
            return
        blueprint = wiring.Blueprint(settings)
        roles = [wiring.role(name, parts, blueprint, life) for name in names]
        greeting = asyncio.create_task(_greet(life, roles, welcome))
        try:
            await wiring.run(roles, life)
        finally:
            greeting.cancel()


def _ask_to_stop(life: Life, loop: asyncio.AbstractEventLoop) -> None:
    if not life.stopping.is_set():
        life.stopping.set()
        # every wait has a bound of its own; this one is for a driver that breaks its promise
        loop.call_later(ABANDON_S, os._exit, 0)


async def _greet(life: Life, roles: Sequence[wiring.Role], welcome: str) -> None:
    await life.all_ready.wait()
    lines = [f"  {role.name:<18}http://{role.http.host}:{role.http.port}" for role in roles]
    all_eight = TRY_IT if len(roles) == len(ROLES) else ""
    print(welcome, *lines, all_eight, sep="\n", flush=True)


def _fail(problem: str, status: int) -> int:
    print(f"python -m system: {problem}", file=sys.stderr)
    return status


def _leaves(group: BaseExceptionGroup[CannotListen]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
