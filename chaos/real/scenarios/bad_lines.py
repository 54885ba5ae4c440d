"""Lines that are slow, thin, chopped, broken, or cut for one consumer alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chaos.kit.servers.lines import bandwidth, latency, resets, slices
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.stage import Stage
from scenarios.harness.servers.common import HOST

WARM_S = 2.0
SPOILED_S = 5.0
LATENCY_MS, JITTER_MS = 100, 60
RATE_KB_S = 25
"""A page takes most of a second. The driver waits 2 s for an answer: on a thinner line it is refused."""
SLICE_BYTES, SLICE_PAUSE_US = 60, 2_000
LOOKS = 7
"""A busy machine reads two pieces as one, and takes its time: the best look counts."""
RESET_MS = 40
CUT_OFF = "product-consumer"
CUT_OFF_S = 5.0
PAGE_ORDERS = 10
"""About 17 kB on that line."""


async def _took(act: Callable[[], Awaitable[object]]) -> float:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await act()
    return loop.time() - began_s


async def _quickest(act: Callable[[], Awaitable[object]]) -> float:
    return min([await _took(act) for _ in range(LOOKS)])


async def _latency(stage: Stage, course: Course) -> None:
    async def greeting() -> None:
        await _greeting(stage, pieces_max=1)

    async with stage.flow.at(8):
        before_s = await _quickest(greeting)
        with course.fault(f"answers of all servers take {LATENCY_MS} ± {JITTER_MS} ms"):
            async with stage.lines.with_toxics(latency(LATENCY_MS, jitter_ms=JITTER_MS)):
                await asyncio.sleep(SPOILED_S)
                during_s = await _quickest(greeting)
                placed = [await stage.place_once() for _ in range(LOOKS)]
        course.saw(
            during_s > max(before_s, (LATENCY_MS - JITTER_MS) / 1000),
            f"the database greets after {during_s * 1000:.0f} ms, {before_s * 1000:.0f} before",
        )
        taken = sum(op.ok for op in placed)
        course.holds(
            taken > LOOKS / 2, f"{taken} of {LOOKS} orders are taken when they are first sent"
        )
    await stage.recovers(course)


async def _bandwidth(stage: Stage, course: Course) -> None:
    async def whole_pages() -> list[float]:
        """How long each took, of those that were whole."""
        looks = [await stage.page(f"/orders?limit={PAGE_ORDERS}") for _ in range(LOOKS)]
        return [
            op.ended_s - op.began_s
            for op in looks
            if op.ok and len(op.json["orders"]) == PAGE_ORDERS
        ]

    async with stage.flow.at(12):
        before_s = min(await stage.until(whole_pages, f"a page of {PAGE_ORDERS} orders"))
        with course.fault(f"lines of query-api and order-consumer carry {RATE_KB_S} kB/s"):
            async with (
                stage.lines.with_toxics(bandwidth(RATE_KB_S), client="query-api"),
                stage.lines.with_toxics(bandwidth(RATE_KB_S), client="order-consumer"),
            ):
                during_s = await whole_pages()
        course.holds(during_s, f"{len(during_s)} of {LOOKS} pages came, and were whole")
        course.saw(
            min(during_s) > 3 * before_s,
            f"a page of orders took {min(during_s) * 1000:.0f} ms, {before_s * 1000:.0f} before",
        )
    await stage.recovers(course)


async def _greeting(stage: Stage, *, pieces_max: int = 1_000) -> int | None:
    """In how many pieces the database's greeting comes to order-api; None: by no means."""
    address = stage.servers.environment(proxied=True, client="order-api")["MYSQL_DSN"]
    port = int(address.partition(f"{HOST}:")[2].partition(")")[0])
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return None
    pieces = 0
    try:
        async with asyncio.timeout(1):
            while pieces < pieces_max and await reader.read(4096):
                pieces += 1
    except TimeoutError:
        return pieces
    except OSError:
        return None
    finally:
        writer.close()
    return pieces or None


async def _sliced(stage: Stage, course: Course) -> None:
    async with stage.flow.at(6):
        before = await _greeting(stage)
        with course.fault(f"all answers come in pieces of about {SLICE_BYTES} bytes"):
            async with stage.lines.with_toxics(slices(SLICE_BYTES, pause_us=SLICE_PAUSE_US)):
                pieces = max([await _greeting(stage) or 0 for _ in range(LOOKS)])
                await asyncio.sleep(SPOILED_S)
        course.saw(
            pieces > 1,
            f"the database's greeting came in {pieces} pieces, {before} before",
        )
    await stage.recovers(course)


async def _resets(stage: Stage, course: Course) -> None:
    async with stage.flow.at(8):
        await asyncio.sleep(WARM_S)
        with course.fault(f"each connection to a server is reset after {RESET_MS} ms"):
            async with stage.lines.with_toxics(resets(RESET_MS)):
                await asyncio.sleep(SPOILED_S)
                greeting = await _greeting(stage)
                course.saw(greeting is None, "a connection to the database ended with a reset")
                waiting = await stage.until(stage.system.not_ready, "a role that is not ready")
                course.saw(waiting, f"not ready meanwhile: {', '.join(waiting)}")
    await stage.recovers(course)


async def _one_consumer_cut_off(stage: Stage, course: Course) -> None:
    async with stage.flow.at(8):
        await asyncio.sleep(WARM_S)
        with course.fault(f"all lines of {CUT_OFF} are cut"):
            async with stage.lines.cut(client=CUT_OFF):
                placed = await stage.place()
                await stage.until_shown(placed, "pending")
                course.holds(True, "an order is shown meanwhile, as pending")
                await asyncio.sleep(CUT_OFF_S)

                async def alone() -> bool:
                    return await stage.system.not_ready() == [CUT_OFF]

                await stage.until(alone, f"{CUT_OFF} is not ready, and all others are")
                course.saw(True, f"{CUT_OFF} is not ready, and all others are")
                seen = await stage.client.read(f"/orders/{placed.json['id']}")
                is_pending = seen.ok and seen.json["reservation"] == "pending"
                course.holds(is_pending, "its stock is not reserved yet")
        await stage.until_shown(placed)
    await stage.recovers(course)


ALL = (
    Scenario(
        "latency",
        "Answers of all servers take longer, each another time: orders go through, slower.",
        _latency,
    ),
    Scenario(
        "bandwidth",
        "The lines of query-api and order-consumer are thin: pages take longer, none is cut short.",
        _bandwidth,
    ),
    Scenario(
        "sliced",
        "Answers of all servers come in small pieces: drivers put them together.",
        _sliced,
    ),
    Scenario(
        "resets",
        "Each connection to a server ends with a reset after a moment: work is repeated, not lost.",
        _resets,
    ),
    Scenario(
        "one-consumer-cut-off",
        "product-consumer reaches no server: the others go on, and it catches up.",
        _one_consumer_cut_off,
    ),
)
