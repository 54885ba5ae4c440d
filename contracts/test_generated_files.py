"""What is generated is current, and the table of journeys has no hole."""

from __future__ import annotations

import pytest

from contracts import scenario_table
from contracts.__main__ import main
from scenarios.harness import stack as harness


def test_every_generated_file_says_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("stack", ["embedded", "local", "addresses"])
def test_every_journey_runs_on_every_stack_that_is_here(stack: str) -> None:
    rows = scenario_table.rows()
    assert rows
    assert {name: on[stack] for name, on in rows.items() if on[stack] != "runs"} == {}


def test_the_table_sees_what_a_stack_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "ABILITIES", {**harness.ABILITIES, "local": frozenset({"stops"})})
    rows = scenario_table.rows()
    assert rows["test_when_an_order_is_paid.py"]["local"] == "runs"
    wanted = "not applicable: no faults, kills"
    assert rows["test_when_a_consumer_dies_in_mid_batch.py"]["local"] == wanted
