"""Run the system: `python -m system [ROLE …]`, or operate it."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Ctrl-C while modules are loaded: nothing has begun, so end without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for _package in ("aiohttp", "pydantic_settings", "sqlalchemy", "structlog"):
        if find_spec(_package) is None:
            sys.exit(
                f"python -m system: {_package} is not installed: pip install -c constraints.txt -e ."
            )

from collections.abc import Mapping, Sequence

from system.kit import command
from system.kit.program import Program, listed
from system.roles import ROLES
from system.settings import load_settings

if TYPE_CHECKING:
    from system.kit.table import System

DESCRIPTION = """\
Run the e-commerce system, or some of its roles, until Ctrl-C or SIGTERM.

Without a role all eight run in this one process, on the embedded stack: SQLite, an event log and
views in memory. Nothing is kept, unless --data names a directory. With roles the servers are
used: MYSQL_DSN, KAFKA_BROKERS and MONGO_URI say where they are.
"""
EPILOG = f"""\
{listed(ROLES)}
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
TRY_IT = """\
Try it, from another terminal:

  curl -X POST {users}/users -H 'Content-Type: application/json' \\
    -d '{{"name": "Ada", "email": "ada@example.com"}}'

and see it arrive: curl {views}/users
Every API has a page to try it at /docs. Ctrl-C stops.
"""


def _try_it(urls: Mapping[str, str]) -> str:
    return TRY_IT.format(users=urls["user-api"], views=urls["query-api"])


def _topics() -> Sequence[str]:
    from system.events import TOPICS

    return TOPICS


def _system() -> System:
    from system.table import SHOP

    return SHOP


PROGRAM = Program(
    "python -m system",
    DESCRIPTION,
    EPILOG,
    ROLES,
    example=("order.created", "product-consumer"),
    topics=_topics,
    system=_system,
    settings=load_settings,
    try_it=_try_it,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    return command.main(PROGRAM, arguments)


if __name__ == "__main__":
    sys.exit(main())
