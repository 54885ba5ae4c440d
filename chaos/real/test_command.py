"""The command line: `python -m chaos endurance` teaches, and refuses what cannot be."""

from __future__ import annotations

import pytest

from chaos.command import main


def test_the_help_of_endurance_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["endurance", "--help"])
    printed = capsys.readouterr().out
    for word in ("python -m chaos endurance", "--orders", "--kills", "--seed", "Exit status"):
        assert word in printed


@pytest.mark.parametrize(
    "arguments", [[], ["--orders", "0"], ["--orders", "many"], ["--orders", "5", "--kills", "-1"]]
)
def test_what_cannot_be_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["endurance", *arguments])
    assert "error:" in capsys.readouterr().err
