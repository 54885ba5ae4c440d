"""A system that shares no line with the shop keeps its promises in simulated time, and bugs are found."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from chaos.accounts.checkers import OWN
from chaos.accounts.subject import ACCOUNTS
from chaos.kit import checkers as kit
from chaos.kit.simulated.hunt import hunt_named
from chaos.kit.simulated.runner import Schedule, Simulator, schedule_of, simulator
from chaos.kit.simulated.search import Undisturbed, random_schedule
from chaos.kit.simulated.workers import Workers, workers

DISTURBED = (
    "payments/1/crash@accounts:sql.commit:reply:2",
    "payments/2/outage@sql:0.1:5",
    "payments/3/outage@log:0.1:5/duplicate@account.paid:0.4:0",
    "shared/1/pause@accounts:sql.commit:request:2",
    "shared/2/rebalance@account-consumer:0.1:0/restart@views:0.2:0",
)
RANDOM = 12


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulator]:
    with simulator(ACCOUNTS) as made:
        yield made


@pytest.fixture(scope="module")
def crew() -> Iterator[Workers]:
    with workers(ACCOUNTS, 1) as made:
        yield made


@pytest.mark.parametrize("text", [*(f"{name}/1" for name in ACCOUNTS.workloads), *DISTURBED])
def test_it_keeps_its_promises_and_is_the_same_twice(simulation: Simulator, text: str) -> None:
    first, second = (simulation.run(schedule_of(ACCOUNTS, text)) for _ in range(2))
    assert first.anomalies == []
    assert not first.never_injected
    assert first.digest == second.digest


def test_it_keeps_them_under_faults_by_chance(simulation: Simulator) -> None:
    undisturbed = Undisturbed(simulation)
    schedules = [
        random_schedule(undisturbed, number, 1, list(ACCOUNTS.workloads))
        for number in range(RANDOM)
    ]
    found = {str(schedule): simulation.run(schedule).anomalies for schedule in schedules}
    assert {schedule: anomalies for schedule, anomalies in found.items() if anomalies} == {}


def test_every_event_is_emitted_and_all_is_seen(simulation: Simulator) -> None:
    """A checker that saw nothing would be content, too."""
    evidence = simulation.run(Schedule("payments", 1)).evidence
    emitted = {told.event.type for told in evidence.first_told.values()}
    assert emitted == set(ACCOUNTS.system.topics)
    assert {item["id"]: item["points"] for item in evidence.shown["accounts"]} == {
        1: 3,
        2: 0,
        3: 1,
    }


def test_it_is_judged_by_every_promise_of_the_kit() -> None:
    names = {checker.name for checker in (*kit.CHECKERS, *OWN)}
    assert ACCOUNTS.checkers.keys() == names


@pytest.mark.parametrize("name", list(ACCOUNTS.mutants))
def test_a_bug_of_the_kit_is_found_in_it(crew: Workers, name: str) -> None:
    (catch,) = crew.map(hunt_named, [name])
    assert catch.checker in ACCOUNTS.mutants[name].breaks, catch.why


def test_another_process_finds_it_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(ACCOUNTS)) is ACCOUNTS  # noqa: S301 - our own words
