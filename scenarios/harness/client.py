"""The one HTTP client of the system: a small method per call, over one connection pool.

It asserts nothing and hides nothing: an answer is its status, body and headers. Scenarios say
what they expect by `Answer.ok`. Where each API is, is looked up per call: it may move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp

from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY
from system.kit.values import dumps, loads

Json = Any  # JSON as it came: the scenario knows its shape


class NoAnswer(Exception):
    """The connection broke before an answer came: the command was done wholly, or not at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Numbers with a point are Decimal."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return int(self.body["id"])

    @property
    def token(self) -> str:
        """The Consistency-Token of a write."""
        return self.headers[CONSISTENCY_TOKEN]

    @property
    def problem(self) -> str | None:
        """The name of the problem, where it is one."""
        is_problem = isinstance(self.body, dict) and "type" in self.body
        return str(self.body["type"]).removeprefix("/problems/") if is_problem else None

    def ok(self, status: int = 200) -> Answer:
        """This answer, if its status is the expected one. Raises AssertionError."""
        assert self.status == status, f"expected {status}, got {self.status}: {self.body}"
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """One request with what came of it, for the history."""

    role: str
    method: str
    path: str
    sent: Json
    answer: Answer | None


def sends_once(*, force_close: bool = False) -> aiohttp.ClientSession:
    """A session that sends each request once: what a client does not know of, no history can tell.

    aiohttp sends a PUT or DELETE again when its connection broke, silently, and also where none is
    kept. A DELETE that was done before the kill would meet nobody, and count as not done.
    """
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close)
    session = aiohttp.ClientSession(connector=connector)
    session._retry_connection = False  # noqa: SLF001 (aiohttp's; there is no public way)
    return session


