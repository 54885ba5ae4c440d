"""The operations' command line: thin clients of what the running consumers serve under /admin."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from tqdm import tqdm

from system.settings import load_settings
from system.table import QUERY_CONSUMER, ROLES

COMMANDS = ("dead-letters", "rebuild")
TIMEOUT_S = 30.0
POLL_S = 0.2
CONSUMERS = {spec.name: spec.port for spec in ROLES if spec.name.endswith("-consumer")}

DEAD_LETTERS = """\
Look after messages that a consumer could not handle.

A dead letter keeps the message as it was, with the reason. `replay` sends it again to the
consumer that failed, once the reason is gone; `purge` gives it up for good.

Letters are named TOPIC:PARTITION:OFFSET:CONSUMER, as `list` prints them.
"""
EXAMPLES = """\
examples:
  python -m system dead-letters list
  python -m system dead-letters show order.created:0:17:product-consumer
  python -m system dead-letters replay --all --dry-run
  python -m system dead-letters replay order.created:0:17:product-consumer
  python -m system dead-letters purge --topic order.created --consumer product-consumer

The consumers are asked at --host, on their own ports; ADMIN_TOKEN is sent where it is set.
"""
REBUILD = """\
Build the views anew from the log, while readers go on.

The query-consumer reads every event into a new generation of views and switches to it when it
shows all that the old one does. Ends when that is done; Ctrl-C leaves the rebuild running.
"""


class OperationFailed(Exception):
    """A consumer did not do what it was asked for. The text is one line."""


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the consumers' /admin."""

    http: aiohttp.ClientSession
    host: str

    async def ask(
        self,
        consumer: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:  # JSON, whose shape the caller knows
        url = f"http://{self.host}:{CONSUMERS[consumer]}{path}"
        try:
            async with self.http.request(method, url, json=body, params=query) as response:
                answer = await response.json(content_type=None)
                if response.status < 400:
                    return answer
                raise OperationFailed(f"{consumer}: {answer.get('detail', response.reason)}")
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError) as error:
            raise OperationFailed(f"{consumer} does not answer at {url}: is it running?") from error


def main(arguments: Sequence[str]) -> int:
    """Run one operation; the exit status."""
    asked = parser().parse_args(arguments)
    try:
        asyncio.run(_with_client(asked))
    except OperationFailed as failed:
        print(f"python -m system: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _with_client(asked: argparse.Namespace) -> None:
    token = load_settings().admin_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        await asked.run(Client(http, asked.host), asked)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m system")
    commands = made.add_subparsers(required=True, metavar="OPERATION")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--host", default="127.0.0.1", help="where the consumers run")
    letters = _sub(commands, "dead-letters", DEAD_LETTERS, EXAMPLES)
    kinds = letters.add_subparsers(required=True, metavar="list|show|replay|purge")
    consumer = argparse.ArgumentParser(add_help=False)
    consumer.add_argument("--topic", help="only letters of this topic")
    consumer.add_argument("--consumer", choices=sorted(CONSUMERS), help="only of this consumer")
    json_output = argparse.ArgumentParser(add_help=False)
    json_output.add_argument("--json", action="store_true", help="print JSON")
    listed = kinds.add_parser("list", parents=[where, consumer, json_output], help="list them")
    listed.set_defaults(run=_list)
    shown = kinds.add_parser("show", parents=[where, json_output], help="show one, whole")
    shown.add_argument("id")
    shown.set_defaults(run=_show)
    for name, done, help_text in (
        ("replay", "replayed", "send them again"),
        ("purge", "purged", "give them up"),
    ):
        resolving = kinds.add_parser(name, parents=[where, consumer], help=help_text)
        resolving.add_argument("ids", nargs="*", metavar="ID")
        resolving.add_argument("--all", action="store_true", help="all open ones")
        resolving.add_argument("--dry-run", action="store_true", help="only say which")
        resolving.set_defaults(run=_resolving(name, done))
    rebuild = _sub(commands, "rebuild", REBUILD, None, parents=[where])
    rebuild.set_defaults(run=_rebuild)
    return made


def _sub(
    commands: Any,  # argparse has no public name for it
    name: str,
    description: str,
    epilog: str | None,
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        description=description,
        epilog=epilog,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


async def _list(client: Client, asked: argparse.Namespace) -> None:
    letters = await _letters(client, asked)
    if asked.json:
        print(json.dumps(letters, indent=2))
        return
    for letter in letters:
        print(f"{letter['id']}  {letter['error_type']}: {letter['error']}")
    print(_counted(len(letters), "open"))


async def _show(client: Client, asked: argparse.Namespace) -> None:
    consumer = _consumer_of(asked.id)
    letter = await client.ask(consumer, "GET", "/admin/dead-letters/one", query={"id": asked.id})
    if asked.json:
        print(json.dumps(letter, indent=2))
        return
    for name in ("id", "topic", "partition", "offset", "consumer", "key", "error_type", "error"):
        print(f"{name:<16}{letter[name]}")
    for name in ("attempts", "first_failed_at", "last_failed_at"):
        print(f"{name:<16}{letter[name]}")
    for header in letter["headers"]:
        print(f"header          {header['name']}: {header['value']}")
    print(f"value           {letter['value']}")
    print(letter["trace"], end="")


def _resolving(name: str, done: str) -> Callable[[Client, argparse.Namespace], Any]:
    async def resolve(client: Client, asked: argparse.Namespace) -> None:
        if bool(asked.ids) == bool(asked.all or asked.topic or asked.consumer):
            raise OperationFailed(f"{name} which? Give IDs, or --topic, --consumer or --all")
        ids = asked.ids or [letter["id"] for letter in await _letters(client, asked)]
        for consumer in sorted({_consumer_of(id) for id in ids}):
            body = {
                "ids": [id for id in ids if _consumer_of(id) == consumer],
                "dry_run": asked.dry_run,
            }
            answer = await client.ask(consumer, "POST", f"/admin/dead-letters/{name}", body=body)
            for letter in answer["dead_letters"]:
                print(letter["id"])
        print(_counted(len(ids), f"would be {done}" if asked.dry_run else done))

    return resolve


async def _letters(client: Client, asked: argparse.Namespace) -> list[dict[str, Any]]:
    query = {"topic": asked.topic} if asked.topic else {}
    found = []
    for consumer in [asked.consumer] if asked.consumer else CONSUMERS:
        answer = await client.ask(consumer, "GET", "/admin/dead-letters", query=query)
        found.extend(answer["dead_letters"])
    return found


async def _rebuild(client: Client, _: argparse.Namespace) -> None:
    begun = await client.ask(QUERY_CONSUMER, "POST", "/admin/rebuild")
    number = begun["generation"]
    with tqdm(desc=f"generation {number}", unit=" records", disable=None) as bar:
        while True:
            progress = await client.ask(QUERY_CONSUMER, "GET", "/admin/rebuild")
            if progress["building"] != number:
                break
            bar.total = progress["records_total"]
            bar.update(progress["records_read"] - bar.n)
            await asyncio.sleep(POLL_S)
    if progress["live"] != number:
        raise OperationFailed(f"generation {number} was given up: {progress['failure']}")
    print(f"generation {number} is live")


def _consumer_of(id: str) -> str:
    consumer = id.rpartition(":")[2]
    if consumer not in CONSUMERS:
        raise OperationFailed(f"{id!r} is not TOPIC:PARTITION:OFFSET:CONSUMER")
    return consumer


def _counted(number: int, what: str) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'} {what}"
