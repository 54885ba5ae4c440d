"""The evidence of a run is kept whole, and judged again from its folder alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from chaos.command import main
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.kit.servers.timeline import Timeline
from chaos.real.kept import NoEvidence, keep, kept, runs_in
from system.kit.events import dlq
from system.kit.ports.log import Message, Partition, Record, Unreadable
from system.kit.ports.views import Document
from system.table import SHOP

TOPIC = "order.created"
RECORDS: Mapping[str, list[Record]] = {
    TOPIC: [
        Record(
            Message(TOPIC, b"7", b"\xffnot text", (("correlation-id", b"\x00"), ("a\udcff", b"b"))),
            Partition(TOPIC, 2),
            5,
            1_790_000_000_000,
        )
    ],
    dlq(TOPIC): [
        Record(
            Message(dlq(TOPIC), b"", b"", ()),
            Partition(dlq(TOPIC), 0),
            0,
            1,
            Unreadable("a bomb", 10_000, "5e"),
        )
    ],
}
OP = Op(
    client="basket-1",
    method="POST",
    path="/orders",
    outcome=Outcome.INFO,
    body={"user_id": 1, "items": [{"unit_price": Decimal("0.02")}]},
    reason="ServerDisconnectedError: Server disconnected",
    role="order-api",
)
EVIDENCE = Evidence(
    SHOP,
    history=[OP],
    tables={
        "orders": [{"id": 7, "total_amount": 2, "created_at": datetime.fromisoformat("2026-01-01")}]
    },
    log=RECORDS,
    views={"orders": {7: Document(7, {"self": {"price": Decimal("0.02")}}, {"self": 3})}},
    shown={"orders": [{"id": 7, "cents": 2}]},
    missing=("something",),
    failures=("order-api ended by itself",),
    disturbances=2,
    forced=frozenset({"order.created:0:1:product-consumer"}),
)


async def test_it_comes_back_as_it_was_with_all_seconds_from_the_runs_beginning(
    tmp_path: Path,
) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl", lambda _: None)
    now = asyncio.get_running_loop().time()
    op = replace(OP, began_s=now, ended_s=now + 1)
    keep(replace(EVIDENCE, history=[op]), tmp_path, timeline, scenario="one")
    placed = replace(op, began_s=timeline.of_loop(op.began_s), ended_s=timeline.of_loop(op.ended_s))
    assert kept(tmp_path) == replace(EVIDENCE, history=[placed])


async def test_a_folder_of_several_runs_names_each(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl", lambda _: None)
    for name in ("02-b", "01-a"):
        keep(EVIDENCE, tmp_path / name, timeline)
    assert runs_in(tmp_path) == [tmp_path / "01-a", tmp_path / "02-b"]


def test_a_folder_without_evidence_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoEvidence, match=r"there is no run\.json"):
        runs_in(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(NoEvidence, match="is missing"):
        kept(tmp_path)


async def test_judge_finds_again_what_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Evidence(SHOP, history=[], tables={}, log={}, failures=("order-api ended by itself",))
    keep(whole, tmp_path, Timeline(tmp_path / "timeline.jsonl", lambda _: None))
    assert main(["judge", str(tmp_path)]) == 1
    assert "order-api ended by itself" in capsys.readouterr().out


def test_judge_says_what_is_no_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["judge", str(tmp_path)]) == 2
    assert "there is no run.json" in capsys.readouterr().err
