"""The operations' command line: thin clients of what the running consumers serve under /admin."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
from tqdm import tqdm

from system.kit.http.server import url
from system.kit.operations.arguments import Parser
from system.kit.operations.terminal import complain, printable, printable_lines, say
from system.kit.program import Program
from system.kit.settings import KitSettings

TIMEOUT_S = 30.0
ASKED_MAX = 120
NOT_NOW_S = 0.5
"""So often, and so far apart, is a consumer asked that cannot say how far a rebuild is."""
POLL_S = 0.2
LETTERS_AT_ONCE = 100
"""Each is read from its place and takes two writes, and a request has a bound."""

Letters = list[dict[str, Any]]  # as the consumers describe them
Operation = Callable[["Client", argparse.Namespace], Awaitable[None]]

DEAD_LETTERS = """\
Look after messages that a consumer could not handle.

A dead letter keeps the message as it was, with the reason. `replay` sends it again to the
consumer that failed, once the reason is gone; `purge` gives it up for good.

Letters are named TOPIC:PARTITION:OFFSET:CONSUMER, as `list` prints them.
"""
ANSWERS = """\
The consumers are asked at --host, on their own ports; ADMIN_TOKEN is sent where it is set.
Exit status: 0 done, 1 failed, 2 asked for something impossible.
"""
EXAMPLES = """\
examples:
  {name} dead-letters list
  {name} dead-letters show {topic}:0:17:{consumer}
  {name} dead-letters replay --all --dry-run
  {name} dead-letters replay {topic}:0:17:{consumer}
  {name} dead-letters purge --topic {topic} --consumer {consumer}

"""
LIST = """\
List the open dead letters, one line each: its name, and why it was given up.

They come by consumer, then by topic, the oldest of each partition first.
"""
SHOW = """\
Show one dead letter: its facts, the message's headers and body, and the traceback.

--json prints the key and the body byte for byte, too, as base64.
"""
REPLAY = """\
Send messages again, as they were, to the consumer that could not handle them.

Do so when the reason is gone: one that fails again is a new dead letter. Replaying what has been
handled after all changes nothing.
"""
PURGE = """\
Give messages up: they leave the list for good, and what they would have done is never done.
"""
REBUILD = """\
Build the views anew from the log, while readers go on.

