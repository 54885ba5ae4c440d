"""What machines ask: does it live, is it ready, how is it doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from chaos.kit import virtual_time
from scenarios.http.toy import THING, Toy, app_of, running, without_sockets
from system.kit.errors import Unavailable
from system.kit.http.health import Health
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.ports.work import Probe


def logged() -> AbstractContextManager[list[MutableMapping[str, Any]]]:
    return capture_logs(processors=[structlog.contextvars.merge_contextvars])


async def well() -> None:
    pass


async def away() -> None:
    raise Unavailable("db:3306")


async def silent() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise KeyError("secret")


async def test_it_lives_even_while_its_stores_do_not() -> None:
    async with running(checks={"mysql": away}) as toy:
        reply = await toy.ask("GET", "/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})


async def test_it_is_ready_when_nothing_is_waited_for() -> None:
    async with running(checks={"mysql": well, "mongo": well}) as toy:
        reply = await toy.ask("GET", "/readyz")
    assert (reply.status, reply.json) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("checks", "errors"),
    [
        ({"mysql": away, "mongo": well}, {"mysql": "does not answer"}),
        ({"mysql": silent}, {"mysql": "does not answer"}),
        ({"mysql": broken}, {"mysql": "cannot be checked"}),
        (
            {"mysql": away, "mongo": silent},
            {"mysql": "does not answer", "mongo": "does not answer"},
        ),
    ],
)
async def test_it_is_not_ready_while_a_store_is_away(
    checks: Mapping[str, Probe], errors: Mapping[str, str]
) -> None:
    async with running(checks=checks) as toy:
        reply = await toy.ask("GET", "/readyz")
    assert (reply.status, reply.problem) == (503, "not-ready")
    assert {error["place"]: error["reason"] for error in reply.json["errors"]} == errors
    assert reply.headers["Retry-After"] == "1"


def test_a_store_is_asked_once_a_second_however_many_ask() -> None:
    asked = 0

    async def down_at_first() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1)
        if asked == 1:
            raise Unavailable("away")

    async def faults_of(health: Health) -> set[int]:
        answers = await asyncio.gather(*(health.waited_for() for _ in range(300)))
        return {len(faults) for faults in answers}

    async def story() -> None:
        health = Health(Lifespan(), {"mysql": down_at_first})
        assert (await faults_of(health), asked) == ({1}, 1)
        await asyncio.sleep(0.9)
        assert (await faults_of(health), asked) == ({1}, 1)
        await asyncio.sleep(0.2)
        assert (await faults_of(health), asked) == ({0}, 2)

    virtual_time.run(story())


async def test_it_is_not_ready_before_all_its_services_are() -> None:
    lifespan = Lifespan(["views", "relay"])
    app = app_of(Toy(), lifespan, Metrics())
    assert (await without_sockets(app, "GET", "/readyz")).places == ["relay", "views"]
    lifespan.ready("relay")
    assert (await without_sockets(app, "GET", "/readyz")).places == ["views"]
    lifespan.ready("views")
    assert (await without_sockets(app, "GET", "/readyz")).status == 200
    lifespan.stopping.set()
    assert (await without_sockets(app, "GET", "/readyz")).places == ["process"]


async def test_requests_are_counted_by_route_and_never_by_path() -> None:
    async with running() as toy:
        for path in ("/things/1", "/things/2", "/things/0", "/nothing/1", "/nothing/2"):
            await toy.ask("GET", path)
        await toy.raw("PROPFIND /things/1 HTTP/1.1", "Host: x")
        metrics = await toy.ask("GET", "/metrics")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = metrics.body.decode().splitlines()
    counted = [line for line in lines if line.startswith("http_requests_total")]
    assert sorted(counted) == [
        'http_requests_total{method="GET",route="/things/{id}",status="200"} 2.0',
        'http_requests_total{method="GET",route="unknown",status="404"} 3.0',
        'http_requests_total{method="other",route="unknown",status="405"} 1.0',
    ]


def test_each_role_has_metrics_of_its_own_with_everything_that_is_promised() -> None:
    metrics, other = Metrics(), Metrics()
    metrics.outbox("order", 3, 1.5)
    metrics.lag("product-consumer", "order.created", 7)
    metrics.retry("product-consumer", "order.created")
    metrics.dead_letter("product-consumer", "order.created")
    metrics.duplicate("product-consumer", "order.created", 2)
    metrics.visible("order.created", 0.03)
    metrics.visible("order.created", -0.01)
    metrics.pool(lambda: 4)
    for line in (
        'outbox_backlog{aggregate="order"} 3.0',
        'outbox_oldest_age_seconds{aggregate="order"} 1.5',
        'consumer_lag{group="product-consumer",topic="order.created"} 7.0',
        'retries_total{consumer="product-consumer",topic="order.created"} 1.0',
        'dead_letters_total{consumer="product-consumer",topic="order.created"} 1.0',
        'duplicates_total{consumer="product-consumer",topic="order.created"} 2.0',
        'commit_to_view_seconds_count{topic="order.created"} 2.0',
        'commit_to_view_seconds_bucket{le="0.005",topic="order.created"} 1.0',
        'commit_to_view_seconds_sum{topic="order.created"} 0.03',
        "pool_connections_in_use 4.0",
    ):
        assert line in metrics.text().decode().splitlines()
    assert "order.created" not in other.text().decode()


async def test_an_answer_leaves_one_line_with_the_ids_of_what_it_was_about_and_nobodys_data() -> (
    None
):
    with logged() as lines:
        async with running() as toy:
            reply = await toy.ask("GET", "/things/4711")
            await toy.ask("GET", "/things?limit=472")
            await toy.ask("GET", "/things/of/j@b.co")
            await toy.ask("POST", "/things", json=THING | {"name": "João", "email": "j@b.co"})
    assert len(lines) == 4
    assert lines[0].pop("ms") >= 0
    assert len(lines[0].pop("trace_id")) == 32
    assert lines[0] == {
        "log_level": "info",
        "event": "answered",
        "service": "toy-api",
        "method": "GET",
        "route": "/things/{id}",
        "path": "/things/4711",
        "status": 200,
        "correlation_id": reply.headers["X-Correlation-Id"],
    }
    for personal in ("472", "João", "j@b.co"):
        assert personal not in str([{**line, "correlation_id": "", "ms": 0} for line in lines])


async def test_a_fault_of_ours_is_logged_with_its_trace_under_the_answers_correlation_id() -> None:
    fault = RuntimeError("what really happened")
    with logged() as lines:
        async with running(Toy(failure=fault)) as toy:
            reply = await toy.ask("GET", "/things/1")
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert line["exc_info"] is fault
    assert line["correlation_id"] == reply.json["correlation_id"]
