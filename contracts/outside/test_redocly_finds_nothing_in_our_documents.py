"""Redocly's linter, by its recommended rules, has no complaint about our OpenAPI documents."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contracts.http.documents import FOLDER, committed

REDOCLY = Path(__file__).parent / "node_modules" / ".bin" / "redocly"

pytestmark = pytest.mark.outside


def linted(*files: Path) -> dict[str, Any]:
    """What it finds in these files, told as JSON."""
    done = subprocess.run(
        [REDOCLY, "lint", "--extends=recommended", "--format=json", *files],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
    )
    assert done.stdout, done.stderr
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))
    return found


def test_it_finds_nothing() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert len(files) == 8
    found = linted(*files)
    assert found["problems"] == []


def test_it_finds_what_is_wrong(tmp_path: Path) -> None:
    document = committed("order-api")
    del document["paths"]["/orders"]["post"]["responses"]["201"]["description"]
    file = tmp_path / "order-api.json"
    file.write_text(json.dumps(document), encoding="utf-8")

    found = linted(file)

    assert found["totals"]["errors"] == 1
    assert found["problems"][0]["message"].startswith("The field `description` must be present")
