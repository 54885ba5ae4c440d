"""Writes `docs/guarantees.md`: each promise, who checks it, and the bugs that prove that it bites.

python -m chaos.guarantees
"""

from __future__ import annotations

from pathlib import Path

from chaos.shop.checkers import ANOMALIES, CHECKERS
from chaos.shop.mutants import MUTANTS
from chaos.shop.workloads import WORKLOADS
from system.kit.operations.arguments import Parser

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"

INTRODUCTION = """\
# Guarantees

What the system promises, who holds it to that, and the bugs that prove that the check bites. A check
that no mutant can fail is not a check: `python -m chaos mutants` switches every bug below in and must
see it caught by a checker of its promise, in a run that came to the mutated code.

This page is made from [chaos/shop/checkers](../chaos/shop/checkers) and [chaos/shop/mutants](../chaos/shop/mutants) by
`python -m chaos.guarantees`, and a test holds it to them. How to add a line is told in
[chaos.md](chaos.md).

## Promises

| promise | checker | mutants that break it |
|---|---|---|
"""
LIMITS = """
## What the simulation cannot tell

- SQLite has one writer at a time. From a transaction's first write on nobody else writes, so locks
  that are missing *after* it cannot be seen, nor can gap locks and deadlocks. Conflicts are hit in
  from outside. The mutants that need an early read or an early id bring it along.
- Faults of the real clients are not in it. The suites of the ports and the runs on real servers are
  for those.
- Pauses, retries and the silence that ends a ghost's transaction are shorter than in production, in
  the same order of size: a pause is longer than every lease, session and request, an outage may be
  longer than all retries.
"""


def page() -> str:
    return f"{INTRODUCTION}{_promises()}{LIMITS}{_mutants()}{_anomalies()}{_workloads()}"


def _promises() -> str:
    rows = []
    for checker in CHECKERS.values():
        mutants = [f"`{name}`" for name, mutant in MUTANTS.items() if checker.name in mutant.breaks]
        rows.append(f"| {checker.promise.says} | `{checker.name}` | {', '.join(mutants)} |\n")
    return "".join(rows)


def _mutants() -> str:
    rows = [
        f"| `{name}` | {mutant.bug} | {', '.join(mutant.workloads)} |\n"
        for name, mutant in MUTANTS.items()
    ]
    head = "\n## Mutants\n\n| mutant | the bug | hunted in |\n|---|---|---|\n"
    return head + "".join(rows)


def _anomalies() -> str:
    rows = [f"| {name} | {meaning} |\n" for name, meaning in ANOMALIES.items()]
    return (
        "\n## Anomalies\n\nWhat checkers call what they find.\n\n| name | meaning |\n|---|---|\n"
        + ("".join(rows))
    )


def _workloads() -> str:
    rows = [f"| `{workload.name}` | {workload.what} |\n" for workload in WORKLOADS.values()]
    return "\n## Workloads\n\n| name | story |\n|---|---|\n" + "".join(rows)


def main() -> int:
    Parser("python -m chaos.guarantees", description=f"Writes {PAGE}.").parse_args()
    PAGE.write_text(page(), encoding="utf-8")
    return 0
