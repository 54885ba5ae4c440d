"""Every request has a bound, kept in virtual time and without a socket."""

from __future__ import annotations

import asyncio

from chaos.kit import virtual_time
from scenarios.http.toy import Reply, Toy, app_of, without_sockets
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics


def ask(method: str, timeout_s: float) -> tuple[Reply, float]:
    async def asked() -> tuple[Reply, float]:
        toy = Toy(hold=asyncio.Event())
        app = app_of(toy, Lifespan(), Metrics(), timeout_s=timeout_s)
        reply = await without_sockets(app, method, "/things/1")
        return reply, asyncio.get_running_loop().time()

    return virtual_time.run(asked())


def test_a_read_is_unavailable_after_exactly_its_bound() -> None:
    reply, seconds = ask("GET", 10)
    assert (reply.status, reply.problem, seconds) == (503, "unavailable", 10.0)
    assert reply.headers["Retry-After"] == "1"
    assert reply.json["detail"] == "There was no answer within 10 s."


def test_the_outcome_of_a_change_is_then_unknown_and_nobody_says_try_again() -> None:
    reply, seconds = ask("DELETE", 2.5)
    assert (reply.status, reply.problem, seconds) == (503, "outcome-unknown", 2.5)
    assert "Retry-After" not in reply.headers
