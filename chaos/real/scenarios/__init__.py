"""Named scenarios on real servers: one fault each, its proof, its recovery, and the checkers."""

from __future__ import annotations

from collections.abc import Mapping

from chaos.kit.servers.scenario import Scenario
from chaos.real.scenarios import answers, bad_lines, handlers, outages, processes
from chaos.real.stage import Stage

SCENARIOS: Mapping[str, Scenario[Stage]] = {
    scenario.name: scenario
    for scenario in (
        *handlers.ALL,
        *outages.ALL,
        *answers.ALL,
        *bad_lines.ALL,
        *processes.ALL,
    )
}

__all__ = ["SCENARIOS"]
