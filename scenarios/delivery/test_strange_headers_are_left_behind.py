"""Headers that nobody of ours wrote: what is no id and no trace is neither handed on nor logged."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from scenarios.delivery.bench import CAUSE, EPOCH, message, registered
from system.events import BY_TYPE
from system.kit.delivery import outbox
from system.kit.errors import Poison
from system.kit.ports.log import Headers, Message

EVENT = registered()
GOOD = message(EVENT)
NO_UTF8 = b"\xff\xfe" * 250_000
HOSTILE: list[bytes] = [
    NO_UTF8,
    b"a" * 40_000 + b"@",
    b"",
    b"\x00",
    b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
    b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-" + b"x" * 500_000,
    "\N{FULLWIDTH DIGIT ZERO}af76519".encode(),
]


def with_headers(*headers: tuple[str, bytes]) -> Message:
    return Message(GOOD.topic, GOOD.key, GOOD.value, headers)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda value: repr(value[:8]))
def test_what_is_no_id_and_no_trace_is_not_handed_on(hostile: bytes) -> None:
    """W8: 500 kB of `traceparent` once went into an event of ours, which no topic took."""
    names = ("correlation-id", "causation-id", "traceparent")

    envelope = outbox.decode(with_headers(*((name, hostile) for name in names)), BY_TYPE)

    assert envelope.event == EVENT
    assert envelope.consequence.correlation_id == EVENT.event_id
    assert (
        envelope.consequence.traceparent == outbox.decode(with_headers(), BY_TYPE).cause.traceparent
    )
    assert envelope.cause.causation_id is None
    assert outbox.ids_of(with_headers(*((name, hostile) for name in names))) == {}


def test_what_is_right_is_handed_on_beside_what_is_not() -> None:
    envelope = outbox.decode(
        with_headers(*GOOD.headers, ("x", NO_UTF8), ("causation-id", b"none of ours")), BY_TYPE
    )

    assert envelope.cause == CAUSE
    assert outbox.ids_of(GOOD) == {
        "correlation_id": str(CAUSE.correlation_id),
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }


@pytest.mark.parametrize("name", ["event-type", "schema-version"])
def test_a_type_or_version_of_any_size_is_poison_that_can_be_told(name: str) -> None:
    with pytest.raises(Poison) as poison:
        outbox.decode(with_headers((name, NO_UTF8)), BY_TYPE)

    assert len(str(poison.value)) < 500


def test_a_key_of_any_size_is_poison_that_can_be_told() -> None:
    with pytest.raises(Poison) as poison:
        outbox.decode(Message(GOOD.topic, b"\xff" * 900_000, GOOD.value, ()), BY_TYPE)

    assert len(str(poison.value)) < 1_000


def test_ten_thousand_headers_are_no_trouble() -> None:
    many: Headers = tuple((f"h{number}", b"x") for number in range(10_000))

    assert outbox.decode(with_headers(*GOOD.headers, *many), BY_TYPE).cause == CAUSE


def test_an_event_counts_with_its_headers_when_it_is_too_large() -> None:
    payload = outbox.row(EVENT, CAUSE, EPOCH)["payload"]
    assert isinstance(payload, bytes)
    long = replace(CAUSE, traceparent="0" * (outbox.EVENT_BYTES_MAX - len(payload)))

    with pytest.raises(ValueError, match="over 256 kB"):
        outbox.row(EVENT, long, EPOCH)


def test_an_id_may_be_written_as_any_uuid_is() -> None:
    id = UUID(int=5)

    envelope = outbox.decode(
        with_headers(("correlation-id", b"{%s}" % str(id).upper().encode())), BY_TYPE
    )

    assert envelope.cause.correlation_id == id
