"""Runs of the whole system: the same each time, at rest in the end, and never out of the promises."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import count

import pytest

from chaos.kit.points import Hop
from chaos.kit.simulated import branches
from chaos.kit.simulated.branches import BranchFailed
from chaos.kit.simulated.faults import (
    READS,
    BadReplay,
    Fault,
    Place,
    PointFault,
    distinct_kinds_at,
    parse,
    writes,
)
from chaos.kit.simulated.report import report
from chaos.kit.simulated.runner import Run, Schedule, Simulator, schedule_of, simulator
from chaos.kit.simulated.search import Undisturbed, random_schedule, singles
from chaos.kit.simulated.shrink import shrink
from chaos.kit.simulated.workers import result_of
from chaos.shop.mutants import MUTANTS
from chaos.shop.subject import SHOP
from chaos.shop.workloads import WORKLOADS
from system.events import BY_TYPE


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulator]:
    with simulator(SHOP) as made:
        yield made


DISTURBED = (
    "orders/3/crash@orders:sql.commit:reply:3",
    "orders/3/lost@orders:sql.commit:reply:2/pause@products:sql.insert-outbox:request:1",
    "together/5/conflict@orders:sql.insert-commands:request:2",
    "endings/2/outage@sql:0.2:6",
    "dead-letters/2/outage@log:0.1:5",
    "rebuild/4/outage@views:0.8:3",
    "rebuild/4/slow@views:0.8:2",
    "rebuild/2/hang@views:1.2:6",
    "orders/1/hang@sql:0.03:40",
    "orders/1/storm@sql:0.06:1.5",
    "orders/1/ghost@orders:sql.commit:request:2",
    "twins/6/rebalance@product-consumer:0.05:0/restart@orders:0.1:0",
    "stock/7/duplicate@product.updated:0.4:0/jump@products:0.2:-300",
)


@pytest.mark.parametrize("workload", list(WORKLOADS))
def test_it_is_the_same_twice(simulation: Simulator, workload: str) -> None:
    first, second = (simulation.run(Schedule(workload, 11)) for _ in range(2))
    assert first.trace.lines == second.trace.lines
    assert first.digest == second.digest
    assert not first.anomalies


@pytest.mark.parametrize("text", DISTURBED)
def test_it_keeps_its_promises_and_is_the_same_twice(simulation: Simulator, text: str) -> None:
    first, second = (simulation.run(schedule_of(SHOP, text)) for _ in range(2))
    assert first.anomalies == []
    assert not first.never_injected
    assert first.digest == second.digest


def test_every_event_is_emitted_by_some_workload(simulation: Simulator) -> None:
    """What no workload emits, no fault and no checker ever meets."""
    emitted = {
        told.event.type
        for workload in WORKLOADS
        for told in simulation.run(Schedule(workload, 1)).evidence.first_told.values()
    }
    wrong = ", ".join(sorted(emitted ^ BY_TYPE.keys()))
    assert not wrong, (
        "let a workload of chaos/shop/workloads emit, where it is an event, in its run with seed 1 and"
        f" without faults: {wrong}"
    )


def test_another_simulator_sees_the_same(simulation: Simulator) -> None:
    schedule = schedule_of(SHOP, DISTURBED[1])
    with simulator(SHOP) as another:
        assert another.run(schedule).digest == simulation.run(schedule).digest


def test_another_seed_is_another_run(simulation: Simulator) -> None:
    assert (
        simulation.run(Schedule("orders", 1)).digest != simulation.run(Schedule("orders", 2)).digest
    )


def test_a_point_that_is_not_reached_is_told(simulation: Simulator) -> None:
    fault = PointFault("crash", Place("orders", "sql.commit", Hop.REPLY, 9_999))
    assert simulation.run(Schedule("orders", 1, (fault,))).never_injected == [fault]


@pytest.mark.parametrize("text", DISTURBED)
def test_a_schedule_can_be_written_and_read(text: str) -> None:
    assert str(schedule_of(SHOP, text)) == text


@pytest.mark.parametrize("text", ["nothing/1", "orders/x", "orders/1/crash@here", "orders/1/what"])
def test_a_bad_id_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadReplay):
        schedule_of(SHOP, text)


def test_every_call_is_hit_in_every_way_that_differs(simulation: Simulator) -> None:
    field = Undisturbed(simulation).field("stock", 1)
    schedules = list(singles(field, "stock", 1))
    faults = [fault for schedule in schedules for fault in schedule.faults]
    asked = {_call(place) for place in field.places}
    changed = {
        _call(place) for place in field.places if place.hop is Hop.REPLY and place.call not in READS
    }
    assert len(set(faults)) == len(faults)
    between = {call for call in asked if not writes(call[1])}
    for kind, wanted in (("error", asked), ("pause", between), ("lost", changed)):
        assert {_call(fault.place) for fault in _of(kind, faults)} == wanted
    assert {_call(fault.place) for fault in _of("crash", faults)} == changed
    assert {fault.place.call for fault in _of("conflict", faults)} >= {"sql.update-stock"}


def _call(place: Place) -> tuple[str, str, int]:
    return place.process, place.call, place.nth


def _of(kind: str, faults: Iterable[Fault]) -> list[PointFault]:
    return [fault for fault in faults if isinstance(fault, PointFault) and fault.kind == kind]


def test_a_branch_is_the_very_run_that_its_id_names(simulation: Simulator) -> None:
    numbers = count()

    def faults_at(place: Place) -> list[PointFault]:
        wanted = next(numbers) % 30 == 7
        return [PointFault(kind, place) for kind in distinct_kinds_at(place)] if wanted else []

    told = simulation.branches(Schedule("twins", 5), faults_at, result_of)
    assert {parse(result.schedule.split("/")[2]).kind for result in told} >= {"error", "pause"}
    for result in told:
        assert result == result_of(simulation.run(schedule_of(SHOP, result.schedule)))


def _ends_badly(_: Run) -> None:
    raise ZeroDivisionError("in a branch")


def _never_ends(_: Run) -> None:
    while True:
        signal.pause()


@pytest.mark.parametrize("fails", [_ends_badly, _never_ends])
def test_a_branch_that_comes_to_no_end_is_told(
    simulation: Simulator, monkeypatch: pytest.MonkeyPatch, fails: Callable[[Run], None]
) -> None:
    monkeypatch.setattr(branches, "BRANCH_S", 2.0)

    def faults_at(place: Place) -> list[PointFault]:
        return [PointFault("crash", place)] if place.call == "log.publish" else []

    with pytest.raises(BranchFailed, match=r"crash@.*:log.publish:request:1"):
        simulation.branches(Schedule("twins", 5), faults_at, fails)


def test_random_schedules_are_a_function_of_their_number(simulation: Simulator) -> None:
    undisturbed = Undisturbed(simulation)
    first, second = (
        [str(random_schedule(undisturbed, number, 1, ("stock",))) for number in range(20)]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == 20


def test_a_failure_is_made_smaller(simulation: Simulator) -> None:
    mutant = MUTANTS["published_before_ack"]
    needed = parse("error@orders:log.publish:request:1")
    more = tuple(map(parse, ("jump@users:0.2:5", "rebalance@order-consumer:0.3:0")))
    schedule = Schedule("orders", 1, (more[0], needed, more[1]))

    def fails(candidate: Schedule) -> object:
        run = simulation.run(candidate, mutant)
        return run if any(found.checker == "no_lost_event" for found in run.anomalies) else None

    smallest = shrink(schedule, WORKLOADS["orders"].clients, fails)
    assert smallest.faults == (needed,)
    assert smallest.without


def test_the_page_of_a_run_stands_alone(simulation: Simulator) -> None:
    run = simulation.run(schedule_of(SHOP, DISTURBED[0]))
    page = report(run)
    assert str(run.schedule) in page
    assert "http" not in page.replace("HTTP", "")
    assert page.count("<circle") == 2  # around the fault, and in the whole run