class Client:
    """Asks the roles of one system. `where` gives a role's base URL."""

    def __init__(
        self,
        where: Callable[[str], str],
        session: aiohttp.ClientSession,
        *,
        note: Callable[[Asked], None] = lambda _: None,
    ) -> None:
        self._where = where
        self._session = session
        self._note = note

    async def ask(
        self,
        role: str,
        method: str,
        path: str,
        body: Json = None,
        *,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send any request. Raises NoAnswer."""
        answer = None
        try:
            answer = await self._send(role, method, path, body, params or {}, headers or {})
        finally:
            query = "&".join(f"{name}={value}" for name, value in (params or {}).items())
            whole_path = f"{path}?{query}" if query else path
            self._note(Asked(role, method, whole_path, body, answer))
        return answer

    async def _send(
        self,
        role: str,
        method: str,
        path: str,
        body: Json,
        params: Mapping[str, object],
        headers: Mapping[str, str],
    ) -> Answer:
        sent = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(
                method,
                self._where(role) + path,
                data=None if body is None else dumps(body),
                params={name: str(value) for name, value in params.items()},
                headers={**sent, **headers},
            ) as response:
                raw = await response.read()
                return Answer(response.status, loads(raw) if raw else None, response.headers)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise NoAnswer(f"{method} {path} of {role}: {error}") from error

    # --- users ------------------------------------------------------------------------------------

    async def register(self, name: str, email: str, *, key: str | None = None) -> Answer:
        body = {"name": name, "email": email}
        return await self.ask("user-api", "POST", "/users", body, headers=_keyed(key))

    async def change_user(self, id: int, **changes: str) -> Answer:
        return await self.ask("user-api", "PUT", f"/users/{id}", changes)

    async def user(self, id: int) -> Answer:
        return await self.ask("user-api", "GET", f"/users/{id}")

    async def delete_user(self, id: int) -> Answer:
        return await self.ask("user-api", "DELETE", f"/users/{id}")

    # --- products ---------------------------------------------------------------------------------

    async def offer(
        self, name: str, price: Decimal | int, stock: int, *, key: str | None = None
    ) -> Answer:
        body = {"name": name, "price": price, "stock": stock}
        return await self.ask("product-api", "POST", "/products", body, headers=_keyed(key))

    async def change_product(self, id: int, **changes: str | Decimal | int) -> Answer:
        return await self.ask("product-api", "PUT", f"/products/{id}", changes)

    async def product(self, id: int) -> Answer:
        return await self.ask("product-api", "GET", f"/products/{id}")

    async def delete_product(self, id: int) -> Answer:
        return await self.ask("product-api", "DELETE", f"/products/{id}")

    # --- orders -----------------------------------------------------------------------------------

    async def place(
        self, user_id: int, items: Sequence[Mapping[str, Json]], *, key: str | None = None
    ) -> Answer:
        body = {"user_id": user_id, "items": [dict(item) for item in items]}
        return await self.ask("order-api", "POST", "/orders", body, headers=_keyed(key))

    async def pay(
        self, id: int, payment_method: str = "credit_card", *, key: str | None = None
    ) -> Answer:
        body = {"payment_method": payment_method}
        return await self.ask("order-api", "POST", f"/orders/{id}/pay", body, headers=_keyed(key))

    async def cancel(
        self, id: int, reason: str = "changed my mind", *, key: str | None = None
    ) -> Answer:
        path, body = f"/orders/{id}/cancel", {"reason": reason}
        return await self.ask("order-api", "POST", path, body, headers=_keyed(key))

    async def set_status(self, id: int, status: str) -> Answer:
        return await self.ask("order-api", "PUT", f"/orders/{id}", {"status": status})

    async def order(self, id: int) -> Answer:
        return await self.ask("order-api", "GET", f"/orders/{id}")

    async def orders(self, **params: object) -> Answer:
        return await self.ask("order-api", "GET", "/orders", params=params)

    async def delete_order(self, id: int) -> Answer:
        return await self.ask("order-api", "DELETE", f"/orders/{id}")

    # --- views ------------------------------------------------------------------------------------

    async def view_user(self, id: int, *, token: str | None = None) -> Answer:
        return await self.view("users", id, token=token)

    async def view_product(self, id: int, *, token: str | None = None) -> Answer:
        return await self.view("products", id, token=token)

    async def view_order(self, id: int, *, token: str | None = None) -> Answer:
        return await self.view("orders", id, token=token)

    async def view(self, view: str, id: int, *, token: str | None = None) -> Answer:
        return await self.ask("query-api", "GET", f"/{view}/{id}", headers=_fresh(token))

    async def views(self, view: str, *, token: str | None = None, **params: object) -> Answer:
        """One page of a view."""
        return await self.ask("query-api", "GET", f"/{view}", params=params, headers=_fresh(token))

    async def all_views(self, view: str, *, token: str | None = None, **params: object) -> Json:
        """All of a view, page by page."""
        shown: list[Json] = []
        cursor: dict[str, object] = {}
        while True:
            page = (await self.views(view, token=token, limit=500, **params, **cursor)).ok().body
            shown += page[view]
            if page["next"] is None:
                return shown
            cursor = {"after": page["next"]}

    # --- operations -------------------------------------------------------------------------------

    async def letters(self, consumer: str) -> Answer:
        return await self.ask(consumer, "GET", "/admin/dead-letters")

    async def letter(self, consumer: str, id: str) -> Answer:
        return await self.ask(consumer, "GET", "/admin/dead-letters/one", params={"id": id})

    async def replay(self, consumer: str, ids: Sequence[str]) -> Answer:
        body = {"ids": list(ids)}
        return await self.ask(consumer, "POST", "/admin/dead-letters/replay", body)

    async def rebuild(self) -> Answer:
        return await self.ask("query-consumer", "POST", "/admin/rebuild", {})

    async def rebuild_progress(self) -> Answer:
        return await self.ask("query-consumer", "GET", "/admin/rebuild")


def item(product_id: int, quantity: int = 1, unit_price: Decimal | int | None = None) -> Json:
    """One line of an order to be placed."""
    line: dict[str, Json] = {"product_id": product_id, "quantity": quantity}
    return line if unit_price is None else {**line, "unit_price": unit_price}


def _keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {IDEMPOTENCY_KEY: key}


def _fresh(token: str | None) -> dict[str, str]:
    return {} if token is None else {CONSISTENCY_TOKEN: token}
