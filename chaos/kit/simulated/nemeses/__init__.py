"""Who injects faults, and heals them. A nemesis knows no checker, and no checker knows one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chaos.kit.simulated.faults import Spell, Trace
from chaos.kit.simulated.nemeses.kinds import ALL
from chaos.kit.simulated.nemeses.nemesis import Field, Nemesis
from chaos.kit.simulated.parts import Cluster

NEMESES: dict[str, Nemesis] = {nemesis.name: nemesis for nemesis in ALL}

__all__ = ["NEMESES", "Field", "Nemesis", "disturb"]


async def disturb(spells: Sequence[Spell], cluster: Cluster, trace: Trace) -> int:
    """Bring about the faults in time, each at its moment; how many records were put in twice."""
    loop = asyncio.get_running_loop()
    duplicated = 0
    for spell in sorted(spells, key=lambda spell: spell.at_s):
        await asyncio.sleep(max(0.0, spell.at_s - loop.time()))
        trace.note(loop.time(), "-", f"BEGUN {spell}")
        match spell.kind:
            case "jump":
                cluster.processes[spell.target].world.jumped_s += spell.seconds
            case "rebalance":
                cluster.stores.broker.group(spell.target).rebalance(loop.time())
            case "restart":
                cluster.stop(spell.target)
            case "duplicate":
                duplicated += await _repeat(spell.target, cluster)
    last_s = max(
        (spell.at_s + spell.seconds for spell in spells if spell.kind != "jump"), default=0
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
