"""The command line: it teaches, refuses what cannot be, and writes a skeleton that can be judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.command import main
from chaos.strangers.adapters import load
from chaos.strangers.ground import Ground


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["strangers", "judge", "--help"])

    printed = capsys.readouterr().out
    for word in ("judge naive", "--seed", "--seconds", "one effect per cause", "Exit status: 0"):
        assert word in printed


def test_a_skeleton_can_be_loaded_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["strangers", "new", "my_shop"]) == 0

    assert "judge my_shop.py" in capsys.readouterr().out
    stranger, _ = load("my_shop.py")
    assert stranger.name == "my_shop"
    assert Ground(stranger).lines


def test_a_file_that_is_there_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("mine")

    assert main(["strangers", "new", "mine"]) == 2

    assert "mine.py is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["judge", "nothing.py"], "no file nothing.py"),
        (["judge", "naive:Nobody"], "no file naive"),
        (["new", "my-shop"], "no name of a Python module"),
        (["new", "../shop"], "no name of a Python module"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["strangers", *arguments]) == 2

    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["judge"], ["judge", "naive", "--seconds", "0"], ["jugde"]])
def test_what_is_mistyped_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["strangers", *arguments])
