"""Start the local servers by hand: `python -m scenarios.harness.servers`."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
from collections.abc import Iterator, Mapping

from chaos.kit import command
from scenarios.harness.servers import (
    DATABASES,
    VIEWS,
    LocalServers,
    Missing,
    NotStarted,
    best_views,
)
from scenarios.harness.servers.common import cache_folder, say
from scenarios.harness.servers.roles import one_has_ended, roles
from system.kit.operations.arguments import Parser

PROGRAM = "python -m scenarios.harness.servers"


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog=PROGRAM,
        description="Start Kafka, MySQL, a MongoDB-speaking server and Toxiproxy on free ports,"
        " print the environment to export, and keep them until Ctrl-C."
        f" Programs are fetched once into {cache_folder()}; data are thrown away at the end.",
    )
    parser.add_argument(
        "do",
        nargs="?",
        choices=["run", "fetch"],
        default="run",
        help="fetch: get the programs only",
    )
    parser.add_argument("--database", choices=sorted(DATABASES), default="mysql")
    parser.add_argument(
        "--views",
        choices=sorted(VIEWS),
        default=best_views(),
        help="what speaks MongoDB's protocol (default: %(default)s, the best that is to be had here)",
    )
    parser.add_argument(
        "--proxied", action="store_true", help="print the addresses that lead through Toxiproxy"
    )
    parser.add_argument(
        "--roles",
        action="store_true",
        help="also start the eight roles, each as a process, on their own ports",
    )
    return parser.parse_args()


async def main(chosen: argparse.Namespace) -> None:
    servers = LocalServers(database=chosen.database, views=chosen.views)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopping.set)
    to_do = servers.fetch() if chosen.do == "fetch" else _keep(servers, chosen)
    work = asyncio.create_task(to_do)
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    work.cancel()  # also in the middle of fetching or starting: it cleans up on its way out
    try:
        await work
    except asyncio.CancelledError:
        say("all stopped")


async def _keep(servers: LocalServers, chosen: argparse.Namespace) -> None:
    async with servers:
        environment = servers.environment(proxied=chosen.proxied)
        for name, value in environment.items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"export TOXIPROXY=http://{servers.toxiproxy.address}", flush=True)
        if chosen.roles:
            await _keep_roles(environment)
        say("they run until Ctrl-C")
        await asyncio.Event().wait()  # until this task is cancelled


async def _keep_roles(environment: Mapping[str, str]) -> None:
    async with roles(environment) as processes:
        for process in processes.values():
            say(f"  {process.name:<18}{process.url}  its log: {process.folder}/server.log")
        say("servers and roles run until Ctrl-C")
        await one_has_ended(processes.values())


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


def run() -> int:
    command.require("aiokafka", "aiomysql", "pymongo")
    failed = 0
    try:
        asyncio.run(main(arguments()))
    except* (Missing, NotStarted) as failures:
        failed = 1
        for text in dict.fromkeys(map(str, _leaves(failures))):
            say(f"error: {text}")
    return failed
