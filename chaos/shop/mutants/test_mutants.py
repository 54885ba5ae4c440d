"""The gallery: enough of them, each with its promise, and none that stays switched in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.guarantees.page import PAGE, page
from chaos.kit.simulated.faults import parse
from chaos.kit.simulated.mutant import BadMutant, Mutant, Reached, handlers, ignored
from chaos.kit.simulated.runner import Schedule, Simulator, schedule_of, simulator
from chaos.shop import mutants
from chaos.shop.checkers import CHECKERS
from chaos.shop.mutants import MUTANTS, load, paid_again
from chaos.shop.subject import SHOP
from system.events import OrderPaid

DOCS = Path(__file__).parents[3] / "docs" / "chaos.md"
CAUGHT = {
    "cancel_that_releases_nothing": "orders/3",
    "dual_write": "orders/1/error@orders:sql.insert-outbox:request:1",
    "unclaimed_double_relay": "twins/1",
    "random_partition_key": "orders/1",
    "token_ignored": "orders/1",
    "gives_up_at_once": "dead-letters/1",
}
"""Some that need one schedule; `python -m chaos mutants` hunts all."""


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulator]:
    with simulator(SHOP) as made:
        yield made


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("name", list(MUTANTS))
def test_it_says_what_it_breaks_and_where_it_is_hunted(name: str) -> None:
    mutant = MUTANTS[name]
    assert mutant.bug.endswith(".")
    assert all(
        parse(fault) for timed_fault in mutant.timed_faults for fault in timed_fault.split("/")
    )


class OrderPlaced(OrderPaid):
    type = "order.placed"


def test_one_of_an_event_that_there_is_not_is_refused() -> None:
    switched_in = handlers({OrderPlaced: ignored})
    with (
        switched_in(Reached()) as switch,
        pytest.raises(BadMutant, match=r"no event OrderPlaced; there are .*OrderCreated"),
    ):
        switch.blueprint(SHOP.blueprint)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"breaks": ("no_lost_evnt",)}, "no checker no_lost_evnt; there are no_lost_event, "),
        ({"workloads": ("order",)}, "no workload order; there are orders, "),
    ],
)
def test_one_that_names_what_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(paid_again, "MUTANT", replace(paid_again.MUTANT, **changes))
    with pytest.raises(BadMutant, match=rf"^chaos/shop/mutants/paid_again\.py: there is {told}"):
        load("paid_again")


def test_a_file_without_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helpers.py").touch()
    monkeypatch.setattr(mutants, "__path__", [str(tmp_path)])
    with pytest.raises(BadMutant, match=r"^chaos/shop/mutants/helpers\.py has no MUTANT"):
        load("helpers")


def test_every_checker_has_a_mutant_that_it_must_catch() -> None:
    bitten = {checker for mutant in MUTANTS.values() for checker in mutant.breaks}
    assert CHECKERS.keys() == bitten


def test_the_page_of_guarantees_is_up_to_date() -> None:
    is_new = PAGE.read_text(encoding="utf-8") == page()
    assert is_new, "`python -m chaos.guarantees` writes it anew"


@pytest.mark.parametrize("name", list(CAUGHT))
def test_it_is_caught_and_gone_afterwards(simulation: Simulator, name: str) -> None:
    schedule = schedule_of(SHOP, CAUGHT[name])
    before = simulation.run(schedule)
    mutated = simulation.run(schedule, MUTANTS[name])
    after = simulation.run(schedule)
    assert mutated.reached
    assert {found.checker for found in mutated.anomalies} & set(MUTANTS[name].breaks)
    assert before.anomalies == after.anomalies == []
    assert before.digest == after.digest


def test_the_one_in_the_docs_is_caught(simulation: Simulator) -> None:
    (page,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[:1]
    named: dict[str, Any] = {}
    exec(page, named)  # noqa: S102 - a page of our own
    mutant: Mutant = named["MUTANT"]
    run = simulation.run(Schedule(mutant.workloads[0], 1), mutant)
    assert run.reached
    assert {found.checker for found in run.anomalies} & set(mutant.breaks)


def test_a_catch_needs_the_mutated_code() -> None:
    """What `reached` is for: no bug can be blamed on code that never ran."""
    with simulator(SHOP) as made:
        run = made.run(Schedule("stock", 1), MUTANTS["replay_bypasses_the_inbox"])
    assert run.reached == 0
