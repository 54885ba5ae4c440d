"""The stage of a scenario: the system on real servers, and all that can be done to it and seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from pymysql.err import MySQLError

from chaos.kit.clients import Client
from chaos.kit.evidence import Evidence
from chaos.kit.history import History, Op
from chaos.kit.servers.groups import members
from chaos.kit.servers.lines import Lines
from chaos.kit.servers.partitions import Copies, Place, copies
from chaos.kit.servers.scenario import LOOK_S, Course, NotAsPromised
from chaos.real import shoppers
from chaos.real.clients import connected
from chaos.real.flow import Flow, baskets
from chaos.real.gathered import REST_S, auditor, come_to_rest, gathered, lag
from chaos.real.json_lines import Line, json_lines
from chaos.real.mechanisms import Mechanism
from chaos.real.processes import SYSTEM, Role
from chaos.real.shoppers import World
from chaos.real.system_under_test import SystemUnderTest
from scenarios.harness.client import sends_once
from scenarios.harness.servers import LocalServers, NotStarted
from system.events import TOPICS
from system.kit import stacks
from system.kit.errors import Conflict, Unavailable
from system.kit.events import dlq
from system.table import SHOP

SEEN_S = 180.0
"""How long what must come may take on a busy machine."""
RECOVER_S = 180.0
"""It is measured, and shown; this bound is for a system that never recovers."""
OWN_PRODUCT = 1
"""The place of the product that the scenario's own orders are about: there is plenty of it."""
FIRST_BASKETS = 400
FAILS_BY = (OSError, NotStarted)
"""How servers and their lines say that a fault cannot be injected, or not be healed."""


