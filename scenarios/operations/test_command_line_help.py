"""`--help` teaches: every option with its meaning, every role with its port, examples that work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.operations.conftest import Command
from scenarios.operations.program import PORTS, environment
from system.__main__ import PROGRAM
from system.kit import command as command_line
from system.kit.operations import COMMANDS, cli

ALL = [
    [],
    ["dead-letters"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["dead-letters", "replay"],
    ["dead-letters", "purge"],
    ["rebuild"],
]


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "system")
def test_each_command_explains_itself(command: Command, path: list[str]) -> None:
    ended = command(*path, "--help")

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: {' '.join(['python -m system', *path])} ")
    assert "Exit status: 0 " in ended.out
    assert "--help" in ended.out
    assert max(len(line) for line in ended.out.splitlines()) <= 100
    unexplained = re.findall(
        r"^  (?:--?|\w)[^ |]*(?: [A-Z]+)?$(?!\n {10,}\S)", ended.out, re.MULTILINE
    )
    assert unexplained == []


def test_it_names_every_role_with_its_port(command: Command) -> None:
    told = command("--help").out

    for role, port in PORTS.items():
        assert re.search(rf"^  {role} +{port}$", told, re.MULTILINE)


def test_examples_can_be_typed_as_they_stand(command: Command) -> None:
    lines = [line for path in ALL for line in command(*path, "--help").out.splitlines()]
    examples = [
        line for line in lines if re.match(r"  .*python -m system ", line) and "|" not in line
    ]
    assert len(examples) >= 9

    for line in examples:
        _, _, rest = line.partition("python -m system")
        arguments = shlex.split(rest.partition("   ")[0])
        if arguments and arguments[0] in COMMANDS:
            cli.parser(PROGRAM).parse_args(arguments)
        else:
            command_line.chosen(PROGRAM, command_line.parser(PROGRAM).parse_args(arguments).roles)


def test_a_reader_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        process = subprocess.run(
            [sys.executable, "-m", "system", "--help"],
            cwd=tmp_path,
            env=environment(),
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (process.returncode, process.stderr) == (0, b"")


def test_it_loads_nothing_that_only_a_running_system_needs(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "system", "--help"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "argparse" in loaded
    drivers = {"sqlalchemy", "aiokafka", "motor"}
    ours = {"system.kit.stacks", "system.table", "system.kit.operations.cli"}
    assert not loaded & {"aiohttp", *ours, *drivers}
