"""Every option, profile and promise that a page names is there."""

from __future__ import annotations

import re
from pathlib import Path

from load.conftest import LOCUST, started
from load.shop.judge import PROMISES
from load.shop.mutants import MUTANTS
from scenarios.repository.markdown import pages

COMMANDS = [
    words
    for page in pages()
    for words in page.commands
    if words[0].endswith("locust") and "--help" not in words
]
PAGE = next(page for page in pages() if str(page) == "docs/load.md")


def test_options_and_profiles_of_each_command_are_known(tmp_path: Path) -> None:
    helped = started([*LOCUST, "--help"], tmp_path)
    listed = started([*LOCUST, "--list"], tmp_path)
    options = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", helped.ended().out))
    profiles = set(listed.ended().out.split("Available Users:")[1].split())

    assert len(COMMANDS) > 5
    for words in COMMANDS:
        assert {word for word in words if word.startswith("-")} <= options
        assert {word for word in words if re.fullmatch(r"[A-Z][A-Za-z]+", word)} <= profiles
    for profile in profiles:
        assert f"| `{profile}` |" in PAGE.text


def test_every_promise_and_bug_is_explained() -> None:
    named = re.findall(r"^\| `([a-z_]+)` \|", PAGE.text, re.MULTILINE)

    assert named == [promise.name for promise in PROMISES]
    assert all(f"`{bug}`" in PAGE.spans or f"`{bug}`" in PAGE.text for bug in MUTANTS)
