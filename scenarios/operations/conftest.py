"""What the scenarios of the command line are given: programs to start, commands to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.operations.program import Ended, Program, programs
from system.__main__ import main
from system.settings import Settings

Start = Callable[..., Program]
Command = Callable[..., Ended]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `python -m system …`; it is ended with the test, if it still runs then."""
    with programs() as begin:

        def in_its_directory(*arguments: str, **options: Any) -> Program:
            return begin(*arguments, **{"directory": tmp_path, **options})

        yield in_its_directory


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Run `python -m system …` within this process: for what ends by itself, and at once."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: str) -> Ended:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            try:
                status = main(arguments)
            except SystemExit as left:
                status = int(left.code or 0)
        out, err = capsys.readouterr()
        return Ended(status, 0.0, out, err)

    return run
