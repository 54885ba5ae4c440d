"""An event loop whose clock jumps: hours of timers pass in milliseconds, alike on every run.

Whenever nothing can run, the clock is set to the next timer. What cannot be so is refused with a
clear error: threads and sockets, whose answers come in real time, and a wait that nothing ends.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from types import CoroutineType
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SOFT_END_S = 60.0
"""Virtual seconds that canceled tasks get to end."""


class Deadlock(Exception):
    """Nothing can run, and no timer will change that."""


class NotInVirtualTime(Exception):
    """A thread or a socket answers in real time: its answers would come at random."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at zero. `time()` moves only when there is nothing else to do."""

    def __init__(self) -> None:
        self._selector_of_time = _TimeSelector()
        super().__init__(self._selector_of_time)
        self._selector_of_time.seal(self._waiting_tasks)

    def time(self) -> float:
        return self._selector_of_time.now

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        raise NotInVirtualTime(f"another thread wants {callback!r} to be called")

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        raise NotInVirtualTime(f"a thread is wanted for {func!r}")

    def hold_up(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as when a callback blocks or the machine sleeps."""
        self._selector_of_time.now += seconds

    def _waiting_tasks(self) -> list[str]:
        return [f"{task.get_name()} at {_place(task)}" for task in sorted_tasks(self)]


class _TimeSelector(selectors.SelectSelector):
    """Watches no files. To wait is to move the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._waiting_tasks: Callable[[], list[str]] | None = None

    def seal(self, waiting_tasks: Callable[[], list[str]]) -> None:
        """Let nothing be registered from here on; the loop's own wake-up pipe already is."""
        self._waiting_tasks = waiting_tasks

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._waiting_tasks is not None:
            raise NotInVirtualTime(f"a socket or file was to be watched: {fileobj!r}")
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            waiting = self._waiting_tasks() if self._waiting_tasks is not None else []
            raise Deadlock("nothing can run and no timer is set; waiting: " + "; ".join(waiting))
        if timeout > 0:
            self.now += timeout
        return []


def run(main: Coroutine[Any, Any, T], *, loop: VirtualTimeLoop | None = None) -> T:
    """Run to the end in virtual time; what is left running then is canceled, the loop closed.

    Raises Deadlock when `main` waits for what nothing will bring.
    """
    loop = VirtualTimeLoop() if loop is None else loop
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(_cancel(sorted_tasks(loop)))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """End them softly; one that cannot end, as in a process that was killed, is left as it is."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=SOFT_END_S)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a task failed while it was canceled", "exception": error}
            )


def sorted_tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """The unfinished tasks by name, which asyncio numbers: a set's order differs between runs."""
    return sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task waits: the innermost coroutine's file and line."""
    place = "its start"
    waiting: object = task.get_coro()
    while isinstance(waiting, CoroutineType):
        if waiting.cr_frame is not None:
            place = f"{waiting.cr_code.co_filename}:{waiting.cr_frame.f_lineno}"
        waiting = waiting.cr_await
    return place
