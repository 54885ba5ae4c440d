"""What the kit's commands do alike."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.harness import command
from scenarios.repository.markdown import ROOT


def test_a_package_that_is_missing_is_named_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.run("unheard_of.package:main", program="python -m kit") == 1
    assert capsys.readouterr().err == (
        "python -m kit: unheard_of is not installed: pip install -c constraints.txt -e '.[all]'\n"
    )


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError):
        command.run("scenarios.unheard_of:main", program="python -m kit")


def test_what_is_required_is_found_out_before_the_work() -> None:
    command.require("pytest")
    with pytest.raises(ModuleNotFoundError):
        command.require("pytest", "unheard_of")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    assert command.output_file(str(tmp_path / "page.html")) == tmp_path / "page.html"
    for text, why in {
        str(tmp_path): "is a folder; name a file in it",
        str(tmp_path / "nothing" / "page.html"): "there is no folder",
    }.items():
        with pytest.raises(argparse.ArgumentTypeError, match=why):
            command.output_file(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [("-3", "-3 is out of range; it must be 0 or more"), ("x", "'x' is not a whole number")],
)
def test_a_number_that_is_none_or_out_of_range_is_called_so(text: str, why: str) -> None:
    assert command.whole_number("17") == 17
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(why)):
        command.whole_number(text)


def test_work_in_a_pipe_tells_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "EVERY_S", 0.0)
    assert list(command.progress("things", 2, iter("ab"))) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [re.sub(r"\d+ s", "0 s", line) for line in lines] == [
        "things: 0 of 2 …",
        "things: 1 of 2, 0 s",
        "things: 2 of 2, 0 s",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_a_search_that_is_stopped_says_what_was_done(number: signal.Signals) -> None:
    search = subprocess.Popen(
        [sys.executable, "-m", "chaos", "simulate", "--no-singles", "--workload", "stock"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert search.stderr is not None
    while not search.stderr.readline().startswith("random schedules"):
        assert search.poll() is None
    search.send_signal(number)
    out, _ = search.communicate(timeout=300)
    assert search.returncode == 130
    assert re.search(r"^stopped: \d+ schedules in \d+ s", out.splitlines()[-1])
