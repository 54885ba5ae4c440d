"""Two sources of evidence, one verdict: what checkers see in every table, the judge sees outside.

The simulation runs the kit's own system. Its checkers judge it with rows, logs and views before
them; the generic promises judge the same runs from requests, records and readings alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.kit.blackbox import PROMISES, Sight, Verdict, judge
from chaos.kit.simulated.runner import Run, Simulator, schedule_of, simulator
from chaos.shop.mutants import MUTANTS
from chaos.shop.subject import SHOP
from chaos.shop.workloads.given import STOCK
from chaos.strangers.inside import neutral

HEALTHY = [
    "orders/1",
    "orders/3",
    "orders/1/error@orders:log.publish:request:1",
    "orders/1/duplicate@order.created:0.8:0",
    "orders/1/crash@orders:sql.commit:request:4",
    "orders/2/outage@sql:0.1:3/restart@orders:2:0",
]
SEEN_BY_BOTH = {  # mutant: a schedule in which it does wrong, and a promise that says so
    "acknowledged_before_commit": (
        "orders/1/crash@orders:sql.commit:request:4",
        "acknowledged_has_its_effect",
    ),
    "cancel_that_releases_nothing": ("orders/3", "ended_things_hold_nothing"),
    "dual_write": (
        "orders/1/error@orders:sql.insert-outbox:request:1",
        "acknowledged_has_its_event",
    ),
    "lines_not_summed": ("orders/1", "things_hold_what_they_took"),
    "published_before_ack": (
        "orders/1/error@orders:log.publish:request:1",
        "acknowledged_has_its_event",
    ),
    "offset_before_effect": (
        "orders/2/outage@sql:0.1:3/restart@orders:2:0",
        "events_have_their_effect",
    ),
    "partial_reservation": ("orders/1", "things_hold_what_they_took"),
    "random_partition_key": ("orders/1", "one_partition_per_key"),
    "skip_a_failed_row": (
        "orders/1/error@orders:log.publish:request:1",
        "acknowledged_has_its_event",
    ),
    "stale_overwrite_in_a_view": (
        "orders/1/duplicate@order.created:0.8:0",
        "views_show_the_truth",
    ),
}


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulator]:
    with simulator(SHOP) as made:
        yield made


def judged(run: Run) -> list[Verdict]:
    return judge(neutral(run.evidence, STOCK), PROMISES, sees=~Sight(0))


def broken(run: Run) -> list[str]:
    return [verdict.promise for verdict in judged(run) if verdict.outcome == "broken"]


@pytest.mark.parametrize("id", HEALTHY)
def test_neither_blames_a_healthy_system(simulation: Simulator, id: str) -> None:
    run = simulation.run(schedule_of(SHOP, id))

    assert (run.anomalies, broken(run)) == ([], [])


@pytest.mark.parametrize("name", SEEN_BY_BOTH)
def test_both_see_the_bug(simulation: Simulator, name: str) -> None:
    id, promise = SEEN_BY_BOTH[name]
    mutant = MUTANTS[name]
    run = simulation.run(schedule_of(SHOP, id), mutant)

    assert run.reached
    assert {found.checker for found in run.anomalies} & set(mutant.breaks)
    assert promise in broken(run)


def test_there_is_something_to_agree_on(simulation: Simulator) -> None:
    verdicts = judged(simulation.run(schedule_of(SHOP, "orders/1")))

    kept = {verdict.promise for verdict in verdicts if verdict.outcome == "kept"}
    assert {promise for _, promise in SEEN_BY_BOTH.values()} - kept <= {"ended_things_hold_nothing"}
