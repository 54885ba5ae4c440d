"""Injects faults at every point of one run, and runs what lies before a point only once.

At each point the process forks, once for every way to hit it. The child goes on with the fault
and tells what came of it; the parent waits for it, and goes on as if nothing had been. A child's
run is the very one that its replay ID names: the same trace, the same digest.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Generic, NoReturn, TypeVar

from chaos.kit.simulated.faults import Place, PointFault

BRANCH_S = 60.0
"""Real time that a branch may take: a hundred times what it does."""

R = TypeVar("R")
FaultsAt = Callable[[Place], Iterable[PointFault]]


class BranchFailed(Exception):
    """A branch did not come to its end. The text says which one."""


class Branches(Generic[R]):
    """The children of one run, and what they told."""

    def __init__(self, faults_at: FaultsAt, database: Path) -> None:
        self.told: list[R] = []
        self.failed: str | None = None
        """Which branch did not come to its end, and why: no more are begun then."""
        self._faults_at = faults_at
        self._database = database
        self._to_parent: BinaryIO | None = None
        self._parent = os.getpid()

    @property
    def is_branch(self) -> bool:
        """Whether this process is a child."""
        return self._to_parent is not None

    def at(self, place: Place) -> PointFault | None:
        """In a child: the fault that it is about. In the parent, when all are done: None."""
        for fault in self._faults_at(place):
            if self.failed is None and self._fork(fault):
                return fault
        return None

    def _fork(self, fault: PointFault) -> bool:
        """Whether this is the child; its parent returns when the child has ended.

        All that a run changes is its memory, which a fork has its own copy of, and the file of the
        database, which is put back as it was. Each has its page cache: unsaved pages stay apart.
        """
        content = self._database.read_bytes()
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(loop)  # noqa: SLF001 - it is known by its process, too
            os.close(reading)
            self._to_parent = os.fdopen(writing, "wb")
            return True
        os.close(writing)
        with os.fdopen(reading, "rb") as from_child:
            if not select.select([from_child], [], [], BRANCH_S)[0]:
                os.kill(child, signal.SIGKILL)
            told = from_child.read()
        os.waitpid(child, 0)
        if not told:
            self.failed = f"{fault}: its run did not end, or not well"
        else:
            self.told.append(pickle.loads(told))  # noqa: S301 - our own child's words
        self._database.write_bytes(content)
        return False

    def tell(self, result: R) -> NoReturn:
        """End this child with a result."""
        assert self._to_parent is not None, "only a branch tells"
        with suppress(BrokenPipeError), self._to_parent as to_parent:  # who asked may be gone
            pickle.dump(result, to_parent)
        os._exit(0)

    def give_up(self) -> NoReturn:
        """End this child without one, and say why, unless nobody is there to be told."""
        if os.getppid() == self._parent:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)
