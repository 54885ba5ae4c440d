"""`locust -f load/orders.py` against the embedded system, healthy and with a bug."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from load.conftest import LOCUST, LoadRun, load, started
from scenarios.operations.program import free_host

Runs = dict[str, LoadRun]


@pytest.mark.parametrize("profiles", ["Shopper", "HotProduct Arrivals"])
def test_a_run_of_each_profile_is_judged_and_kept(runs: Runs, profiles: str) -> None:
    ended = runs[profiles].ended()

    assert ended.status == 0, ended.out + ended.err
    assert ended.orders_judged > 0
    assert "broken" not in ended.out
    assert "not judged" not in ended.out


def test_ctrl_c_ends_with_the_figures_and_the_verdict(runs: Runs) -> None:
    """They all end so, but the one with two workers, whose time is limited."""
    ended = runs["Browser"].ended()

    assert ended.status == 0, ended.out + ended.err
    assert "Aggregated" in ended.err
    assert ended.orders_judged > 0


def test_a_shape_that_is_terminated_is_judged_too(runs: Runs) -> None:
    """Also by SIGTERM, to which Locust itself listens only after a shape."""
    ended = runs["a shape"].ended()

    assert ended.status == 0, ended.out + ended.err
    assert ended.orders_judged > 0


def test_rows_of_its_own_stand_beside_those_of_http(runs: Runs) -> None:
    said = runs["Shopper"].ended().err

    assert "SEEN     acknowledged → visible" in said
    assert "GAUGE    outbox backlog (events): order" in said
    assert "GAUGE    consumer lag (records): query-consumer" in said


def test_evidence_of_two_workers_is_merged_or_said_to_be_incomplete(runs: Runs) -> None:
    """Locust gives a worker up that is silent for 3 s, which happens on a busy machine."""
    ended = runs["two workers"].ended()

    if "setting state to missing" in ended.err:
        assert ended.status == 3
        assert ended.verdict("commands_take_effect_once").startswith("not judged")
    else:
        assert ended.status == 0, ended.out + ended.err
        placed = re.search(r"^POST +/orders +(\d+)", ended.err, re.MULTILINE)
        of_setting_up = 10  # an order of each customer
        assert ended.orders_judged >= (int(placed[1]) if placed else 0) + of_setting_up


@pytest.mark.parametrize(
    ("bug", "promise"),  # what each bug breaks, no other of the three does
    [
        ("oversell", "never_more_than_there_is"),
        ("oversell", "amounts_are_held_by_things"),
        ("lost-event", "final_states_reached"),
        ("missing-view", "acknowledged_is_shown"),
        ("missing-view", "views_show_the_truth"),
    ],
)
def test_a_bug_makes_the_exit_status_say_so_and_the_verdict_name_the_promise(
    runs: Runs,
    bug: str,  # noqa: ARG001 - it is read in the test's name
    promise: str,
) -> None:
    ended = runs["buggy"].ended()

    assert ended.status == 1
    assert ended.verdict(promise).startswith("broken")


def test_the_evidence_can_be_judged_again(runs: Runs) -> None:
    """At once, with no time to come to rest: what needs rest is not judged."""
    run = runs["buggy"]
    (again,) = (line for line in run.ended().out.splitlines() if "judges it again" in line)
    command = again.removesuffix("judges it again").split()

    judged = started([sys.executable, *command[1:], "--within", "0"], run.directory).ended()

    assert command[:4] == ["python", "-m", "load", "judge"]
    assert judged.status == 3
    assert judged.verdict("amounts_are_held_by_things").endswith(
        "because no rest within 0 s: events still move"
    )
    assert judged.verdict("acknowledged_has_its_effect").startswith("kept")


def test_the_file_loads_and_lists_its_profiles(tmp_path: Path) -> None:
    ended = started([*LOCUST, "--list"], tmp_path).ended()

    assert ended.status == 0
    names = ended.out.split("Available Users:")[1].split()
    assert names == ["Arrivals", "Browser", "HotProduct", "Shopper"]


def test_no_system_there_is_one_line(tmp_path: Path) -> None:
    host = free_host()

    ended = load(tmp_path, host, "-t", "1s").ended()

    assert ended.status == 2
    (line,) = (line for line in ended.err.splitlines() if "no system there" in line)
    assert line.startswith("locust: no system there: no answer from")
    assert "Traceback" not in ended.err


def test_an_option_out_of_range_is_one_line(tmp_path: Path) -> None:
    ended = started([*LOCUST, "--headless", "--rate", "0"], tmp_path).ended()

    assert ended.status == 2
    (line,) = ended.err.splitlines()
    assert "--rate '0': orders a second, 0.01 to 10000" in line
