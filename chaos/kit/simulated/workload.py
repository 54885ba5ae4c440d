"""What a workload is: a handful of clients with scripts, and the processes that they meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from chaos.kit.clients import Client
from chaos.kit.simulated.parts import Cluster

STARTED_S = 0.1
"""All processes are up by then, since no hop takes time while they start."""

Script = Callable[[Client], Awaitable[None]]
Inject = Callable[[Cluster], Awaitable[None]]


@dataclass(frozen=True)
class Workload:
    """One story, told by several clients at once."""

    name: str
    what: str
    clients: Mapping[str, Script]
    processes: Mapping[str, tuple[str, ...]]
    """What it runs: each process with its roles."""
    begins_at_once: bool = False
    """Whether clients and faults begin while the processes are still starting."""
    builds_views: bool = False
    """Whether the views have to be built first, as at a first start."""
    inject: Inject | None = None
    """What comes from outside, past all APIs: messages that nobody can read."""

    @property
    def begins_at_s(self) -> float:
        """When clients and faults begin."""
        return 0.0 if self.begins_at_once else STARTED_S
