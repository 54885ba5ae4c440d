"""Clients that place orders as fast as they can, and remember what was acknowledged."""

from __future__ import annotations

import http.client
import json
import threading
from types import TracebackType
from typing import Any, Self

from scenarios.operations.program import DEADLINE_S, PORTS, Program

CLIENTS = 8
STOCK = 1_000_000


class Traffic:
    """Runs from entering to leaving; ends by itself when the system goes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        user = program.make("user-api", "/users", {"name": "Ada", "email": "ada@example.com"})
        offer = {"name": "Pen", "price": 2.5, "stock": STOCK}
        self.user_id = user["id"]
        self.product_id = program.make("product-api", "/products", offer)["id"]
        self.acknowledged: dict[int, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._place, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def wait_for_orders(self, number: int) -> None:
        """Until so many were acknowledged."""
        with self._news:
            enough = self._news.wait_for(lambda: len(self.acknowledged) >= number, DEADLINE_S)
            assert enough, f"only {len(self.acknowledged)} orders were acknowledged"

    def _place(self) -> None:
        connection = http.client.HTTPConnection(
            self._program.host, PORTS["order-api"], timeout=DEADLINE_S
        )
        items = [{"product_id": self.product_id, "quantity": 1}]
        headers = {"Content-Type": "application/json"}
        body = json.dumps({"user_id": self.user_id, "items": items})
        try:
            while not self._over.is_set():
                connection.request("POST", "/orders", body, headers)
                answer = connection.getresponse()
                order = json.loads(answer.read())
                if answer.status == 201:
                    with self._news:
                        self.acknowledged[order["id"]] = order
                        self._news.notify_all()
        except (OSError, http.client.HTTPException):
            return  # the system went: whether this one was placed, nobody said
        finally:
            connection.close()
