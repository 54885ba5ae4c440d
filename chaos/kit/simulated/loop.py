"""Processes inside one event loop: each can be killed at any hop, or stopped for a while.

A task belongs to the process that its context names. Killing a process drops every callback of
its tasks from then on: no `except` and no `finally` runs, as with `kill -9`. Pausing one keeps its
callbacks until it goes on, as when a machine stalls: its timers then all fire at once.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, TypeVarTuple

from chaos.kit.virtual_time import VirtualTimeLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PROCESS: contextvars.ContextVar[Incarnation | None] = contextvars.ContextVar(
    "process", default=None
)
"""The process that the running callback belongs to; None for clients and for the simulation."""


class State(Enum):
    RUNNING = "running"
    PAUSED = "paused"
    DEAD = "dead"


@dataclass(slots=True)
class _Held:
    """A callback whose process is paused, and the handle by which it may still be canceled."""

    handle: asyncio.Handle
    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: contextvars.Context


class Incarnation:
    """One life of a process, from its start to its end. A restart makes the next one."""

    def __init__(self, loop: SimulatedLoop, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.state = State.RUNNING
        self.died: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._held: list[_Held] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    def task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run this in the process."""
        return self._loop.create_task(work, context=self._context.copy())

    def call(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call this as if the process did: what it starts is the process's."""
        return self._context.copy().run(function, *args)

    def kill(self) -> None:
        """From now on nothing of it runs."""
        self.state = State.DEAD
        self._held.clear()
        if not self.died.done():
            self.died.set_result(None)

    def pause(self) -> None:
        if self.state is State.RUNNING:
            self.state = State.PAUSED

    def go_on(self) -> None:
        if self.state is not State.PAUSED:
            return
        self.state = State.RUNNING
        held, self._held = self._held, []
        for kept in held:
            self._loop.call_again(kept)

    def hold(self, kept: _Held) -> None:
        self._held.append(kept)


class SimulatedLoop(VirtualTimeLoop):
    """A virtual-time loop that asks each callback's process whether it still runs."""

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        context = contextvars.copy_context() if context is None else context
        call = _Call(process, callback, args, context)
        call.handle = super().call_soon(call, context=context)
        return call.handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        context = contextvars.copy_context() if context is None else context
        call = _Call(process, callback, args, context)
        call.handle = timer = super().call_at(when, call, context=context)
        return timer

    def call_again(self, kept: _Held) -> None:
        """Run what was held, in its turn, unless it is canceled before."""

        def run() -> None:
            if not kept.handle.cancelled():
                kept.callback(*kept.args)

        self.call_soon(run, context=kept.context)


class _Call:
    """A callback of a process: runs, waits or is dropped, as its process does."""

    __slots__ = ("_args", "_callback", "_context", "_process", "handle")

    def __init__(
        self,
        process: Incarnation,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
    ) -> None:
        self._process = process
        self._callback = callback
        self._args = args
        self._context = context
        self.handle: asyncio.Handle | None = None

    def __call__(self) -> None:
        state = self._process.state
        if state is State.RUNNING:
            self._callback(*self._args)
        elif state is State.PAUSED and self.handle is not None:
            self._process.hold(_Held(self.handle, self._callback, self._args, self._context))


async def for_ever() -> None:
    """Never return: the end of a task whose process was just killed."""
    await asyncio.get_running_loop().create_future()
