"""An event and those before it, of each pact with the views: in whatever order they arrive, and how often.

Different types are different topics, so a new event has to stand this, too; its story is all it takes.
"""

from __future__ import annotations

import pytest

from contracts.messages import pact_files
from contracts.messages.pact_files import Part
from contracts.messages.stories import Shown
from scenarios.projections.arrivals import end_up_the_same
from system.kit import stacks
from system.settings import Settings
from system.table import SHOP, TABLE

SHOWN = [(part, part.effect) for part in pact_files.parts() if isinstance(part.effect, Shown)]


@pytest.mark.parametrize(("part", "effect"), SHOWN, ids=str)
async def test_the_views_end_up_the_same(part: Part, effect: Shown) -> None:
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        await end_up_the_same([*effect.before, part.story.message], parts.views)


def test_every_event_that_is_shown_is_among_them() -> None:
    shown = {row.event.type for row in TABLE if row.shows}
    assert {part.story.message.type for part, _ in SHOWN} == shown, (
        "add its story to contracts/messages/stories.py"
    )
