"""The kit knows no shop, and the judge is not of Locust's world."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

KIT = Path(__file__).parent
SHOP = re.compile(r"\b(product|stock|customer|shopper|basket|payment|shop\.)", re.IGNORECASE)


def test_the_kit_has_no_word_of_the_shop() -> None:
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(KIT.iterdir())
        if path.suffix in (".py", ".html") and path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if SHOP.search(line)
    ]

    assert found == []


def test_the_judge_loads_neither_gevent_nor_locust() -> None:
    told = "import load.command, load.shop.judge, sys; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"gevent", "locust", "pytest"}.isdisjoint(modules)


def test_this_process_has_not_loaded_locust() -> None:
    assert {"gevent", "locust"}.isdisjoint(sys.modules)
