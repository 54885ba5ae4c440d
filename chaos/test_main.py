"""The command line: what it prints, and how it ends."""

from __future__ import annotations

import pytest

from chaos.command import main
from chaos.kit.simulated.nemeses import NEMESES
from chaos.shop.checkers import CHECKERS
from chaos.shop.workloads import WORKLOADS


def test_its_help_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    page = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(name in page for name in (*WORKLOADS, *NEMESES, *CHECKERS))


def test_a_kept_promise_ends_with_0_and_the_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "stock/1"]) == 0
    assert "kept all promises" in capsys.readouterr().out.splitlines()[-1]


def test_a_broken_promise_ends_with_1_and_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "orders/1", "--mutant", "lines_not_summed"]) == 1
    assert "BROKEN things_hold_what_they_took: holds in part" in capsys.readouterr().out


def test_a_bad_id_ends_with_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "nothing/1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


SHORT = ("simulate", "--no-singles", "--schedules", "2", "--workload", "stock", "--jobs", "1")


def test_a_search_sums_up_and_names_what_nothing_put_to_the_test(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(SHORT) == 0
    idle, tally = capsys.readouterr().out.splitlines()[-2:]
    assert "2 schedules in" in tally
    assert idle.startswith("nothing happened that could have broken: ")
    assert "idempotency_key_honoured" in idle
    assert "amounts_conserved" not in idle


def test_a_promise_that_must_be_put_to_the_test_ends_with_1_if_it_was_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*SHORT, "--must-occur", "amounts_conserved"]) == 0
    capsys.readouterr()
    assert main([*SHORT, "--must-occur", "idempotency_key_honoured"]) == 1
    said = capsys.readouterr().out.splitlines()[-2]
    assert said == "FAILED: --must-occur asks for idempotency_key_honoured"


def test_a_caught_mutant_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "random_partition_key", "--jobs", "1"]) == 0
    assert "1 mutants in" in capsys.readouterr().out.splitlines()[-1]
