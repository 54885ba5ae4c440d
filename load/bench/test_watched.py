"""How fast a backlog was worked off: from its first batch on, however few there were."""

from __future__ import annotations

import pytest

from load.bench.watched import Progress


async def test_a_backlog_done_in_one_batch_took_the_time_since_that_batch_was_there() -> None:
    progress = Progress(300)
    progress.note(0)
    assert progress.began_at is not None
    progress.began_at -= 2

    progress.note(300)

    assert progress.reached.is_set()
    assert progress.rate == pytest.approx(150, rel=0.1)


async def test_the_first_note_of_work_starts_the_clock_where_none_came_before() -> None:
    progress = Progress(300)
    progress.note(100)
    assert progress.began_at is not None
    progress.began_at -= 2

    progress.note(200)

    assert progress.rate == pytest.approx(150, rel=0.1)
