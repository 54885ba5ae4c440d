"""`schema-version` says what a payload is: an older one is brought up, a newer one read as far as known.

The event below was renamed in part with its second version, and got a unit with its third.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from scenarios.delivery.bench import CAUSE
from system.kit.delivery import outbox
from system.kit.delivery.outbox import decode
from system.kit.errors import Poison
from system.kit.events import Event, Upcast
from system.kit.ports.log import Message
from system.kit.values import Id, Whole, dumps

COMMON = {
    "event_id": "00000000-0000-4000-8000-000000000001",
    "occurred_at": "2026-01-31T08:00:00.000000Z",
    "parcel_id": 7,
}


def weight_is_called_grams(payload: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in payload.items() if name != "weight"}
    return {**rest, "grams": payload["weight"]}


def it_has_a_carrier(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "carrier": "unknown"}


class ParcelSent(Event):
    type = "parcel.sent"
    aggregate = "parcel"
    key_field = "parcel_id"
    schema_version = 3
    upcasts: ClassVar[Mapping[int, Upcast]] = {1: weight_is_called_grams, 2: it_has_a_carrier}

    parcel_id: Id
    grams: Whole
    carrier: str


def read(
    payload: dict[str, Any] | list[Any],
    *headers: tuple[str, bytes],
    model: type[Event] = ParcelSent,
) -> Any:  # the event, of whatever type
    message = Message("parcel.sent", b"7", dumps(payload), headers)
    return decode(message, {"parcel.sent": model}).event


@pytest.mark.parametrize(
    ("version", "payload", "carrier"),
    [
        (b"1", {**COMMON, "weight": 900}, "unknown"),
        (b"2", {**COMMON, "grams": 900}, "unknown"),
        (b"3", {**COMMON, "grams": 900, "carrier": "Post"}, "Post"),
    ],
)
def test_each_version_is_read_as_the_present_one(
    version: bytes, payload: dict[str, Any], carrier: str
) -> None:
    event = read(payload, ("schema-version", version))

    assert (event.grams, event.carrier) == (900, carrier)


def test_without_the_header_it_is_the_first_version() -> None:
    assert read({**COMMON, "weight": 900}).grams == 900


def test_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    newer = {**COMMON, "grams": 900, "carrier": "Post", "insured": True}

    assert read(newer, ("schema-version", b"4")).grams == 900


def test_what_cannot_be_read_of_a_newer_version_is_poison_that_names_both() -> None:
    with pytest.raises(Poison, match=r"^no parcel.sent of version 4, read as 3: grams "):
        read({**COMMON, "kilograms": 1, "carrier": "Post"}, ("schema-version", b"4"))


@pytest.mark.parametrize(
    "version", [b"", b"0", b"-1", b"1.0", b"one", "٣".encode(), b"9999999", b"\xff"]
)
def test_what_is_no_version_is_poison(version: bytes) -> None:
    with pytest.raises(Poison, match=r"^the schema version of parcel.sent is "):
        read({**COMMON, "grams": 900, "carrier": "Post"}, ("schema-version", version))


@pytest.mark.parametrize("payload", [{}, [], [1], {"weight": 900}, {**COMMON, "grams": 900}])
def test_a_step_that_finds_less_than_it_needs_makes_poison_and_no_other_error(
    payload: dict[str, Any] | list[Any],
) -> None:
    with pytest.raises(Poison):
        read(payload, ("schema-version", b"1"))


def test_a_step_that_stumbles_over_a_value_makes_poison_and_no_other_error() -> None:
    class Stumbling(ParcelSent):
        upcasts: ClassVar[Mapping[int, Upcast]] = {1: lambda old: {"grams": old["weight"].get("g")}}

    with pytest.raises(Poison, match=r"^undecodable: "):
        read({**COMMON, "weight": 900}, ("schema-version", b"1"), model=Stumbling)


def test_what_is_emitted_says_its_version() -> None:
    event = ParcelSent.model_validate({**COMMON, "grams": 900, "carrier": "Post"})

    assert outbox.metadata_of(event, CAUSE)["schema-version"] == "3"
