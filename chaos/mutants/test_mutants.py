"""The gallery: enough of them, each with its promise, and none that stays switched in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.checkers import CHECKERS
from chaos.guarantees import PAGE, page
from chaos.mutants import MUTANTS
from chaos.runner import Schedule, Simulator, schedule_of, simulator
from chaos.simulated.faults import parse
from chaos.workloads import WORKLOADS

CAUGHT = {
    "cancel_that_releases_nothing": "orders/3",
    "dual_write": "orders/1/error@orders:sql.insert-outbox:request:1",
    "unclaimed_double_relay": "twins/1",
    "random_partition_key": "orders/1",
    "token_ignored": "orders/1",
    "gives_up_at_once": "letters/1",
}
"""Some that need one schedule; `python -m chaos mutants` hunts all."""


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulator]:
    with simulator() as made:
        yield made


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("name", list(MUTANTS))
def test_it_says_what_it_breaks_and_where_it_is_hunted(name: str) -> None:
    mutant = MUTANTS[name]
    assert mutant.bug.endswith(".")
    assert set(mutant.breaks) <= CHECKERS.keys()
    assert set(mutant.workloads) <= WORKLOADS.keys()
    assert all(parse(fault) for spell in mutant.spells for fault in spell.split("/"))


def test_every_checker_has_a_mutant_that_it_must_catch() -> None:
    bitten = {checker for mutant in MUTANTS.values() for checker in mutant.breaks}
    assert CHECKERS.keys() == bitten


def test_the_page_of_guarantees_is_up_to_date() -> None:
    """`python -m chaos.guarantees` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", list(CAUGHT))
def test_it_is_caught_and_gone_afterwards(simulation: Simulator, name: str) -> None:
    schedule = schedule_of(CAUGHT[name])
    before = simulation.run(schedule)
    mutated = simulation.run(schedule, MUTANTS[name])
    after = simulation.run(schedule)
    assert mutated.reached
    assert {found.checker for found in mutated.anomalies} & set(MUTANTS[name].breaks)
    assert before.anomalies == after.anomalies == []
    assert before.digest == after.digest


def test_a_catch_needs_the_mutated_code() -> None:
    """What `reached` is for: no bug can be blamed on code that never ran."""
    with simulator() as made:
        run = made.run(Schedule("stock", 1), MUTANTS["replay_bypasses_the_inbox"])
    assert run.reached == 0
