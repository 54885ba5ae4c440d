"""Writes the AsyncAPI document of the topics, and the page that says the same to people.

What the document says is also what every message is judged by: `judge()`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from contracts.event_schemas import ARCHIVE, EVENT_TYPES
from contracts.kit import asyncapi, asyncapi_page
from contracts.kit.asyncapi import Json
from contracts.kit.judge import Compile, Judge
from contracts.topics import channels
from system.kit.values import dumps

ROOT = Path(__file__).parents[2]
PATH = "contracts/topics/asyncapi.json"
PAGE = "docs/asyncapi.md"
HEAD = f"""\
# Topics and messages

What lies in the topics, for those who write or read a message in another language. The same, for
tools: [asyncapi.json](../{PATH}), an [AsyncAPI](https://www.asyncapi.com) {asyncapi.VERSION} document that
[AsyncAPI Studio](https://studio.asyncapi.com) and generators of clients read. Both are generated from the
table and the models by `python -m contracts write`; a test fails when they are not current.

- A message's partition follows from its key. Events of one topic and key keep their order; between topics
  there is none.
- Each event is delivered at least once, and a reader must be right under any order and any repetition.
- A reader passes over fields that it does not know: a later producer may add some. What the system itself
  sends has none but these: each message of every scenario is judged by this page's schemas.
- Topics are made with these settings at start; the number of replicas is KAFKA_REPLICATION.
"""


def files() -> Mapping[str, str]:
    """Document and page, under their paths."""
    made = document()
    return {
        PATH: json.dumps(made, ensure_ascii=False, indent=2) + "\n",
        PAGE: "\n".join([HEAD, *asyncapi_page.page(made)]),
    }


def document() -> Json:
    """What the file should say."""
    made = asyncapi.document(
        channels.INFO, channels.servers(), channels.channels(), channels.operations()
    )
    plain: Json = json.loads(dumps(made))
    return plain


def committed() -> Json:
    """What the file says."""
    found: Json = json.loads((ROOT / PATH).read_text(encoding="utf-8"))
    return found


def judge(compile: Compile) -> Judge:
    """Judges by the committed files: keys and headers by this one, payloads by each event's own."""
    payloads = {
        channels.name_of(event.name, version): ARCHIVE.closed(event.name, version)
        for event in EVENT_TYPES
        for version in ARCHIVE.versions(event.name)
    }
    return Judge.of(committed(), payloads, compile)
