"""Knows, for each program that README and docs tell people to run, whether it would run."""

from __future__ import annotations

import argparse
import configparser
import os
import runpy
import sys
import tomllib
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import click
from schemathesis import cli

from scenarios.repository.markdown import ROOT

PORTS = {8081, 8082, 8083, 8084, 8091, 8092, 8093, 8094}


class WouldFail(Exception):
    """The command cannot do what the page says."""


def check(words: list[str]) -> None:
    """Raises WouldFail, also for a program that nobody here knows."""
    program = words[0].removeprefix(".venv/bin/")
    if program.startswith((".", "/")):
        _exists(program)
        if not os.access(ROOT / program, os.X_OK):
            raise WouldFail(f"{program} is not executable")
    elif program in _PROGRAMS:
        _PROGRAMS[program](words[1:])
    else:
        raise WouldFail(f"no check knows {program!r}; teach it to {Path(__file__).name}")


def _exists(path: str) -> None:
    if not (ROOT / path).exists():
        raise WouldFail(f"there is no {path}")


def _values(options: tuple[str, ...], words: list[str]) -> list[str]:
    """What follows one of these options, as `-c FILE` or `--constraint=FILE`."""
    apart = [value for option, value in pairwise(words) if option in options]
    joined = [word.partition("=")[2] for word in words if word.partition("=")[0] in options]
    return [value for value in apart + joined if value]


def _nothing(words: list[str]) -> None:
    """It is no part of the kit, or does the same everywhere."""


def _pip(words: list[str]) -> None:
    for path in _values(("-c", "--constraint", "-r", "--requirement"), words):
        _exists(path)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for target in _values(("-e", "--editable"), words):
        path, _, extras = target.rstrip("]").partition("[")
        _exists(path)
        for extra in filter(None, extras.split(",")):
            if extra not in project["optional-dependencies"]:
                raise WouldFail(f"there is no extra {extra!r}")


def tox_environments() -> set[str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "tox.ini", encoding="utf-8")
    sections = {name.partition(":")[2] for name in config.sections() if name.startswith("testenv:")}
    return sections | {"py"}


def _tox(words: list[str]) -> None:
    if "-p" in words:
        raise WouldFail("tox is meant to run one environment after the other")
    named = ",".join(_values(("-e",), words))
    if unknown := set(filter(None, named.split(","))) - tox_environments():
        raise WouldFail(f"tox.ini has no environment {', '.join(sorted(unknown))}")


def _pytest(words: list[str]) -> None:
    for word in words:
        if "/" in word or word.endswith(".py"):
            _exists(word.partition("::")[0])


def _python(words: list[str]) -> None:
    match words:
        case ["-m", "pip", *rest]:
            _pip(rest)
        case ["-m", "pytest", *rest]:
            _pytest(rest)
        case ["-m", "venv", *_] | ["--version"]:
            return
        case ["-m", module, *rest]:
            _module(module, rest)
        case [path, *_]:
            _exists(path)
        case _:
            return


class _Parsed(BaseException):
    """The real parser took the arguments: stop here, before anything is done."""


def _module(module: str, words: list[str]) -> None:
    """Let the module's own parser judge, by starting it and stopping it once it has parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: argparse.ArgumentParser, *_: object) -> None:
        parse(self, words)
        raise _Parsed

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop),
        mock.patch.object(sys, "argv", [module, *words]),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, where it is imported already
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except _Parsed:
            return
        except SystemExit as exit_:
            if exit_.code in (0, None) and "--help" in words:
                return
            raise WouldFail(f"python -m {module} refuses {words}") from exit_
        except ImportError as error:
            raise WouldFail(f"there is no python -m {module}: {error}") from error
    raise WouldFail(f"python -m {module} ended without parsing its arguments")


def _locust(words: list[str]) -> None:
    for path in _values(("-f", "--locustfile"), words):
        _exists(path)


def _curl(words: list[str]) -> None:
    for word in words:
        url = urlsplit(word)
        if url.hostname in ("localhost", "127.0.0.1") and url.port not in PORTS:
            raise WouldFail(f"nothing listens on {url.netloc}")


def _schemathesis(words: list[str]) -> None:
    (address,) = (word for word in words if urlsplit(word).scheme)
    _curl([address])
    _parses(cli.schemathesis, words)


def _parses(command: click.Command, words: list[str]) -> None:
    """Let click read the words, down to the subcommand that they name."""
    try:
        with command.make_context(command.name, list(words)) as context:
            if isinstance(command, click.Group):
                name, inner, rest = command.resolve_command(context, words)
                if inner is None:
                    raise WouldFail(f"{command.name} has no {name}")
                _parses(inner, rest)
    except click.UsageError as error:
        raise WouldFail(error.format_message()) from error


def _copy(words: list[str]) -> None:
    for path in words[:-1]:
        if not path.startswith("-"):
            _exists(path)


def _pact(words: list[str]) -> None:
    for word in words:
        if "/" in word:
            _exists(word)


def _docker(words: list[str]) -> None:
    for path in _values(("-f", "--file"), words) or ["docker-compose.yml"]:
        _exists(path)


_PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "cd": _nothing,
    "git": _nothing,
    "jq": _nothing,
    "kill": _nothing,
    "cp": _copy,
    "curl": _curl,
    "docker": _docker,
    "locust": _locust,
    "schemathesis": _schemathesis,
    "pact": _pact,
    "pip": _pip,
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "tox": _tox,
}
