"""The text of a pact file: the same on every machine, with its interactions in order."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pact import Pact

Json = dict[str, Any]  # a pact file, whose shape is Pact's own


def name_of(consumer: str, provider: str) -> str:
    return f"{consumer}-{provider}.json"


def text_of(pact: Pact) -> str:
    """What pact would write, but for the versions of its own libraries."""
    with TemporaryDirectory() as folder:
        pact.write_file(folder)
        (written,) = Path(folder).iterdir()
        content = read(written)
    content["interactions"].sort(key=lambda interaction: str(interaction["description"]))
    content["metadata"] = {"pactSpecification": content["metadata"]["pactSpecification"]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content
