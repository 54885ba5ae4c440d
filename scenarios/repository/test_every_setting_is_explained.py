"""`.env.example` lists every setting with its default, and copying it changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.repository.markdown import ROOT
from system.settings import Settings, load_settings

TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^# ([A-Z_]+)=(.*)$", re.MULTILINE)
NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_it_lists_exactly_the_settings_there_are() -> None:
    assert sorted(name for name, _ in EXAMPLE.findall(TEXT)) == sorted(NAMES)


@pytest.mark.parametrize(("name", "value"), EXAMPLE.findall(TEXT))
def test_the_value_it_shows_is_the_default(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert load_settings(env_file=None) == Settings()


def test_copied_as_it_is_it_changes_nothing() -> None:
    assert load_settings(env_file=ROOT / ".env.example") == Settings()


def test_with_every_comment_taken_away_it_still_is_a_valid_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.sub(r"\1=\2", TEXT), encoding="utf-8")

    assert load_settings(env_file=tmp_path / ".env") == Settings()


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_meaning_above_it(name: str) -> None:
    lines = TEXT.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith(f"# {name}=")]

    assert re.match(r"# \S.*\.$", lines[place - 1])