The views' consumer reads every event into a new generation, and switches to it when that shows all
that the old one does. Ends when that is done; Ctrl-C leaves the rebuild running.
"""


class OperationFailed(Exception):
    """A consumer did not do what it was asked for. The text is one line."""

    status = 1


class NotNow(OperationFailed):
    """A consumer cannot say at the moment: a store of its own is away, or slow."""


class NotThere(OperationFailed):
    """A consumer does not answer at all."""


class NothingMeant(OperationFailed):
    """What the command line asks for cannot be."""

    status = 2


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the consumers' /admin."""

    http: aiohttp.ClientSession
    host: str
    program: Program
    away: dict[str, str] = field(default_factory=dict)
    """Consumers that are not there, and how that was seen."""
    told: set[str] = field(default_factory=set)

    async def ask(
        self,
        consumer: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:  # JSON, whose shape the caller knows
        base = url(self.host, self.program.consumers[consumer])
        try:
            async with self.http.request(method, base + path, json=body, params=query) as response:
                answer = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotThere(f"{consumer} does not answer at {base}: is it running?") from error
        except ValueError as error:  # no JSON, no UTF-8
            raise OperationFailed(f"what answers at {base} is no {consumer}") from error
        if not isinstance(answer, dict):
            raise OperationFailed(f"what answers at {base} is no {consumer}")
        if response.status < 400:
            return answer
        failed = NotNow if response.status == HTTPStatus.SERVICE_UNAVAILABLE else OperationFailed
        raise failed(f"{consumer}: {_why(response.status, answer)}")

    async def ask_about(
        self, consumer: str, ask: Callable[[str], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Ask the consumer, or another for it: dead letters lie in the log, which each of them reads."""
        consumers = self.program.consumers
        for asked in (consumer, *(name for name in consumers if name != consumer)):
            if asked in self.away:
                continue
            try:
                answer = await ask(asked)
            except NotThere as error:
                self.away[asked] = str(error)
                continue
            self._tell_who_is_away(asked)
            return answer
        raise NotThere(
            f"no consumer answers at {self.host} on ports {min(consumers.values())} to "
            f"{max(consumers.values())}: is the system running?"
        )

    def _tell_who_is_away(self, other: str) -> None:
        for consumer in sorted(self.away.keys() - self.told):
            self.told.add(consumer)
            complain(
                f"{self.program.name}: {self.away[consumer]} {other} reads its dead letters in the log meanwhile."
            )


def _why(status: int, problem: Mapping[str, Any]) -> str:
    match status:
        case 401:
            return "it wants a token: set ADMIN_TOKEN to the one that it was started with"
        case 403:
            return "it listens to its own machine alone, unless ADMIN_TOKEN is set there and here"
    faults = [f"{fault['place']} {fault['reason']}" for fault in problem.get("errors", ())]
    detail = problem.get("detail", f"it answered {status}")
    return printable("; ".join(faults) or str(detail))


def main(arguments: Sequence[str], program: Program) -> int:
    """Run one operation; the exit status. Raises BadSettings."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = parser(program).parse_args(arguments)
    try:
        asyncio.run(_with_client(asked, program, program.settings()))
    except OperationFailed as failed:
        print(f"{program.name}: {failed}", file=sys.stderr)
        return failed.status
    except OSError as error:
        print(f"{program.name}: cannot write: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _with_client(asked: argparse.Namespace, program: Program, settings: KitSettings) -> None:
    token = settings.admin_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        await asked.run(Client(http, asked.host or settings.host, program), asked)


# --- what can be asked ----------------------------------------------------------------------------


def parser(program: Program) -> argparse.ArgumentParser:
    topic, consumer = program.example
    made = Parser(program.name)
    commands = made.add_subparsers(required=True, metavar="OPERATION")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--host", help="where the consumers run; by default what HOST says")
    of = argparse.ArgumentParser(add_help=False)
    of.add_argument(
        "--topic", choices=program.topics(), metavar="TOPIC", help="only dead letters of this topic"
    )
    of.add_argument(
        "--consumer",
        choices=tuple(program.consumers),
        metavar="CONSUMER",
        help=f"only of this one: {', '.join(program.consumers)}",
    )
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--json", action="store_true", help="print JSON")
    examples = EXAMPLES.format(name=program.name, topic=topic, consumer=consumer) + ANSWERS
    letters = _command(commands, "dead-letters", None, DEAD_LETTERS, epilog=examples)
    kinds = letters.add_subparsers(required=True, metavar="list|show|replay|purge")
    _command(kinds, "list", _list, LIST, where, of, out)
    shown = _command(kinds, "show", _show, SHOW, where, out)
    shown.add_argument("id", metavar="ID", help="the dead letter's name, as `list` prints it")
    for name, done, description in (
        ("replay", "replayed", REPLAY),
        ("purge", "purged", PURGE),
    ):
        resolving = _command(kinds, name, _resolving(name, done), description, where, of, out)
        resolving.add_argument(
            "ids", nargs="*", metavar="ID", help="a dead letter's name, as `list` prints it"
        )
        resolving.add_argument("--all", action="store_true", help="all that are open")
        resolving.add_argument("--dry-run", action="store_true", help="only say which they are")
    _command(commands, "rebuild", _rebuild, REBUILD, where)
    return made


def _command(
    commands: Any,  # argparse has no public name for it
    name: str,
    run: Operation | None,
    description: str,
    *parents: argparse.ArgumentParser,
    epilog: str = ANSWERS,
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        description=description,
        help=description.split("\n", 1)[0].rstrip("."),
        epilog=epilog,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


# --- dead letters ---------------------------------------------------------------------------------


async def _list(client: Client, asked: argparse.Namespace) -> None:
    letters = await _letters(client, asked)
    if asked.json:
        say(json.dumps(letters, indent=2))
        return
    say(*(_line(letter) for letter in letters), _counted(len(letters), "open"))


async def _show(client: Client, asked: argparse.Namespace) -> None:
    consumer = _consumer_of(asked.id, client.program)
    letter = await client.ask_about(
        consumer,
        lambda other: client.ask(other, "GET", "/admin/dead-letters/one", query={"id": asked.id}),
    )
    if asked.json:
        say(json.dumps(letter, indent=2))
        return
    facts = "id topic partition offset consumer key error_type error attempts first_failed_at"
    for name in (*facts.split(), "last_failed_at"):
        say(f"{name:<16}{printable(str(letter[name]))}")
    if reference := letter["reference"]:
        about = f"{reference['size']} bytes, {reference['digest']}"
        say(f"{'kept':<16}in its place alone: {printable(about)}")
    if letter["missing"]:
        say(f"{'missing':<16}{printable(letter['missing'])}")
    for header in letter["headers"]:
        say(f"{'header':<16}{printable(header['name'])}: {printable(header['value'])}")
    say(f"{'value':<16}{printable(letter['value'])}", printable_lines(letter["trace"]).rstrip())


def _resolving(name: str, done: str) -> Operation:
    async def resolve(client: Client, asked: argparse.Namespace) -> None:
        chosen_otherwise = bool(asked.all or asked.topic or asked.consumer)
        if bool(asked.ids) == chosen_otherwise:
            raise NothingMeant(f"{name} which? Give IDs, or else --topic, --consumer or --all")
        ids = asked.ids or [letter["id"] for letter in await _letters(client, asked)]
        parts = list(_by_consumer(ids, client.program))
        # all of them are looked up before anything is done to one
        letters = [(await _ask(client, name, part, dry_run=True))[0] for part in parts]
        resolved: Letters = []
        failed: Letters = []
        try:
            for number, part in enumerate(parts):
                if not asked.dry_run:
                    letters[number], left = await _ask(client, name, part, dry_run=False)
                    failed += left
                resolved += letters[number]
                if not asked.json:
                    say(*(letter["id"] for letter in letters[number]))
        except OperationFailed as stopped:
            raise OperationFailed(f"{stopped} ({len(resolved)} of {len(ids)} {done})") from stopped
        if asked.json:
            say(json.dumps(resolved, indent=2))
        else:
            say(_counted(len(resolved), f"would be {done}" if asked.dry_run else done))
        if failed:
            told = "; ".join(printable(f"{letter['id']}: {letter['reason']}") for letter in failed)
            raise OperationFailed(f"not {done}, and still open: {told}")

    return resolve


async def _ask(
    client: Client, name: str, ids: Sequence[str], *, dry_run: bool
) -> tuple[Letters, Letters]:
    """Those that are done, and those that could not be."""
    body = {"ids": ids, "dry_run": dry_run}
    path = f"/admin/dead-letters/{name}"
    answer = await client.ask_about(
        _consumer_of(ids[0], client.program),
        lambda other: client.ask(other, "POST", path, body=body),
    )
    return list(answer["dead_letters"]), list(answer.get("failed", ()))


async def _letters(client: Client, asked: argparse.Namespace) -> Letters:
    query = {"topic": asked.topic} if asked.topic else {}
    found = []
    for consumer in [asked.consumer] if asked.consumer else client.program.consumers:
        ask = partial(
            client.ask,
            method="GET",
            path="/admin/dead-letters",
            query=query | {"consumer": consumer},
        )
        answer = await client.ask_about(consumer, ask)
        found.extend(answer["dead_letters"])
    return found


def _by_consumer(ids: Iterable[str], program: Program) -> Iterator[list[str]]:
    """The ids, each once, in pieces for one request. Raises NothingMeant."""
    of_consumer: dict[str, list[str]] = {name: [] for name in program.consumers}
    for id in dict.fromkeys(ids):
        of_consumer[_consumer_of(id, program)].append(id)
    for same in of_consumer.values():
        for first in range(0, len(same), LETTERS_AT_ONCE):
            yield same[first : first + LETTERS_AT_ONCE]


def _consumer_of(id: str, program: Program) -> str:
    consumer = id.rpartition(":")[2]
    if consumer not in program.consumers:
        raise NothingMeant(f"{printable(id)!r} is not TOPIC:PARTITION:OFFSET:CONSUMER")
    return consumer


def _line(letter: Mapping[str, Any]) -> str:
    return printable(f"{letter['id']}  {letter['error_type']}: {letter['error']}")


def _counted(number: int, what: str) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'} {what}"


# --- the views ------------------------------------------------------------------------------------


async def progress(client: Client, number: int) -> dict[str, Any]:  # JSON
    """How far the rebuild is. It goes on while no consumer can say so, and so does the question."""
    asked = 1
    while True:
        try:
            return await client.ask(client.program.projects, "GET", "/admin/rebuild")
        except (NotNow, NotThere) as not_now:  # it may have been restarted, and goes on then
            if asked == ASKED_MAX:
                raise OperationFailed(
                    f"generation {number} is being built, and how far it is cannot be said: {not_now}"
                ) from not_now
        asked += 1
        await asyncio.sleep(NOT_NOW_S)


async def _rebuild(client: Client, _: argparse.Namespace) -> None:
    begun = await client.ask(client.program.projects, "POST", "/admin/rebuild")
    number = begun["generation"]
    with tqdm(desc=f"generation {number}", unit=" records", disable=None) as bar:
        while True:
            now = await progress(client, number)
            if now["building"] != number:
                break
            bar.total = now["records_total"]
            bar.update(now["records_read"] - bar.n)
            await asyncio.sleep(POLL_S)
    if now["live"] != number:
        why = now["failure"] or f"the {client.program.projects} may have started anew"
        raise OperationFailed(f"generation {number} was given up: {printable(str(why))}")
    say(f"generation {number} is live")
