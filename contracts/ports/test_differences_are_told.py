"""What an adapter cannot do as the others is declared once, and told in the docs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from contracts.ports.bindings import LOGS, VIEWS, WORKS, LogBinding, ViewsBinding, WorkBinding

PAGE = Path(__file__).parents[2] / "docs" / "stacks.md"
ROW = re.compile(r"^\| (\w+) \| `(\w+)` \| `(\w+=\w+)` \| .+ \|$", re.MULTILINE)
OF_THE_TEST_RUN = {"name", "open", "stacks", "deadline_s"}


def declared(port: str, binding: LogBinding | ViewsBinding | WorkBinding) -> set[tuple[str, ...]]:
    return {
        (port, binding.name, f"{field.name}={value}")
        for field in dataclasses.fields(binding)
        if field.name not in OF_THE_TEST_RUN
        and (value := getattr(binding, field.name)) != field.default
    }


def test_the_docs_tell_every_declared_difference_and_no_other() -> None:
    differences = [
        *(declared("log", binding) for binding in LOGS),
        *(declared("views", binding) for binding in VIEWS),
        *(declared("work", binding) for binding in WORKS),
    ]

    assert set(ROW.findall(PAGE.read_text(encoding="utf-8"))) == set().union(*differences)
