"""Virtual time: timers pass at once and in order; what needs real time is refused."""

from __future__ import annotations

import asyncio
import time

import pytest

from chaos.kit.virtual_time import Deadlock, NotInVirtualTime, VirtualTimeLoop, run


def test_hours_pass_at_once() -> None:
    async def main() -> float:
        await asyncio.sleep(36_000)
        return asyncio.get_running_loop().time()

    began_at = time.monotonic()
    assert run(main()) == 36_000
    assert time.monotonic() - began_at < 1


def test_timers_end_in_the_order_of_their_time() -> None:
    seen: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*map(sleeper, (3.3, 0.1, 1e7 + 0.1, 2.2)))

    run(main())
    assert [wanted for wanted, _ in seen] == [0.1, 2.2, 3.3, 1e7 + 0.1]
    assert all(abs(at - wanted) < 1e-6 for wanted, at in seen)


def test_a_bound_ends_a_wait_that_nothing_else_ends() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(31):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == 31


def test_a_wait_that_nothing_ends_is_a_deadlock_with_its_place() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"waiting: .* at .*locks\.py:\d+"):
        run(stuck())


def test_a_thread_is_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(time.monotonic)

    with pytest.raises(NotInVirtualTime, match="a thread is wanted"):
        run(main())


def test_a_call_from_another_thread_is_refused() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon_threadsafe(print)

    with pytest.raises(NotInVirtualTime, match="another thread"):
        run(main())


def test_a_socket_is_refused() -> None:
    async def main() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    with pytest.raises(NotInVirtualTime, match="socket"):
        run(main())


def test_what_is_left_running_is_canceled_and_the_loop_closed() -> None:
    ended: list[str] = []
    loop = VirtualTimeLoop()

    async def left(name: str) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append(name)

    async def main() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(left(name)) for name in "abc"]
        await asyncio.sleep(1)
        return tasks

    tasks = run(main(), loop=loop)
    assert all(task.cancelled() for task in tasks)
    assert ended == ["a", "b", "c"]
    assert loop.is_closed()
