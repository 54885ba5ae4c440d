"""Named scenarios on real servers: one fault each, its proof, its recovery, and the checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.kit.servers.scenario import Scenario
from chaos.real.scenarios import answers, bad_lines, brokers, handlers, outages, processes
from chaos.real.stage import Stage

SCENARIOS: Mapping[str, Scenario[Stage]] = {
    scenario.name: scenario
    for scenario in (
        *handlers.ALL,
        *outages.ALL,
        *answers.ALL,
        *bad_lines.ALL,
        *processes.ALL,
        *brokers.ALL,
    )
}
_LONG = (
    *("rolling-restart", "rebalance", "stalled-relay", "outage-kafka", "retries"),
    "three-brokers",
)
QUICK: Sequence[Scenario[Stage]] = [one for name, one in SCENARIOS.items() if name not in _LONG]
"""A fixed run of a few minutes: without those that wait longest."""

__all__ = ["QUICK", "SCENARIOS"]
