"""Who injects faults, and heals them. A nemesis knows no checker, and no checker knows one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chaos.kit.simulated.faults import TimedFault, Trace
from chaos.kit.simulated.nemeses.kinds import ALL
from chaos.kit.simulated.nemeses.nemesis import Field, Nemesis
from chaos.kit.simulated.parts import Cluster

NEMESES: dict[str, Nemesis] = {nemesis.name: nemesis for nemesis in ALL}

__all__ = ["NEMESES", "Field", "Nemesis", "disturb"]


async def disturb(timed_faults: Sequence[TimedFault], cluster: Cluster, trace: Trace) -> int:
    """Bring about the faults in time, each at its moment; how many records were put in twice."""
    loop = asyncio.get_running_loop()
    duplicated = 0
    for timed_fault in sorted(timed_faults, key=lambda timed_fault: timed_fault.at_s):
        await asyncio.sleep(max(0.0, timed_fault.at_s - loop.time()))
        trace.note(loop.time(), "-", f"BEGUN {timed_fault}")
        match timed_fault.kind:
            case "jump":
                cluster.processes[timed_fault.target].world.jumped_s += timed_fault.seconds
            case "rebalance":
                cluster.stores.broker.group(timed_fault.target).rebalance(loop.time())
            case "restart":
                cluster.stop(timed_fault.target)
            case "duplicate":
                duplicated += await _repeat(timed_fault.target, cluster)
    last_s = max(
        (
            timed_fault.at_s + timed_fault.seconds
            for timed_fault in timed_faults
            if timed_fault.kind != "jump"
        ),
        default=0,
    )
    await asyncio.sleep(max(0.0, last_s - loop.time()))
    return duplicated


async def _repeat(topic: str, cluster: Cluster) -> int:
    """Put a topic's records in once more, as a relay does that had stalled."""
    broker = cluster.stores.broker
    messages = [
        record.message
        for place in broker.partitions([topic])
        for record in broker.records(place, 0, broker.end(place))
    ]
    await broker.publish(messages)
    return len(messages)
