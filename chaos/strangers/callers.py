"""Callers: each is one client, which does one thing after the other, and records all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol

from chaos.kit.blackbox import (
    READS,
    Answer,
    Client,
    Command,
    Do,
    Exchange,
    Meant,
    Request,
    Shown,
    Sight,
    Stranger,
)
from chaos.strangers.adapters import BadAdapter, are_numbers

NOWHERE = "999999999"
"""An account that there is not."""
UNKNOWN = 0.05
"""How often a thing shall take from it, or a move go from or to it."""
TO_NOWHERE = 0.5
"""How many of such moves are to it: a system that takes before it gives has to give back."""
NOTHING_S = 0.01
"""After a command that the system does not have."""
TWICE = 0.2
"""How often a command that has a key is sent twice although it was answered."""
AGAIN_TIMES = 10
"""How often it is sent at most until it is answered, which is what keys are for."""
LOOKED_AT = 0.3
"""How often a thing is looked at as soon as it is made, LOOKS times."""
LOOKS = 4
SETUP_S = 60.0
AGAIN_S = 0.5


class Sends(Protocol):
    """What sends requests."""

    async def send(self, request: Request) -> Answer: ...


class CannotBegin(Exception):
    """The first commands, before any fault, were not done. One line."""


@dataclass
class Shared:
    """What all callers know."""

    stranger: Stranger
    sender: Sends
    ops: list[Exchange] = field(default_factory=list)
    opened: dict[str, int] = field(default_factory=dict)
    marks: Callable[[], int] = field(default_factory=lambda: count(1001).__next__)


class Caller:
    """One client. What it does not know the outcome of, it never touches again."""

    def __init__(self, number: int, shared: Shared, random: Random) -> None:
        self.name = f"client {number}"
        self._client = _client(shared.stranger, number)
        self._shared = shared
        self._random = random
        self._own: list[str] = []
        """The things that it has placed, and knows of."""

    @property
    def newest(self) -> str:
        """The thing that it has placed last; empty where it has none."""
        return self._own[-1] if self._own else ""

    async def ask(self, command: Command) -> Exchange | None:
        """Send a command and record it. None: the system has no such command."""
        request = self._said(command)
        if request is None:
            return None
        began_s = _now()
        answer = await self._shared.sender.send(request)
        meant = self._meant(command, answer)
        op = Exchange(self.name, command, meant, request, answer, began_s, _now())
        self._shared.ops.append(op)
        return op

    def _said(self, command: Command) -> Request | None:
        try:
            request = self._client.request(command)
        except Exception as error:
            raise BadAdapter(f"request({command}) raised {_one_line(error)}") from error
        if not isinstance(request, Request | None):
            raise BadAdapter(f"request({command}) gave {request!r}, and neither a Request nor None")
        return request

    def _meant(self, command: Command, answer: Answer) -> Meant:
        """A read that got no answer says nothing: not even that the thing is not there."""
        if answer.stage != "answered":
            is_refused = answer.stage == "refused" and command.do not in READS
            return Meant("fail" if is_refused else "info", why=answer.error)
        seen = f"for the answer {answer.status} {answer.body[:200]!r}"
        try:
            meant = self._client.meaning(command, answer)
        except Exception as error:
            raise BadAdapter(f"meaning({command}) raised {_one_line(error)} {seen}") from error
        if not isinstance(meant, Meant):
            raise BadAdapter(f"meaning({command}) gave {meant!r}, and no Meant, {seen}")
        if not isinstance(meant.about, str):
            raise BadAdapter(f"meaning({command}) gave about={meant.about!r}, and no text, {seen}")
        if meant.outcome not in ("ok", "fail", "info"):
            raise BadAdapter(
                f"meaning({command}) gave {meant.outcome!r}; there are ok, fail and info, {seen}"
            )
        if not _can_be_shown(meant.shows):
            raise BadAdapter(
                f"meaning({command}) gave shows={meant.shows!r}, and no Shown with a text for `state`"
                f" and numbers for `amount` and `mark`, {seen}"
            )
        return meant

    async def surely(self, command: Command) -> Exchange | None:
        """Ask until it is done. Raises CannotBegin."""
        ends_at = _now() + SETUP_S
        while True:
            op = await self.ask(command)
            if op is None or op.ok:
                return op
            if _now() > ends_at:
                said = op.answer.body[:200] if op.answer is not None else b""
                raise CannotBegin(f"{command}: {op.request}: {op.meant.why} {said!r}")
            await asyncio.sleep(AGAIN_S)

    async def begin(self) -> None:
        """Raises CannotBegin."""
        await self.surely(Command("join"))

    async def open_accounts(self) -> None:
        """Raises CannotBegin."""
        workload = self._shared.stranger.workload
        for number in range(workload.accounts):
            amount = workload.holds(number)
            op = await self.surely(Command("open", mark=self._shared.marks(), amount=amount))
            if op is None and Sight.AMOUNTS in self._shared.stranger.sees:
                raise CannotBegin(
                    "the adapter has no request for `open`, and says that it sees AMOUNTS"
                )
            if op is None:  # its things take nothing
                break
            if not op.meant.about:
                raise CannotBegin("meaning() of `open` gives no `about`, the id of the account")
            if op.meant.about in self._shared.opened:
                raise CannotBegin(
                    f"two accounts have the id {op.meant.about}, by meaning() of `open`"
                )
            self._shared.opened[op.meant.about] = amount
        verbs: tuple[Do, ...] = ("place", "move") if self._shared.opened else ("place",)
        makes = (self._command(do) for do in verbs)
        if not any(self._said(command) for command in makes):
            raise CannotBegin("the adapter has no request for `place`, and none for `move`")

    async def work(self, is_over: asyncio.Event) -> None:
        """Do one thing after the other until it is over."""
        workload = self._shared.stranger.workload
        verbs, weights = zip(*workload.weights.items(), strict=True)
        while not is_over.is_set():
            (do,) = self._random.choices(verbs, weights)
            asked = await self.do(do)
            await asyncio.sleep(NOTHING_S if asked is None else self._pause_s())

    async def do(self, do: Do) -> Exchange | None:
        """None: the system has no such command, or this client no thing for it yet."""
        match do:
            case "move" | "read account" | "view account" if not self._shared.opened:
                return None
            case "place" | "move":
                return await self.make(do)
            case "read account" | "view account":
                account = self._random.choice(sorted(self._shared.opened))
                return await self.ask(Command(do, account))
            case _ if self._own:
                thing = self._random.choice(self._own)
                op = await self.ask(Command(do, thing))
                if op is not None and op.meant.outcome == "info" and do not in READS:
                    self._own.remove(thing)
                return op
        return None

    async def make(self, do: Do) -> Exchange | None:
        ops = await self._ask_by_key(self._command(do))
        things = sorted({op.meant.about for op in ops if op.ok and op.meant.about})
        self._own += things
        if things and self._random.random() < LOOKED_AT:
            await self._look_at(things[0])
        return ops[0] if ops else None

    async def _ask_by_key(self, command: Command) -> list[Exchange]:
        """Ask once; what has a key again until it is answered, and now and then all the same.

        That nobody listens says nothing of what was sent before.
        """
        ops: list[Exchange] = []
        while (op := await self.ask(command)) is not None:
            ops.append(op)
            if not command.key or len(ops) == AGAIN_TIMES:
                break
            if op.meant.outcome == "info" or not op.is_answered:
                await asyncio.sleep(AGAIN_S)
            elif self._random.random() >= TWICE:
                break
        return ops

    async def _look_at(self, thing: str) -> None:
        """A few times, while it still changes: later no reader would see it go back."""
        for _ in range(LOOKS):
            await self.ask(Command("read", thing))
            await self.ask(Command("view", thing))
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        return self._random.uniform(0, 2 * self._shared.stranger.workload.pause_s)

    def _command(self, do: Do) -> Command:
        mark = self._shared.marks()
        key = f"key-{mark}" if Sight.IDEMPOTENCY in self._shared.stranger.sees else None
        return Command(do, mark=mark, moves=self._moves(do, mark), key=key)

    def _moves(self, do: Do, mark: int) -> dict[str, int]:
        workload = self._shared.stranger.workload
        accounts = sorted(self._shared.opened)
        if not accounts:
            return {}
        is_unknown = self._random.random() < UNKNOWN
        if do == "move":
            source, target = self._random.sample(accounts, 2)
            amount = self._amount(mark)
            if is_unknown and self._random.random() < TO_NOWHERE:  # what was taken has to go back
                target = NOWHERE
            elif is_unknown:
                source = NOWHERE
            return {source: -amount, target: amount}
        if is_unknown:
            return {NOWHERE: -self._amount(mark)}
        most = 1 if workload.mark_is_amount else min(workload.lines, len(accounts))
        chosen = self._random.sample(accounts, self._random.randint(1, most))
        return {account: -self._amount(mark) for account in chosen}

    def _amount(self, mark: int) -> int:
        workload = self._shared.stranger.workload
        return mark if workload.mark_is_amount else self._random.randint(1, workload.quantity)


def _client(stranger: Stranger, number: int) -> Client:
    try:
        client = stranger.client(number)
    except Exception as error:
        raise BadAdapter(f"client({number}) raised {_one_line(error)}") from error
    if not isinstance(client, Client):
        raise BadAdapter(f"client({number}) gave {client!r}, and no Client")
    return client


def _can_be_shown(shows: object) -> bool:
    """Whether it is what an adapter may give; a price as text would compare as unlike any number."""
    if not isinstance(shows, Shown):
        return shows is None
    numbers = (one for one in (shows.amount, shows.mark) if one is not None)
    state: object = shows.state
    return isinstance(state, str) and are_numbers(*numbers)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def _now() -> float:
    return asyncio.get_running_loop().time()
