"""What a command refuses, and what it says of faults that never came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from chaos.command import main
from chaos.kit.checkers import Checker
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.kit.points import Hop
from chaos.kit.promises import Promise, Verdict
from chaos.kit.simulated.command import KINDS_MAX, told_once
from chaos.kit.simulated.faults import AT_REPLY, AT_REQUEST, IN_TIME, BadReplay, Place, kinds_at
from chaos.kit.simulated.mutant import Mutant
from chaos.kit.simulated.possible import MEANINGS, calls, fault_of
from chaos.kit.simulated.report import in_order
from chaos.kit.simulated.runner import Run, Schedule, Simulator, schedule_of, simulator
from chaos.kit.simulated.subject import Subject
from chaos.shop.checkers import ANOMALIES, CHECKERS, Anomaly
from chaos.shop.subject import SHOP
from chaos.shop.workloads import WORKLOADS

IMPOSSIBLE = (
    ("explode@orders:sql.commit:reply:3", "no kind of fault 'explode'; there are error, lost"),
    ("crash@nobody:sql.commit:reply:3", "no process 'nobody'; there are products, orders"),
    ("lost@orders:sql.commit:request:3", "cannot hit orders:sql.commit:request:3; there it is"),
    ("conflict@orders:sql.commit:request:3", "'conflict' cannot hit"),
    ("outage@redis:1:3", "no store 'redis'; there are sql, log, views"),
    ("slow@orders:1:3", "no store 'orders'"),
    ("rebalance@orders:1:0", "no group 'orders'; did you mean order-consumer?"),
    ("rebalance@user-consumer:1:0", "no group 'user-consumer'"),
    ("duplicate@order.eaten:1:0", "no topic 'order.eaten'; did you mean order.created or "),
    ("crash@orders:sql.comit:reply:3", "no call 'sql.comit'; did you mean sql.commit or "),
    ("crash@orders:sql.select-order:reply:3", "no call 'sql.select-order'; did you mean sql.sel"),
    ("crash@order:sql.commit:reply:3", "no process 'order'; did you mean orders?"),
    ("crash@orders:sql.commit:reply:0", "a process's first call is number 1"),
    ("crash@orders:sql.commit:reply:-1", "a process's first call is number 1"),
    ("jump@nobody:1:3", "no process 'nobody'"),
    ("restart@order-consumer:1:0", "no process 'order-consumer'"),
    ("outage@sql:1:0", "lasts for no time"),
    ("outage@sql:1:-3", "lasts for no time"),
    ("outage@sql:1:nan", "lasts longer than 3600 s"),
    ("outage@sql:1:1e9", "lasts longer than 3600 s"),
    ("outage@sql:-1:3", "begins at no moment"),
    ("outage@sql:inf:3", "begins at no moment"),
)


@pytest.mark.parametrize(("fault", "why"), IMPOSSIBLE)
def test_a_fault_that_can_hit_nothing_is_refused(
    fault: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", f"orders/1/{fault}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_a_workload_alone_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "orders"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'orders' has no seed; a run without faults is orders/1" in line


def test_every_call_of_a_run_can_be_named_in_an_id() -> None:
    with simulator(SHOP) as here:
        places = here.run(Schedule("orders", 1)).places
    assert {place.call for place in places} <= set(calls(SHOP))


def test_a_client_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(BadReplay, match="no client 'nobody'; there are buyer, doubter, payer"):
        schedule_of(SHOP, "orders~nobody/1")


def test_every_kind_of_fault_is_explained_and_can_be_read() -> None:
    statement = Place("orders", "sql.insert-outbox", Hop.REQUEST, 1)
    commit = Place("orders", "sql.commit", Hop.REQUEST, 1)
    kinds = {*AT_REQUEST, *AT_REPLY, *IN_TIME, *kinds_at(statement), *kinds_at(commit)}
    assert kinds <= MEANINGS.keys()
    for kind in kinds_at(statement):
        assert (
            str(fault_of(SHOP, f"{kind}@{statement}", WORKLOADS["orders"])) == f"{kind}@{statement}"
        )


@pytest.mark.parametrize(
    "faults",
    [
        "crash@orders:sql.commit:reply:999",
        "late@orders:sql.commit:reply:1/late@orders:sql.commit:reply:999",
        "error@orders:sql.commit:request:1/late@orders:sql.commit:request:1",
    ],
)
def test_a_replay_whose_fault_never_came_has_shown_nothing(
    faults: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", f"orders/1/{faults}"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("never reached: ") == 1
    assert "kept all promises" not in printed


def test_a_known_failure_whose_fault_comes_no_more_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = "stock/1/crash@orders:sql.commit:reply:999"
    monkeypatch.setattr(Subject, "regressions", [stale])
    asked = ["simulate", "--no-singles", "--schedules", "0", "--workload", "stock", "--jobs", "1"]
    assert main(asked) == 1
    printed = capsys.readouterr().out
    assert f"NEVER REACHED: {stale}" in printed
    assert "1 FAILED" in printed.splitlines()[-1]


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("orders/1/error@orders:log.publish:request:1", "reached "),
        ("orders~buyer~doubter~payer/1", "never reached: this run says nothing of it"),
    ],
)
def test_a_replay_says_whether_the_mutants_code_was_reached(
    schedule: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["replay", schedule, "--mutant", "published_before_ack"])
    printed = capsys.readouterr().out
    assert f"mutant published_before_ack: its code was {said}" in printed


def test_a_run_without_a_fault_shows_trace_lines_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["replay", "orders/1"])
    unasked = capsys.readouterr().out
    main(["replay", "orders/1", "--trace", "7"])
    asked = capsys.readouterr().out
    assert "no fault" in unasked
    assert "sql." not in unasked
    assert _lines_between(asked, "trace:", "what clients did:") == 7


def _lines_between(printed: str, first: str, last: str) -> int:
    lines = printed.splitlines()
    return lines.index(last) - lines.index(first) - 1


def test_the_history_is_told_by_its_beginnings() -> None:
    slow, quick = (Op("buyer", "GET", "/orders", Outcome.OK, began_s=at_s) for at_s in (0.1, 0.2))
    assert in_order([quick, slow]) == [slow, quick]


def test_the_history_is_told_with_ids_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    main(["replay", "orders/1"])
    lines = capsys.readouterr().out.splitlines()
    history = lines[lines.index("what clients did:") + 1 : -1]
    assert any("POST /orders → 201 (ok), id 2" in line for line in history)
    assert any("key pay-" in line for line in history)


def test_what_was_found_again_and_again_is_told_once() -> None:
    """And no checker drowns the others, whatever it finds."""
    names = list(ANOMALIES)[: KINDS_MAX + 2]
    found = [Anomaly(name, f"row {row}", "a_checker") for name in names for row in range(400)]
    lines = list(told_once([*found, Anomaly(names[0], "row 0", "another")], ANOMALIES))
    assert len(lines) == KINDS_MAX + 2
    assert lines[0].startswith(f"a_checker: {names[0]}: row 0 (400 times")
    assert lines[KINDS_MAX] == "a_checker: 2 kinds more"
    assert lines[-1].startswith(f"another: {names[0]}: row 0\n")


def test_the_page_of_a_mutants_run_replays_the_mutant(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    schedule = "orders/1/error@orders:log.publish:request:1"
    main(["replay", schedule, "--mutant", "published_before_ack", "--report", str(page)])
    written = unescape(page.read_text(encoding="utf-8"))
    assert f"python -m chaos replay '{schedule}' --mutant published_before_ack<" in written
    main(["mutants", "published_before_ack", "--jobs", "1", "--report", str(page)])
    assert "' --mutant published_before_ack<" in unescape(page.read_text(encoding="utf-8"))


def test_the_page_of_a_run_explains_its_faults_and_outcomes(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    faults = "late@orders:sql.commit:reply:1/outage@sql:0.1:2/lost@orders:sql.commit:reply:999"
    main(["replay", f"orders/1/{faults}", "--report", str(page)])
    written = unescape(page.read_text(encoding="utf-8"))
    assert all(MEANINGS[kind] in written for kind in ("late", "outage", "lost"))
    assert written.count("<b>never came</b>") == 1
    assert "info</span>: nobody knows" in written


SEARCH = ["simulate", "--no-singles", "--workload", "stock", "--jobs", "1"]
FOUND = "stock/7/late@products:sql.commit:reply:1/jump@users:0.2:5"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise that each run with a late COMMIT breaks, and two schedules that show it."""

    def run(_: Simulator, schedule: Schedule, mutant: Mutant | None = None) -> Run:
        made = right(_, schedule, mutant)
        if any(fault.kind == "late" for fault in schedule.faults):
            name = next(iter(CHECKERS))
            found = Anomaly(next(iter(ANOMALIES)), "in a test", name)
            made.verdicts = [Verdict(name, "It holds.", "broken", [found])]
        return made

    right = Simulator.run
    monkeypatch.setattr(Simulator, "run", run)
    monkeypatch.setattr(Subject, "regressions", [FOUND, FOUND])


