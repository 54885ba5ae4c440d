"""The application runs on one loop and no thread: a simulated run can be repeated."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scenarios.repository.markdown import ROOT

APPLICATION = [
    path
    for path in sorted((ROOT / "system").rglob("*.py"))
    if not path.is_relative_to(ROOT / "system" / "adapters")
]


def executors(source: str) -> list[int]:
    """The lines that name `run_in_executor`, which ruff's list of banned functions cannot see."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr == "run_in_executor"
    ]


@pytest.mark.parametrize("path", APPLICATION, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_but_an_adapter_uses_an_executor(path: Path) -> None:
    assert executors(path.read_text(encoding="utf-8")) == []


def test_an_executor_would_be_found() -> None:
    assert executors("x = 1\nawait_ = loop.run_in_executor(None, work)\n") == [2]
