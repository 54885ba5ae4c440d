"""Each scenario has a name, a sentence, and its row in the docs; one by chance is found by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import chaos
from chaos.command import main
from chaos.real.mechanisms import MECHANISMS
from chaos.real.scenarios import QUICK, SCENARIOS, chance, handlers
from system.settings import load_settings

DOCS = Path(chaos.__file__).parent.parent / "docs" / "servers.md"


def test_there_is_one_for_each_row_of_the_docs_and_a_row_for_each() -> None:
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert named == set(SCENARIOS)


def test_the_docs_say_what_was_seen_without_each_mechanism() -> None:
    rows = [line.split(" | ") for line in DOCS.read_text("utf-8").splitlines() if line[:3] == "| `"]
    told = {name[3:-1]: what for name, what, *seen in rows if seen}
    assert told == {name: mechanism.what for name, mechanism in MECHANISMS.items()}


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
        ([1.0, 2.1, 4.0, 8.0, 60.0], True),
        ([1.0, 2.1, 4.0, 8.0, 15.9], False),
        ([1.0, 2.1, 4.0, 8.0], False),
    ],
)
def test_retries_are_on_schedule_or_late(pauses_s: Sequence[float], is_so: bool) -> None:
    assert handlers.is_on_schedule(pauses_s) is is_so


def test_each_has_a_mechanism_that_it_is_about() -> None:
    assert MECHANISMS.keys() == SCENARIOS.keys()


def test_the_quick_ones_are_some_of_them() -> None:
    assert 10 <= len(QUICK) < len(SCENARIOS)


@pytest.mark.parametrize("name", MECHANISMS)
def test_its_mechanism_is_switched_off_and_on_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is replaced is there: a name that has gone would switch nothing off."""
    mechanism = MECHANISMS[name]
    assert mechanism.off or mechanism.settings
    if mechanism.off is not None:
        with mechanism.off():
            pass
    for variable, value in mechanism.settings.items():
        monkeypatch.setenv(variable, value)
    load_settings(None)  # what none can read would keep every role from starting
