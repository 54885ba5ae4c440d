"""A trace goes on through whoever hands its context on."""

from __future__ import annotations

import re
from random import Random
from uuid import UUID

import pytest

from system.kit.tracing import PATTERN, carried, child, root, trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
CALLER = f"00-{TRACE}-{SPAN}-01"


def test_a_root_begins_a_trace_of_its_own() -> None:
    random = Random(1)
    first, second = root(random), root(random)

    assert trace_id(first) != trace_id(second)
    assert len(first) == 55
    assert first.endswith("-01")


def test_a_child_stays_in_the_trace_with_a_span_of_its_own() -> None:
    version, trace, span, flags = child(CALLER, Random(1)).split("-")

    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != SPAN


def test_the_same_seed_gives_the_same_ids() -> None:
    assert child(None, Random(7)) == root(Random(7))


@pytest.mark.parametrize(
    ("flags", "handed_on"), [("00", "00"), ("01", "01"), ("ff", "01"), ("fe", "00")]
)
def test_only_the_flag_that_is_understood_goes_on(flags: str, handed_on: str) -> None:
    assert child(f"00-{TRACE}-{SPAN}-{flags}", Random(1))[-2:] == handed_on


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert trace_id(f"01-{TRACE}-{SPAN}-01-what-comes-then") == TRACE


STORY, EVENT = UUID(TRACE), UUID(int=7 << 64)


def test_an_event_carries_its_trace_on_in_the_form_that_is_known() -> None:
    assert carried(CALLER, STORY, EVENT) == CALLER
    assert carried(f"01-{TRACE}-{SPAN}-ff-more", STORY, EVENT) == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("nothing_valid", [None, "", "00", f"00-{'0' * 32}-{SPAN}-01", "\xff" * 9])
@pytest.mark.parametrize("zero", [STORY, UUID(int=0)])
def test_an_event_without_a_valid_trace_has_that_of_its_story(
    nothing_valid: str | None, zero: UUID
) -> None:
    begun = carried(nothing_valid, zero, EVENT)

    assert re.fullmatch(PATTERN, begun)
    assert carried(nothing_valid, zero, EVENT) == begun
    if zero is STORY:
        assert trace_id(begun) == TRACE


@pytest.mark.parametrize(
    "invalid",
    [
        None,
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
    ],
)
def test_an_invalid_context_begins_a_new_trace(invalid: str | None) -> None:
    begun = child(invalid, Random(1))

    assert trace_id(invalid) is None
    assert trace_id(begun) not in (None, TRACE)


def test_an_id_is_never_all_zeros() -> None:
    assert root(_Zero()) == f"00-{'1':0>32}-{'1':0>16}-01"


class _Zero(Random):
    def getrandbits(self, k: int, /) -> int:
        return 0
