"""The same versions install everywhere, by plain pip."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scenarios.repository.markdown import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
LOCKED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in LINES}


def required() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    return [one for one in map(Requirement, texts) if one.name != PROJECT["name"]]


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_a_dependency_is_locked_to_a_version_that_it_allows(requirement: Requirement) -> None:
    (pin,) = LOCKED[canonicalize_name(requirement.name)].specifier

    assert pin.version in requirement.specifier


@pytest.mark.parametrize("line", LINES)
def test_a_lock_is_one_exact_version_from_wherever_pip_looks(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+]*( ; .+)?", line)


def test_the_extra_all_names_all_the_others() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]

    assert Requirement(everything).extras == PROJECT["optional-dependencies"].keys() - {"all"}
