"""AsyncAPI's own parser, which its tools are made of, reads the document without a complaint."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from contracts.topics import asyncapi

PARSER = Path(__file__).parent / "asyncapi.mjs"

pytestmark = pytest.mark.outside


def parsed(document: object, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "asyncapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return subprocess.run(
        ["node", PARSER, file], capture_output=True, text=True, timeout=120, check=False
    )


def test_it_finds_every_channel_and_message_and_nothing_wrong(tmp_path: Path) -> None:
    document = asyncapi.committed()

    done = parsed(document, tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "channels": len(document["channels"]),
        "messages": len(document["components"]["messages"]),
    }


def test_it_finds_what_is_wrong(tmp_path: Path) -> None:
    document = asyncapi.committed()
    (operation, *_) = document["operations"].values()
    (message, *_) = document["components"]["messages"]
    operation["messages"] = [{"$ref": f"#/components/messages/{message}"}]  # not by its channel

    done = parsed(document, tmp_path)

    assert done.returncode == 1
    assert "asyncapi3-operation-messages-from-referred-channel" in done.stderr