def test_a_fault_that_is_over_before_its_workload_begins_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["replay", "stock/1/outage@sql:0.02:0.05"]) == 2
    assert "is over when stock begins, 0.1 s" in capsys.readouterr().err


def test_a_checker_that_falls_over_in_a_branch_is_one_line_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(evidence: Evidence) -> Iterator[Anomaly]:
        yield from () if not evidence.disturbances else evidence.rows("userz")  # type: ignore[misc]

    monkeypatch.setitem(CHECKERS, "hasty", Checker(Promise("hasty", "None."), hasty))
    monkeypatch.setattr(Subject, "regressions", [])
    assert main(["simulate", "--workload", "wander", "--schedules", "0", "--jobs", "1"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"python -m chaos: error@.*: its run did not end, or not well", told)


@pytest.mark.usefixtures("broken")
def test_a_failure_is_told_with_its_number_and_its_page_is_of_the_small_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "run.html"
    assert main([*SEARCH, "--schedules", "0", "--report", str(page)]) == 1
    printed = capsys.readouterr().out
    for number in (1, 2):
        assert f"FAILED after {number} schedules: {FOUND}: " in printed
    (shrunk,) = re.findall("(?m)^shrunk: (.*)$", printed)
    assert "jump" not in shrunk
    assert f"python -m chaos replay '{shrunk}'<" in unescape(page.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("broken")
def test_the_first_failure_ends_a_search_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SEARCH, "--schedules", "50", "--fail-fast"]) == 1
    printed = capsys.readouterr().out
    assert "stopped at the first failure" in printed
    assert printed.splitlines()[-1].startswith("1 schedules in")


def test_a_search_without_a_failure_shows_its_own_seed_and_tells_its_stages(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "run.html"
    assert main([*SEARCH, "--schedules", "2", "--seed", "3", "--report", str(page)]) == 0
    assert "replay 'stock/3'<" in unescape(page.read_text(encoding="utf-8"))
    assert "random schedules: 0 of 2 …" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("text", SHOP.regressions)
def test_what_once_broke_a_promise_can_still_be_hit(text: str) -> None:
    """Workloads change, and a schedule that comes by nothing any more proves nothing."""
    assert str(schedule_of(SHOP, text)) == text
