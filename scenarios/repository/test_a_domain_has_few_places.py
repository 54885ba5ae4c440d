"""To add a domain is to write its folder, its events and its rows: `docs/your-own-system.md`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from system.roles import ROLES

SYSTEM = Path(__file__).parents[2] / "system"
DOMAINS = [f"{spec.relays}s" for spec in ROLES if spec.relays]
PLACES = {"__main__.py", "events.py", "roles.py", "table.py"}
"""Beside its own folder. `__main__.py` has a call to try."""


def outside(domain: str) -> list[Path]:
    return [path for path in SYSTEM.rglob("*.py") if domain not in path.parts]


def test_the_shop_is_as_small_as_the_readme_says() -> None:
    files = [path for path in SYSTEM.rglob("*.py") if "kit" not in path.relative_to(SYSTEM).parts]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    readme = (SYSTEM.parent / "README.md").read_text("utf-8")
    said = int(re.findall(r"about\s([0-9],[0-9]{3}) lines", readme)[0].replace(",", ""))
    assert abs(lines - said) < 200


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_table_alone_loads_it(domain: str) -> None:
    load = re.compile(
        rf"^\s*(from|import) system\.{domain}\b|^from system import .*\b{domain}\b", re.MULTILINE
    )
    loading = {path.name for path in outside(domain) if load.search(path.read_text("utf-8"))}
    assert loading == {"table.py"}


@pytest.mark.parametrize("domain", DOMAINS)
def test_few_files_name_its_roles_and_events(domain: str) -> None:
    name = domain.removesuffix("s")
    names = re.compile(
        rf"\b{name}-(api|consumer)\b|\"{name}\.[a-z]+\"|\b{name.title()}[A-Z][a-z]+ed\b"
    )
    folders = {SYSTEM / other for other in DOMAINS}
    naming = {
        path.name
        for path in outside(domain)
        if folders.isdisjoint(path.parents) and names.search(path.read_text("utf-8"))
    }
    assert naming <= PLACES
    assert {"events.py", "roles.py", "table.py"} <= naming
