"""Rest: idle and unmoved for long enough, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterator

from load.kit.gauges import Gauge, Values, read
from load.kit.rest import CannotLook, come_to_rest

IDLE: Values = {("waiting", ""): 0.0}
BUSY: Values = {("waiting", ""): 3.0}


def under_way(values: Values) -> str:
    waiting = values["waiting", ""]
    return f"{waiting:.0f} waiting" if waiting else ""


def test_it_waits_until_nothing_is_under_way() -> None:
    looks: Iterator[Values] = iter([BUSY, BUSY, IDLE, IDLE, IDLE])

    rest = come_to_rest(lambda: next(looks), under_way, settled_s=0.0, within_s=30.0)

    assert rest.unrest == ""
    assert list(looks) == [IDLE]  # one look that is idle, and one that says that nothing moved


def test_past_its_bound_it_says_what_was_under_way() -> None:
    rest = come_to_rest(lambda: BUSY, under_way, settled_s=0.0, within_s=0.0)

    assert rest.unrest == "no rest within 0 s: 3 waiting"


def test_what_cannot_be_seen_is_not_at_rest() -> None:
    def look() -> Values:
        raise CannotLook("painter: no answer")

    rest = come_to_rest(look, under_way, settled_s=0.0, within_s=0.0)

    assert rest.unrest == "no rest within 0 s: painter: no answer"


def test_gauges_of_several_processes_are_put_together() -> None:
    gauges = (Gauge("lag", by="group"), Gauge("backlog", by="of", shared=True))
    texts = [
        'lag{group="a",topic="x"} 1\nlag{group="a",topic="y"} 2\nbacklog{of="b"} 7\n',
        'lag{group="a",topic="x"} 4\nlag{group="c",topic="x"} 0\nbacklog{of="b"} 6\nelse 1\n',
    ]

    values = read(texts, gauges)

    assert values == {("lag", "a"): 7.0, ("lag", "c"): 0.0, ("backlog", "b"): 7.0}