@dataclass
class Stage:
    """One system, for one scenario after the other."""

    folder: Path
    database: str
    seed: int
    history: History = field(default_factory=History)
    forced: set[str] = field(default_factory=set)
    """Dead letters that scenarios caused on purpose."""
    disturbances: int = 0
    without: Mechanism | None = None
    """What all its roles run without."""
    brokers: int = 1
    _failures: list[str] = field(default_factory=list)
    """Of processes that are retired."""

    def __post_init__(self) -> None:
        off = self.without
        self.system = SystemUnderTest(
            self.folder,
            database=self.database,
            proxied=True,
            program=off.program if off else SYSTEM,
            settings=off.settings if off else {},
            brokers=self.brokers,
        )
        self._patience = 0.25 if off else 1.0
        self._entered = AsyncExitStack()
        self._aside: set[str] = set()
        self._own = 0
        self._log_from: dict[Path, int] = {}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.system)
            self._parts = await stack.enter_async_context(
                stacks.servers(auditor(self.servers.environment()), SHOP.all_topics)
            )
            session = await stack.enter_async_context(sends_once(force_close=True))
            self._session = session
            self.client = self._client("scenario")
            first = [
                basket for basket, _ in zip(baskets(self.seed), range(FIRST_BASKETS), strict=False)
            ]
            stocks = [shoppers.hot_stock(first), *[shoppers.PLENTY] * shoppers.PRODUCTS]
            self.world = await World.made(self.client, stocks)
            self.flow = Flow(self.seed, self.world, self.where, session, self.history)
            stack.push_async_callback(self.flow.stop)
            self._entered = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._entered.aclose()

    # --- what there is ------------------------------------------------------------------------

    @property
    def servers(self) -> LocalServers:
        return self.system.servers

    @property
    def lines(self) -> Lines:
        return self.system.lines

    def role(self, name: str) -> Role:
        return self.system.roles[name]

    def where(self, role: str) -> str:
        """As a load balancer: a process of this role that is not taken aside."""
        ours = [one for one in self.system.roles.values() if one.role == role]
        return next((one for one in ours if one.name not in self._aside), ours[0]).url

    @asynccontextmanager
    async def aside(self, name: str) -> AsyncIterator[Role]:
        """Send nothing to this process meanwhile, if there is another of its role."""
        self._aside.add(name)
        try:
            yield self.role(name)
        finally:
            self._aside.discard(name)

    @asynccontextmanager
    async def second(self, *roles: str) -> AsyncIterator[None]:
        """One more process of each of these roles, ready for work."""
        ours = [self.system.add(role, 2) for role in roles]
        try:
            await asyncio.gather(*(one.start() for one in ours))
            for one in ours:
                await self.until_ready(one.name)
            yield
        finally:
            await asyncio.gather(*(one.stop() for one in ours))
            for one in ours:
                self.retire(one)

    def retire(self, one: Role) -> None:
        """It is asked no more; what it did wrong is remembered."""
        del self.system.roles[one.name]
        self._failures += one.failures

    # --- what can be seen ---------------------------------------------------------------------

    def begin(self) -> None:
        """Forget what logs have said until now."""
        for path in self.folder.glob("*.log"):
            self._log_from[path] = path.stat().st_size

    def logged(self, role: str, message: str) -> list[Line]:
        """What a role has logged with this message since the scenario began."""
        path = self.role(role).log
        with path.open("rb") as file:
            file.seek(self._log_from.get(path, 0))
            return [line for line in json_lines(file) if line.get("message") == message]

    async def is_ready(self, name: str) -> bool:
        return name not in await self.system.not_ready()

    async def until_ready(self, name: str) -> None:
        await self.until(lambda: self.is_ready(name), f"{name} is ready")

    async def sql(self, statement: str, *, uncommitted: bool = False) -> Any:  # a column's value
        """What the database itself says, asked by its superuser over no line. Raises NotAsPromised.

        `uncommitted` sees rows of open transactions, too.
        """
        try:
            return await self.servers.sql.ask(statement, user="root", uncommitted=uncommitted)
        except (MySQLError, OSError) as error:
            raise NotAsPromised(f"the database cannot be asked: {error}") from error

    async def end(self, topic: str) -> int:
        """How many records a topic has had."""
        return sum((await self._parts.log("auditor").ends([topic])).values())

    async def letters(self) -> int:
        """How many records the dead-letter topics have had."""
        ends = await self._parts.log("auditor").ends([dlq(topic) for topic in TOPICS])
        return sum(ends.values())

    async def partitions(self, group: str) -> dict[str, int]:
        """How many partitions each member of a group has, as the broker knows it."""
        return await members(self.servers.kafka.address, group)

    async def copies(self, topics: Collection[str]) -> Mapping[Place, Copies]:
        """Which brokers have each partition, as those that run know it; empty while none says so."""
        running = [broker.address for broker in self.servers.brokers if broker.running]
        return await copies(running, topics)

    async def until(
        self,
        look: Callable[[], Awaitable[Any]],
        what: str,
        *,
        within_s: float = SEEN_S,
        every_s: float = LOOK_S,
    ) -> Any:
        """Look until the system has done it; what was seen. Raises NotAsPromised.

        For a trace of the fault itself, `look_for` it, and show what was seen by `Course.saw`.
        """
        within_s *= self._patience
        seen = await self.look_for(look, within_s=within_s, every_s=every_s)
        if not seen:
            raise NotAsPromised(f"not within {within_s:g} s: {what}")
        return seen

    async def look_for(
        self, look: Callable[[], Awaitable[Any]], *, within_s: float, every_s: float = LOOK_S
    ) -> Any:
        """Look until there is something; what was seen last, which is nothing if none came in time."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while not (seen := await look()) and loop.time() < ends_at:
            await asyncio.sleep(every_s)
        return seen

    # --- what can be done ---------------------------------------------------------------------

    def order(self, *, quantity: int = 1) -> dict[str, Any]:
        """The body of an order like no other: its price tells which request it came from."""
        self._own += 1
        line = {
            "product_id": self.world.products[OWN_PRODUCT],
            "quantity": quantity,
            "unit_price": Decimal(10_000_000 + self._own).scaleb(-2),
        }
        return {"user_id": self.world.users[0], "items": [line]}

    async def place(self, body: dict[str, Any] | None = None, *, key: str | None = None) -> Op:
        """Place an order, again while that is safe."""
        return await self.client.write("POST", "/orders", body or self.order(), key=key)

    def taken(self, placed: Op) -> Op:
        """An order that is there, so that something can become of it. Raises NotAsPromised."""
        if not placed.ok:
            raise NotAsPromised(f"the order was not taken: {placed}")
        return placed

    async def place_once(self) -> Op:
        """Place an order, and take the first answer: one that was refused may be taken by chance."""
        return await self.client.ask("order-api", "POST", "/orders", self.order())

    def _client(self, name: str) -> Client:
        return connected(name, self.where, self._session, self.history, Random(self.seed))

    async def page(self, path: str) -> Op:
        """Ask for one page as a client that has seen nothing before.

        Of one that has, the checkers ask that whatever it saw is on it, and it is one page of many.
        """
        self._own += 1
        return await self._client(f"reader-{self._own}").read(path)

    async def until_shown(self, placed: Op, reservation: str = "reserved") -> None:
        """Wait until the query side shows an order with its reservation. Raises NotAsPromised."""
        path = f"/orders/{self.taken(placed).json['id']}"

        async def shown() -> bool:
            seen = await self.client.read(path)
            return seen.ok and seen.json["reservation"] == reservation

        await self.until(shown, f"{path} is shown as {reservation}")

    async def recovers(self, course: Course) -> None:
        """Measure the recovery, once everything is healed; clients hold what they have not sent."""
        with self.flow.held():
            await course.recovers(self._answers, self._lag, within_s=RECOVER_S * self._patience)

    async def _answers(self) -> bool:
        """Whether every store gives a good answer, and the process of every role any.

        A broker that is back leads one topic after the other, and knows its groups last: it is asked
        for all of them.
        """
        if await self.system.not_alive():
            return False
        try:
            async with asyncio.timeout(5):
                await self._parts.probe()
                await self._parts.views.ping()
                await lag(self._parts)
        except (Unavailable, Conflict, TimeoutError):
            return False
        return True

    async def _lag(self) -> int:
        try:
            return await lag(self._parts)
        except (Unavailable, Conflict):
            return -1

    def fallen(self) -> list[str]:
        """The servers that have ended by themselves."""
        return [server.name for server in self.servers.all if not server.running]

    async def evidence(self, within_s: float = REST_S) -> Evidence:
        """Wait for rest, and read every store to its end. Raises Unavailable."""
        missing = [*await self.flow.done(within_s), *await come_to_rest(self._parts, within_s)]
        for role in self.system.roles.values():
            role.note_fall()
        failures = [one for role in self.system.roles.values() for one in role.failures]
        found = await gathered(
            self._parts,
            self.where,
            self.history,
            missing=missing,
            failures=[*self._failures, *failures],
            disturbances=self.disturbances,
        )
        found.forced = frozenset(self.forced)
        return found
