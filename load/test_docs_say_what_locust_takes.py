"""Every option, profile and promise that a page names is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from load.conftest import LOCUST, started
from load.shop.judge import PROMISES
from load.shop.mutants import MUTANTS
from load.shop.where import PORTS
from scenarios.repository.markdown import pages

COMMANDS = [
    words
    for page in pages()
    for words in page.commands
    if words[0].endswith("locust") and "--help" not in words
]
PAGE = next(page for page in pages() if str(page) == "docs/load.md")


PARSER = """
from locust.argument_parser import get_empty_argument_parser, get_parser, setup_parser_arguments

standard = get_empty_argument_parser()
setup_parser_arguments(standard)
print(*standard._option_string_actions)
import load.orders
print(*get_parser()._option_string_actions)
"""


def test_options_and_profiles_of_each_command_are_known(tmp_path: Path) -> None:
    parsed = started([sys.executable, "-c", PARSER], tmp_path)
    listed = started([*LOCUST, "--list"], tmp_path)
    standard, options = (set(line.split()) for line in parsed.ended().out.splitlines())
    profiles = set(listed.ended().out.split("Available Users:")[1].split())

    assert len(COMMANDS) > 5
    for words in COMMANDS:
        assert {word for word in words if word.startswith("-")} <= options
        assert {word for word in words if re.fullmatch(r"[A-Z][A-Za-z]+", word)} <= profiles
    for profile in profiles:
        assert f"| `{profile}` |" in PAGE.text
    for option in options - standard - {f"--{role}" for role in PORTS}:
        assert f"| `{option}` |" in PAGE.text


def test_every_promise_and_bug_is_explained() -> None:
    named = re.findall(r"^\| `([a-z_]+)` \|", PAGE.text, re.MULTILINE)

    assert named == [promise.name for promise in PROMISES]
    assert all(f"`{bug}`" in PAGE.spans or f"`{bug}`" in PAGE.text for bug in MUTANTS)
