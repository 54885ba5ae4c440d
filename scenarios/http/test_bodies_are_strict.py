"""A body is read in three steps, each with its own refusal: 415 or 413, then 400, then 422."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from scenarios.http.toy import THING, NewThing, Running, running
from system.kit.errors import Refused
from system.kit.http.bodies import Body, Maybe, Name, PartialBody, parse_body
from system.kit.values import loads

JSON = {"Content-Type": "application/json"}
MIB = 1_048_576


async def make(toy: Running, body: bytes, headers: dict[str, str] | None = None) -> Any:
    return await toy.ask("POST", "/things", data=body, headers=headers or JSON)


# --- may it be read at all ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; profile=things",
    ],
)
async def test_json_in_utf_8_is_read(toy: Running, content_type: str) -> None:
    reply = await make(toy, json.dumps(THING).encode(), {"Content-Type": content_type})
    assert reply.status == 201


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Type: text/plain"],
        ["Content-Type: text/json"],
        ["Content-Type: application/problem+json"],
        ["Content-Type: application/json-patch+json"],
        ["Content-Type: application/x-www-form-urlencoded"],
        ["Content-Type: application/json; charset=latin-1"],
        ["Content-Type: application/json; charset=utf-16"],
        ["Content-Type: "],
        ["Content-Type: application/json", "Content-Encoding: br"],
        [],
    ],
    ids=str,
)
async def test_any_other_media_type_is_refused(toy: Running, headers: list[str]) -> None:
    body = json.dumps(THING).encode()
    lines = ["POST /things HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    reply = await toy.raw(*lines, body=body)
    assert (reply.status, reply.problem) == (415, "unsupported-media-type")
    assert not toy.toy.asked


async def test_a_packed_body_is_refused_and_not_unpacked(toy: Running) -> None:
    packed = gzip.compress(b"0" * 100_000_000, compresslevel=1)
    reply = await make(toy, packed, JSON | {"Content-Encoding": "gzip"})
    assert (reply.status, reply.problem) == (415, "unsupported-media-type")


def thing_of(size: int) -> bytes:
    text = json.dumps(THING).encode()
    return text + b" " * (size - len(text))


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


@pytest.mark.parametrize("size", [MIB - 1, MIB])
async def test_a_body_of_1_mib_is_read(toy: Running, size: int) -> None:
    sized = await make(toy, thing_of(size))
    chunked = await toy.ask("POST", "/things", data=in_chunks(thing_of(size)), headers=JSON)
    assert (sized.status, chunked.status) == (201, 201)
    assert toy.toy.asked[0].raw_body == thing_of(size)


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
async def test_a_body_over_1_mib_is_refused(toy: Running, size: int) -> None:
    sized = await make(toy, thing_of(size))
    chunked = await toy.ask("POST", "/things", data=in_chunks(thing_of(size)), headers=JSON)
    for reply in (sized, chunked):
        assert (reply.status, reply.problem) == (413, "body-too-large")
    assert not toy.toy.asked


async def test_a_body_said_to_be_too_large_is_refused_before_it_comes(toy: Running) -> None:
    reply = await toy.raw(
        "POST /things HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Content-Length: 9999999999",
    )
    assert (reply.status, reply.problem) == (413, "body-too-large")


async def test_a_body_that_does_not_come_is_not_waited_for_for_ever() -> None:
    async with running(timeout_s=0.05) as toy:
        reply = await toy.raw(
            "POST /things HTTP/1.1",
            "Host: x",
            "Content-Type: application/json",
            "Content-Length: 100",
            body=b"{",
        )
    assert (reply.status, reply.problem) == (408, "request-timeout")


async def test_a_body_in_broken_chunks_is_refused(toy: Running) -> None:
    reply = await toy.raw(
        "POST /things HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        body=b"2\r\n{}\r\nnonsense\r\n",
    )
    assert reply.status == 400
    assert reply.problem in ("malformed-request", "malformed-json")


# --- is it JSON -----------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


MALFORMED = {
    "nothing": b"",
    "blanks": b" \r\n ",
    "half": b'{"name": "A"',
    "trailing comma": b'{"name": "A",}',
    "two values": b"{} {}",
    "single quotes": b"{'name': 'A'}",
    "comment": b'{"name": "A"} // mine',
    "bare word": b"name",
    "NaN": b'{"price": NaN}',
    "infinity": b'{"price": -Infinity}',
    "leading zero": b'{"price": 01}',
    "plus": b'{"price": +1}',
    "point alone": b'{"price": 1.}',
    "control character": b'{"name": "a\nb"}',
    "unknown escape": b'{"name": "\\x41"}',
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(THING).encode(),
    "latin-1": '{"name": "João"}'.encode("latin-1"),
    "utf-16": '{"name": "A"}'.encode("utf-16"),
    "overlong utf-8": b'{"name": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"name": "\xed\xa0\x80"}',
    "surrogate by escape": b'{"name": "\\ud800"}',
    "surrogate by escape, alone in a name": b'{"\\udfff": 1}',
    "surrogate by escape, deep": b'{"pieces": [{"product_id": "\\uD83D"}]}',
    "a name twice": b'{"name": "A", "name": "B"}',
    "a name twice, deep": b'{"pieces": [{"quantity": 1, "quantity": 2}]}',
    "a name twice, by escape": b'{"name": "A", "n\\u0061me": "B"}',
    "deep": nested(66),
    "deep objects": b'{"a":' * (66) + b"1" + b"}" * (66),
    "absurdly deep": nested(100_000),
    "a number beyond all bounds": b'{"price": 1e9999999999999999999}',
    "absurdly deep and open": b"[" * 1_000_000,
    "form": b"name=A&price=1",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_json_is_malformed(toy: Running, body: bytes) -> None:
    reply = await make(toy, body)
    assert (reply.status, reply.problem) == (400, "malformed-json")
    assert not toy.toy.asked


async def test_a_missing_body_is_said_to_be_missing(toy: Running) -> None:
    reply = await toy.raw("POST /things HTTP/1.1", "Host: x", "Content-Type: application/json")
    assert (reply.status, reply.problem) == (400, "malformed-json")
    assert reply.json["detail"] == "A JSON body is needed, and there is none."


async def test_depth_is_counted_the_same_in_every_python(toy: Running) -> None:
    assert (await make(toy, nested(64))).problem == "invalid"


@pytest.mark.parametrize(
    "name", ["João", "\\u00e9\\ud83d\\ude00", "😀", "\\u0000", "<script>", " "]
)
async def test_any_real_text_is_kept_as_given(toy: Running, name: str) -> None:
    body = json.dumps(THING, ensure_ascii=False).replace('"A"', f'"{name}"').encode()
    reply = await make(toy, body)
    assert reply.status == 201
    assert reply.json["name"] == json.loads(f'"{name}"')


# --- does it keep the rules -----------------------------------------------------------------------


def with_piece(**change: object) -> dict[str, Any]:
    return THING | {"pieces": [{"product_id": 1, "quantity": 2, **change}]}


INVALID: dict[str, tuple[Any, list[str]]] = {
    "no object": ([], ["body"]),
    "null": (None, ["body"]),
    "a string": ("{}", ["body"]),
    "nothing in it": ({}, ["body/name", "body/price", "body/pieces"]),
    "unknown field": (THING | {"id": 7}, ["body/id"]),
    "unknown field, deep": (with_piece(x=1), ["body/pieces/0/x"]),
    "unknown field, strange": (THING | {"a/b~c": 1}, ["body/a~1b~0c"]),
    "empty name": (THING | {"name": ""}, ["body/name"]),
    "long name": (THING | {"name": "a" * 256}, ["body/name"]),
    "name is a number": (THING | {"name": 1}, ["body/name"]),
    "name is null": (THING | {"name": None}, ["body/name"]),
    "price is text": (THING | {"price": "1.50"}, ["body/price"]),
    "price is a boolean": (THING | {"price": True}, ["body/price"]),
    "price below zero": (THING | {"price": -0.01}, ["body/price"]),
    "price with three decimals": (THING | {"price": 1.001}, ["body/price"]),
    "price too high": (THING | {"price": 10_000_000_000}, ["body/price"]),
    "price absurd": (THING | {"price": 1e300}, ["body/price"]),
    "quantity zero": (with_piece(quantity=0), ["body/pieces/0/quantity"]),
    "quantity half": (with_piece(quantity=1.5), ["body/pieces/0/quantity"]),
    "quantity is text": (with_piece(quantity="2"), ["body/pieces/0/quantity"]),
    "quantity is a boolean": (with_piece(quantity=True), ["body/pieces/0/quantity"]),
    "id zero": (with_piece(product_id=0), ["body/pieces/0/product_id"]),
    "id too high": (with_piece(product_id=2**63), ["body/pieces/0/product_id"]),
    "id absurd": (with_piece(product_id=10**4000), ["body/pieces/0/product_id"]),
    "no pieces": (THING | {"pieces": []}, ["body/pieces"]),
    "too many pieces": (THING | {"pieces": THING["pieces"] * 4}, ["body/pieces"]),
    "pieces is an object": (THING | {"pieces": {"0": {}}}, ["body/pieces"]),
    "a piece is null": (THING | {"pieces": [*THING["pieces"], None]}, ["body/pieces/1"]),
    "left out by null": (THING | {"email": None}, ["body/email"]),
    "email without @": (THING | {"email": "joao.example.com"}, ["body/email"]),
    "email with two": (THING | {"email": "a@b@c"}, ["body/email"]),
    "email with nothing before": (THING | {"email": "  @example.com"}, ["body/email"]),
    "email with nothing after": (THING | {"email": "joao@ "}, ["body/email"]),
    "email with a blank": (THING | {"email": "jo ao@example.com"}, ["body/email"]),
    "email too long": (THING | {"email": "a" * 250 + "@b.co"}, ["body/email"]),
    "email with a character that is not seen": (
        THING | {"email": "jo\u200bao@b.co"},
        ["body/email"],
    ),
    "email with a zero": (THING | {"email": "jo\u0000ao@b.co"}, ["body/email"]),
    "email too long in lower case": (THING | {"email": "\u0130" * 200 + "@b.co"}, ["body/email"]),
    "flag is text": (THING | {"urgent": "true"}, ["body/urgent"]),
    "flag is a number": (THING | {"urgent": 1}, ["body/urgent"]),
    "several at once": (
        {"name": "", "price": "x", "pieces": [{}]},
        ["body/name", "body/price", "body/pieces/0/product_id", "body/pieces/0/quantity"],
    ),
}


@pytest.mark.parametrize(("body", "places"), INVALID.values(), ids=INVALID)
async def test_a_broken_rule_is_told_with_its_place(
    toy: Running, body: Any, places: list[str]
) -> None:
    reply = await make(toy, json.dumps(body).encode())
    assert (reply.status, reply.problem) == (422, "invalid")
    assert reply.places == places
    assert all(error["reason"] for error in reply.json["errors"])
    assert not toy.toy.asked


async def test_reasons_speak_of_the_request_and_not_of_our_classes(toy: Running) -> None:
    none = await make(toy, b'{"name": "A", "price": 1, "pieces": []}')
    many = await make(toy, json.dumps(THING | {"pieces": THING["pieces"] * 4}).encode())
    some = await make(toy, b'{"name": "A", "pieces": [7], "x": 1}')
    assert none.json["errors"] == [{"place": "body/pieces", "reason": "must have at least 1"}]
    assert many.json["errors"] == [{"place": "body/pieces", "reason": "must have at most 3"}]
    assert some.json["errors"] == [
        {"place": "body/price", "reason": "is required"},
        {"place": "body/pieces/0", "reason": "must be a JSON object"},
        {"place": "body/x", "reason": "is not known here"},
    ]


async def test_a_flood_of_faults_gets_a_short_answer(toy: Running) -> None:
    body = {f"{number}{'x' * 200}": 1 for number in range(50)}
    reply = await make(toy, json.dumps(body).encode())
    assert (reply.status, len(reply.places)) == (422, 50)
    assert len(reply.body) < 10_000


FLOODS = {
    "items": (b'{"name": "A", "price": 1, "pieces": [%s]}', b"{}", "body/pieces", "at most 3"),
    "items that are right": (
        b'{"name": "A", "price": 1, "pieces": [%s]}',
        b'{"product_id": 1, "quantity": 1}',
        "body/pieces",
        "at most 3",
    ),
    "names": (b"{%s}", b'"n%d": 1', "body", "at most 5 names"),
    "names of an item": (
        b'{"name": "A", "price": 1, "pieces": [{%s}]}',
        b'"n%d": 1',
        "body/pieces/0",
        "at most 2 names",
    ),
}


@pytest.mark.parametrize(("body", "one", "place", "reason"), FLOODS.values(), ids=FLOODS)
async def test_many_are_counted_before_one_is_looked_at(
    toy: Running, body: bytes, one: bytes, place: str, reason: str
) -> None:
    some, flood = (
        body % b", ".join(one % number if b"%d" in one else one for number in range(many))
        for many in (1_000, 30_000)
    )
    refused = await make(toy, some)
    assert [(e["place"], e["reason"]) for e in refused.json["errors"]] == [
        (place, f"must have {reason}")
    ]
    refused = await make(toy, flood)
    assert refused.json["errors"] == [
        {"place": "body", "reason": "must have at most 20000 members and items, all in all"}
    ]


async def test_commas_in_a_text_count_as_text(toy: Running) -> None:
    text = ',\\"' * 30_000
    reply = await make(toy, json.dumps(THING | {"name": text}).encode())
    assert reply.places == ["body/name"]
    assert (await make(toy, b'{"name": "' + b"," * 30_000)).problem == "malformed-json"


@pytest.mark.parametrize("flood", FLOODS)
def test_refusing_a_flood_costs_no_more_than_reading_it(flood: str) -> None:
    body, one, *_ = FLOODS[flood]
    count = 19_000 // (1 + one.count(b","))
    document = body % b", ".join(one % n if b"%d" in one else one for n in range(count))

    def refused() -> None:
        with pytest.raises(Refused):
            parse_body(NewThing, document)

    assert cpu_of(refused) < 3 * cpu_of(lambda: loads(document))


UNFINISHED = {
    "a string of escaped quotes": b"," * 30_000 + b'"' + b'\\"' * 4_000,
    "its last escape is cut": b"," * 30_000 + b'"' + b'\\"' * 4_000 + b"\\",
    "many strings, then one without an end": b'"",' * 30_000 + b'"' + b"\\\\" * 30_000,
    "brackets with few commas": b"[%s[]]" % ((b"[" * 60 + b"]" * 60 + b",") * 5_000),
    "brackets alone": b"[" * 1_000_000,
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_refusing_what_is_hardly_json_costs_no_more_than_reading_as_much(sent: bytes) -> None:
    right = b"[%s]" % b", ".join([b"{}"] * 18_000) + b" " * len(sent)

    def refused() -> None:
        with pytest.raises(Refused):
            parse_body(NewThing, sent)

    assert cpu_of(refused) < 3 * cpu_of(lambda: loads(right))


def cpu_of(work: Callable[[], object]) -> float:
    """The least of several, of this process alone: other work on the machine does not count."""

    def once() -> float:
        before = time.process_time()
        work()
        return time.process_time() - before

    return min(once() for _ in range(7))


VALID: dict[str, tuple[dict[str, Any], str]] = {
    "name of 255": ({"name": "ã" * 255}, "ã" * 255),
    "price 0": ({"price": 0}, "0.00"),
    "price with one decimal": ({"price": 0.1}, "0.10"),
    "highest price": ({"price": 9_999_999_999.99}, "9999999999.99"),
    "whole numbers as 2.0": ({"pieces": [{"product_id": 1.0, "quantity": 2.0}]}, "quantity=2)"),
    "email composed": ({"email": "jo\u0061\u0303o@b.co"}, "'joão@b.co'"),
    "email as typed": ({"email": "  Joao@Example.COM \n"}, "'joao@example.com'"),
    "email of 254": ({"email": "a" * 249 + "@b.co"}, "a" * 249 + "@b.co"),
    "email of 254 among blanks": ({"email": " " + "A" * 249 + "@b.co "}, "'" + "a" * 249 + "@b.co"),
    "flag": ({"urgent": True}, "urgent=True"),
}


@pytest.mark.parametrize(("change", "seen"), VALID.values(), ids=VALID)
async def test_what_is_within_the_rules_passes(
    toy: Running, change: dict[str, Any], seen: str
) -> None:
    reply = await make(toy, json.dumps(THING | change).encode())
    assert reply.status == 201
    assert seen in repr(toy.toy.asked[0].body)


async def test_a_body_reaches_its_route_as_its_exact_bytes_too(toy: Running) -> None:
    body = json.dumps(THING, indent=4).encode()
    await make(toy, body)
    assert toy.toy.asked[0].raw_body == body


# --- partial bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (b"{}", ["body"]),
        (b'{"name": null}', ["body/name"]),
        (b'{"stock": 1}', ["body/stock"]),
        (b'{"name": "", "price": null}', ["body/name", "body/price"]),
    ],
)
async def test_a_change_must_name_something_and_never_null(
    toy: Running, body: bytes, places: list[str]
) -> None:
    reply = await toy.ask("PUT", "/things/1", data=body, headers=JSON)
    assert (reply.status, reply.problem, reply.places) == (422, "invalid", places)


async def test_a_change_tells_what_was_left_out(toy: Running) -> None:
    await toy.ask("PUT", "/things/1", data=b'{"name": "B"}', headers=JSON)
    changes = toy.toy.asked[0].body
    assert (changes.name, changes.price) == ("B", None)


def test_the_schema_of_what_may_be_left_out_is_that_of_its_type() -> None:
    class Whole(Body):
        name: Name

    class Partial(PartialBody):
        name: Maybe[Name] = None

    whole, partial = Whole.model_json_schema(), Partial.model_json_schema()
    assert partial["properties"] == whole["properties"]
    assert "required" not in partial
    assert partial["minProperties"] == 1


def test_maybe_is_for_types_that_are_not_none_already() -> None:
    with pytest.raises(TypeError, match="Maybe"):

        class _Doubtful(Body):
            name: Maybe[None] = None


def test_a_body_cannot_be_changed_afterwards() -> None:
    class Fixed(Body):
        name: Name

    with pytest.raises(ValidationError):
        Fixed(name="A").name = "B"
