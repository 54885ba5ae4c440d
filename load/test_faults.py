"""What keeps a run under faults from beginning is said in one line, with exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from load import faults
from scenarios.harness.servers import NotStarted

WANTED = faults.Wanted(seconds=60, users=1, seed=1)


def test_without_locust_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(faults, "find_spec", lambda _: None)
    assert faults.run(WANTED, tmp_path) == 2
    assert "pip install -c constraints.txt -e .[load]" in capsys.readouterr().err


def test_servers_that_do_not_start_are_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> int:
        raise ExceptionGroup("", [NotStarted("kafka: no room"), NotStarted("kafka: no room")])

    monkeypatch.setattr(faults, "_under_faults", fail)
    assert faults.run(WANTED, tmp_path) == 2
    assert capsys.readouterr().err == f"cannot run: kafka: no room (logs in {tmp_path})\n"


def test_ctrl_c_judges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def stopped(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(faults, "_under_faults", stopped)
    assert faults.run(WANTED, tmp_path) == 130
    assert "nothing is judged" in capsys.readouterr().err
