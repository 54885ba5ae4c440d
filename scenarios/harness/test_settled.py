"""Waiting for a cause ends when it is so, and says what was seen when it never is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from chaos.kit.virtual_time import run
from scenarios.harness.settled import eventually
from system.kit.errors import Unavailable


def looks(*answers: int | Unavailable) -> Callable[[], Awaitable[int]]:
    """The answers one by one, the last of them for ever."""
    left = list(answers)

    async def look() -> int:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    return look


def test_it_looks_until_it_is_so() -> None:
    assert run(eventually(looks(0, 0, 7))) == 7


def test_a_store_that_cannot_be_asked_is_asked_again() -> None:
    assert run(eventually(looks(Unavailable("no leader yet"), 7))) == 7


def test_one_that_can_never_be_asked_is_named() -> None:
    with pytest.raises(AssertionError, match="no leader yet"):
        run(eventually(looks(Unavailable("no leader yet")), deadline_s=5))


def test_what_is_never_so_is_told_with_what_was_seen() -> None:
    with pytest.raises(AssertionError, match=r"not so within 5 s; last seen: 0"):
        run(eventually(looks(0), deadline_s=5))
