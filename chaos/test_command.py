"""What a command refuses, and what it says of faults that never came."""

from __future__ import annotations

import pytest

from chaos import __main__ as command
from chaos.__main__ import main
from chaos.possible import MEANINGS, fault_of
from chaos.runner import schedule_of
from chaos.simulated.faults import AT_REPLY, AT_REQUEST, IN_TIME, BadReplay, Place, kinds_at
from chaos.workloads import WORKLOADS
from scenarios.harness.faults import Hop

IMPOSSIBLE = (
    ("explode@orders:sql.commit:reply:3", "no kind of fault 'explode'; there are error, lost"),
    ("crash@nobody:sql.commit:reply:3", "no process 'nobody'; there are users, products"),
    ("lost@orders:sql.commit:request:3", "cannot strike orders:sql.commit:request:3; there it is"),
    ("conflict@orders:sql.commit:request:3", "'conflict' cannot strike"),
    ("outage@redis:1:3", "no store 'redis'; there are sql, log, views"),
    ("slow@orders:1:3", "no store 'orders'"),
    ("rebalance@orders:1:0", "no group 'orders'; there are product-consumer"),
    ("duplicate@order.eaten:1:0", "no topic 'order.eaten'; there are "),
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
def test_a_fault_that_can_strike_nothing_is_refused(
    fault: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", f"orders/1/{fault}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_a_client_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(BadReplay, match="no client 'nobody'; there are buyer, doubter, payer"):
        schedule_of("orders~nobody/1")


def test_every_kind_of_fault_is_explained_and_can_be_read() -> None:
    statement = Place("orders", "sql.insert-outbox", Hop.REQUEST, 1)
    commit = Place("orders", "sql.commit", Hop.REQUEST, 1)
    kinds = {*AT_REQUEST, *AT_REPLY, *IN_TIME, *kinds_at(statement), *kinds_at(commit)}
    assert kinds <= MEANINGS.keys()
    for kind in kinds_at(statement):
        assert str(fault_of(f"{kind}@{statement}", WORKLOADS["orders"])) == f"{kind}@{statement}"


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
    monkeypatch.setattr(command, "_regressions", lambda: [stale])
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
    main(["replay", schedule, "--mutant", "mark_before_ack"])
    printed = capsys.readouterr().out
    assert f"mutant mark_before_ack: its code was {said}" in printed
