"""Processes in one loop: killed without a last word, paused and going on where they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chaos.kit.simulated.loop import PROCESS, Incarnation, SimulatedLoop, for_ever
from chaos.kit.virtual_time import run


def simulated(main: Callable[[SimulatedLoop], Coroutine[Any, Any, None]]) -> None:
    loop = SimulatedLoop()
    loop.set_exception_handler(lambda *_: None)  # the killed are destroyed while pending
    run(main(loop), loop=loop)


def test_a_killed_process_runs_no_finally() -> None:
    said: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(5)
            said.append("done")
        finally:
            said.append("finally")

    async def main(loop: SimulatedLoop) -> None:
        process = Incarnation(loop, "p", 1)
        _ = process.task(work())
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(100)
        assert said == []
        assert process.died.done()

    simulated(main)


def test_it_can_be_killed_from_within() -> None:
    said: list[str] = []

    async def work() -> None:
        process = PROCESS.get()
        assert process is not None
        process.kill()
        try:
            await for_ever()
        finally:
            said.append("finally")

    async def main(loop: SimulatedLoop) -> None:
        _ = Incarnation(loop, "p", 1).task(work())
        await asyncio.sleep(100)
        assert said == []

    simulated(main)


def test_what_a_process_starts_dies_with_it_and_others_live() -> None:
    said: list[str] = []

    async def child(name: str) -> None:
        await asyncio.sleep(2)
        said.append(name)

    async def parent(name: str) -> None:
        await asyncio.gather(child(name), child(name))

    async def main(loop: SimulatedLoop) -> None:
        first, second = Incarnation(loop, "first", 1), Incarnation(loop, "second", 1)
        _ = first.task(parent("first"))
        _ = second.task(parent("second"))
        await asyncio.sleep(1)
        first.kill()
        await asyncio.sleep(10)
        assert said == ["second", "second"]

    simulated(main)


def test_a_paused_process_goes_on_where_it_was_and_late() -> None:
    woke_at: list[float] = []

    async def work() -> None:
        await asyncio.sleep(2)
        woke_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(2)
        woke_at.append(asyncio.get_running_loop().time())

    async def main(loop: SimulatedLoop) -> None:
        process = Incarnation(loop, "p", 1)
        _ = process.task(work())
        await asyncio.sleep(1)
        process.pause()
        await asyncio.sleep(9)
        process.go_on()
        await asyncio.sleep(10)
        assert woke_at == [10, 12]

    simulated(main)


def test_a_timeout_that_passed_in_a_pause_is_raised_at_its_end() -> None:
    said: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(3):
                await asyncio.Event().wait()
        except TimeoutError:
            said.append(f"too late at {asyncio.get_running_loop().time():g}")

    async def main(loop: SimulatedLoop) -> None:
        process = Incarnation(loop, "p", 1)
        _ = process.task(work())
        await asyncio.sleep(1)
        process.pause()
        await asyncio.sleep(9)
        process.go_on()
        await asyncio.sleep(1)
        assert said == ["too late at 10"]

    simulated(main)


def test_what_is_canceled_in_the_moment_of_going_on_does_not_run() -> None:
    said: list[str] = []

    async def main(loop: SimulatedLoop) -> None:
        process = Incarnation(loop, "p", 1)

        def start() -> None:
            second: list[asyncio.TimerHandle] = []
            loop.call_later(1, lambda: second.pop().cancel())
            second.append(loop.call_later(1.5, said.append, "the second"))

        process.call(start)
        process.pause()
        await asyncio.sleep(5)
        process.go_on()
        await asyncio.sleep(5)
        assert said == []

    simulated(main)
