"""What is generated is current, and the table of journeys has no hole."""

from __future__ import annotations

from typing import NoReturn, cast

import pytest

from contracts import scenario_table
from contracts.command import GENERATORS, main
from scenarios.harness import stack as harness
from system.events import Name


def test_every_generated_file_says_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr().err


def with_a_field_that_its_story_lacks() -> NoReturn:
    Name.model_validate({})
    raise AssertionError


def test_an_example_that_does_not_fit_its_model_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = f"{__name__}:{with_a_field_that_its_story_lacks.__name__}"
    monkeypatch.setitem(cast("dict[str, str]", GENERATORS), "stories", made)
    assert main(["check", "stories"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("stories: test_generated_files.py:")
    assert line.endswith(
        "builds Name otherwise than its model in the code: id: Field required; "
        "name: Field required; version: Field required"
    )


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
