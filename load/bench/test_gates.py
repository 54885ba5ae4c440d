"""A count above its gate fails, as does a gate that nothing was counted for; groups are all known."""

from __future__ import annotations

import pytest

from load.bench import command, counts, groups


@pytest.fixture(autouse=True)
def gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "GATES", {"relay": {"SQL commits": 3, "Kafka batches": 2}})


def test_as_many_as_are_allowed_pass() -> None:
    assert counts.over({"relay": {"SQL commits": 3, "Kafka batches": 1}}) == []


def test_one_more_is_named() -> None:
    assert counts.over({"relay": {"SQL commits": 4}}) == [
        "relay: 4 SQL commits, and at most 3 are allowed"
    ]


def test_a_gate_that_nothing_was_counted_for_is_named() -> None:
    assert counts.over({}) == ["relay: nothing was counted"]


def test_the_command_knows_every_group_without_loading_their_drivers() -> None:
    assert (*groups.GROUPS, command.COUNTS) == command.GROUPS
