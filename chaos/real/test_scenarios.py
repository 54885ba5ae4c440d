"""Each scenario has a name, a sentence, and its row in the docs; one by chance is found by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import chaos
from chaos.command import main
from chaos.real.scenarios import SCENARIOS, chance, handlers

DOCS = Path(chaos.__file__).parent.parent / "docs" / "servers.md"


def test_there_is_one_for_each_row_of_the_docs_and_a_row_for_each() -> None:
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert named == set(SCENARIOS)


def test_the_list_says_what_each_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["real", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SCENARIOS) >= 16
    assert all(line.endswith(".") for line in lines)


def test_one_that_is_not_there_is_refused_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["real", "retriez"])
    assert "did you mean retries?" in capsys.readouterr().err


def test_one_by_chance_is_its_seed_and_number() -> None:
    found = chance.by_name("chance-7-12")
    assert found is not None
    assert found.name == "chance-7-12"
    assert chance.by_name("chance-7") is None


@pytest.mark.parametrize(
    ("pauses_s", "is_so"),
    [
        ([1.0, 2.1, 4.0, 8.0, 16.3], True),
        ([1.0, 2.1, 4.0, 8.0, 15.9], False),
        ([0.1, 0.1, 0.1, 0.1, 0.1], False),
        ([1.0, 2.1, 4.0, 8.0, 60.0], False),
    ],
)
def test_retries_are_on_schedule_or_a_little_late(pauses_s: Sequence[float], is_so: bool) -> None:
    assert handlers.is_on_schedule(pauses_s) is is_so
