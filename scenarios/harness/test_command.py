"""What the kit's commands do alike."""

from __future__ import annotations

import argparse
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from chaos.kit import command
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
    [
        ("-3", "-3 is out of range; it must be 0 or more"),
        ("x", "'x' is not a whole number"),
        ("1.5", "'1.5' is not a whole number"),
        ("", "'' is not a whole number"),
    ],
)
def test_a_number_that_is_none_or_out_of_range_is_called_so(text: str, why: str) -> None:
    assert command.whole_number("17") == 17
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(why)):
        command.whole_number(text)


@pytest.mark.parametrize("text", ["0", "101", "-1"])
def test_a_number_out_of_bounds_is_told_with_them(text: str) -> None:
    assert command.whole_number("100", least=1, most=100) == 100
    why = f"{text} is out of range; it must be from 1 to 100"
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(why)):
        command.whole_number(text, least=1, most=100)


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(tmp_path: Path) -> None:
    assert command.output_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    (tmp_path / "file").touch()
    with pytest.raises(argparse.ArgumentTypeError, match="file is no folder"):
        command.output_folder(str(tmp_path / "file" / "b"))


COMMANDS = [
    "chaos",
    "chaos.accounts",
    "chaos.guarantees",
    "chaos.real",
    "contracts",
    "load",
    "scenarios.harness.servers",
    "system",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_any_package_says_what_to_install(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-S", "-m", name],  # -S: nothing of site-packages
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert re.fullmatch(
        rf"python -m {re.escape(name)}: \w+ is not installed: pip install .*\n", ended.stderr
    )


MISTYPED = {
    "chaos simulat": "there is no 'simulat'; did you mean simulate?",
    "chaos simulate --schedule-s 3": "there is no option '--schedule-s'; did you mean --schedules?",
    "chaos simulate --workload ordrs": "there is no 'ordrs'; did you mean orders?",
    "chaos simulate --minutes -1": "-1 is out of range; it must be more than 0",
    "chaos simulate --minutes nan": "nan is out of range; it must be more than 0",
    "chaos simulate --minutes 1e9": "1e9 is out of range; it must be more than 0, and 10080 at most",
    "chaos replay ordrs/1": "there is no workload 'ordrs'; did you mean orders?",
    "chaos mutants dual_writ": "there is no mutant 'dual_writ'; did you mean dual_write",
    "chaos endurance --databse mysql": "there is no option '--databse'; did you mean --database?",
    "chaos.real endurance --orders 0": "0 is out of range; it must be from 1 to 1000000",
    "contracts": "the following arguments are required: write | check | mutants",
    "contracts wirte": "there is no 'wirte'; did you mean write?",
    "contracts write schema": "there is no 'schema'; did you mean schemas",
    "contracts mutants key-mised": "there is no mutant 'key-mised'; docs/breakage.md lists all",
    "load mutant oversel": "there is no 'oversel'; did you mean oversell?",
    "load bench backlog": "there is no group 'backlog'; did you mean backlogs?",
    "load bench --rounds 101": "101 is out of range; it must be from 1 to 100",
    "load bench --report /nonexistent/x.md": "there is no folder /nonexistent; make it first",
    "scenarios.harness.servers --databse x": "there is no option '--databse'; did you mean --datab",
    "scenarios.harness.servers fetsch": "there is no 'fetsch'; did you mean fetch?",
    "system order-apo": "there is no role 'order-apo'; did you mean order-api?",
    "system rebuil": "there is no role 'rebuil'; did you mean rebuild?",
    "system dead-letters lst": "there is no 'lst'; did you mean list?",
    "system dead-letters list --topic oder.created": "there is no 'oder.created'; did you mean or",
    "system --stack serves": "there is no 'serves'; did you mean servers?",
}


@pytest.fixture
def typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], tuple[int, str]]]:
    """Runs `python -m …` within this process: its status, and the last line that it wrote.

    To start Python takes longer than all else of a command that is refused.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(line: str) -> tuple[int, str]:
        name, *arguments = line.split()
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.delitem(sys.modules, f"{name}.__main__", raising=False)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        return int(ended.value.code or 0), capsys.readouterr().err.splitlines()[-1]

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("line", MISTYPED)
def test_what_is_mistyped_is_told_with_what_is_near(
    line: str, typed: Callable[[str], tuple[int, str]]
) -> None:
    status, told = typed(line)
    assert status == 2
    assert MISTYPED[line] in told


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


STOPPED = {
    "simulate --no-singles --workload stock": (
        "random schedules: 0",
        r"stopped: \d+ schedules in \d+ s",
    ),
    "mutants --jobs 1": ("mutants: 0", r"stopped: \d+ of \d+ mutants in \d+ s"),
}


IN_THE_BACKGROUND = ("env", "--ignore-signal=INT")
"""So does a script's `&` start a command: Ctrl-C is ignored, and SIGTERM alone can stop it."""


@pytest.mark.parametrize(
    ("number", "begins"),
    [(signal.SIGTERM, ()), (signal.SIGINT, ()), (signal.SIGTERM, IN_THE_BACKGROUND)],
    ids=["SIGTERM", "SIGINT", "SIGTERM in the background"],
)
@pytest.mark.parametrize("line", STOPPED)
def test_a_search_that_is_stopped_says_what_was_done(
    line: str, number: signal.Signals, begins: Sequence[str]
) -> None:
    begun, told = STOPPED[line]
    search = subprocess.Popen(
        [*begins, sys.executable, "-m", "chaos", *line.split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert search.stderr is not None
    while not search.stderr.readline().startswith(begun):
        assert search.poll() is None
    search.send_signal(number)
    try:
        out, _ = search.communicate(timeout=60)
    finally:
        search.kill()
    assert search.returncode == 130
    assert re.search(f"^{told}", out.splitlines()[-1])
