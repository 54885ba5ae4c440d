"""Evidence: what is written can be read, also after kill -9, and nothing else is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.kit.history import Outcome
from load.kit.evidence import Asked, NotEvidence, Record, Seen, Spool, Step, read

RECORDS: list[Record] = [
    Asked(7, Outcome.OK, 1, {"colour": "red"}),
    Asked(8, Outcome.INFO),
    Step(1, "open", Outcome.FAIL),
    Seen(1, "make", {"open": False}, 12.5),
    Seen(1, "open", None),
]


def written(path: Path) -> Path:
    with Spool(path, {"id": "x"}) as spool:
        spool.add(record.line() for record in RECORDS)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path / "run.jsonl"))

    assert found.run == {"id": "x"}
    assert [*found.asked, *found.steps, *found.seen] == RECORDS
    assert found.gap == ""


def test_a_run_that_was_killed_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    path = written(tmp_path / "run.jsonl")
    whole = path.read_bytes()
    cut = whole.index(b'{"seen"') + 5

    path.write_bytes(whole[:cut])

    found = read(path)
    assert [*found.asked, *found.steps, *found.seen] == RECORDS[:3]
    assert "broke off" in found.gap


def test_what_was_added_is_in_the_file_before_the_run_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Spool(path, {"id": "x"}) as spool:
        spool.add(record.line() for record in RECORDS)

        assert len(read(path).asked) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no first line"),
        ("hello\n", "no evidence of a run"),
        ('{"run": {}}\n{"what": 1}\n', "no such record"),
        ('{"run": {}}\n{"asked": 1, "as": "perhaps"}\n', "no evidence of a run"),
        ("[1]\n", "no such record"),
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)

    with pytest.raises(NotEvidence, match=said) as refused:
        read(path)

    assert len(str(refused.value).splitlines()) == 1
