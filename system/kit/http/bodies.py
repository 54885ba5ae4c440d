"""What clients send: strict JSON bodies and query parameters, each held to its model.

A body is read in three steps, each with its own refusal: may it be read at all (415, 413), is it
JSON (400), does it keep its model's rules (422, with every place that does not). In each step what
can be counted comes before what has to be read: a refusal costs no more than an acceptance.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar
from unicodedata import normalize

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

from system.kit.errors import Fault, Invalid, MalformedJson, Refused, UnsupportedMediaType, invalid
from system.kit.values import ID_MAX, loads

BODY_MAX = 1_048_576
VALUES_MAX = 20_000
"""Members and items of a body, all levels together: twice what the largest request here has."""
DEPTH_MAX = 64
FAULTS_MAX = 50
"""Enough to repair a request by; an answer must not outgrow what it answers."""

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


# --- models ---------------------------------------------------------------------------------------


class _Sent(BaseModel):
    """What a client sends: unknown names are refused, many of them without a look at any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_not_too_many_names(cls, sent: object) -> object:
        most = len(cls.model_fields)
        if isinstance(sent, dict) and len(sent) > most + FAULTS_MAX:
            raise PydanticCustomError("names", "must have at most {most} names", {"most": most})
        return sent

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            if field.get("default", ...) is None:  # our way to say "left out", not a value
                del field["default"]
        return schema


class Body(_Sent):
    """A request's body: unknown fields are refused, and no value is taken for another type.

    Whole numbers are `Whole`, `Id` and the like from `values`, booleans `Flag`: a plain `int`
    or `bool` would take "2" and "yes".
    """


class Query(_Sent):
    """A route's query parameters: unknown ones are refused."""


class _Left:
    """Makes a `T | None` accept T alone: None then says that the field was left out."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        if schema["type"] != "nullable":
            raise TypeError(f"Maybe[…] needs a type that is not None, not {source}")
        inner: CoreSchema = schema["schema"]
        return inner


Maybe = Annotated[T | None, _Left()]
"""May be left out, of a body or of a query: `name: Maybe[Name] = None`. A null is refused."""


@dataclass(frozen=True, slots=True)
class Items:
    """Bounds the number of items of a list, before any of them is looked at.

    A length that pydantic is told is judged after the items, of which it counts those that are right.
    """

    at_most: int
    at_least: int = 1

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(self._counted, handler(source))

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core_schema), "minItems": self.at_least, "maxItems": self.at_most}

    def _counted(self, sent: object) -> object:
        if isinstance(sent, list):
            if len(sent) < self.at_least:
                raise PydanticCustomError("items", f"must have at least {self.at_least}")
            if len(sent) > self.at_most:
                raise PydanticCustomError("items", f"must have at most {self.at_most}")
        return sent


class PartialBody(Body):
    """The body of a PUT: what is left out stays as it is, but something must be named."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("empty", "must name at least one field")
        return self


EMAIL_MAX = 254
_BLANKS = r"\t-\r\u001c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What str.strip() takes away, in words that every dialect of regular expressions reads alike."""
_UNSEEN = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f"
)
"""Control and format characters: with one of them, two emails look the same and are not."""
_GROWING = (
    r"\u0130\u0344\u0958-\u095f\u09dc\u09dd\u09df\u0a33\u0a36\u0a59-\u0a5b\u0a5e\u0b5c\u0b5d"
    r"\u0f43\u0f4d\u0f52\u0f57\u0f5c\u0f69\u0f73\u0f75\u0f76\u0f78\u0f81\u0f93\u0f9d\u0fa2\u0fa7"
    r"\u0fac\u0fb9\u2adc\ufb1d\ufb1f\ufb2a-\ufb4e"
    "\U0001d15e-\U0001d164\U0001d1bb-\U0001d1c0"
)
"""Letters of which lower case or NFC makes several, else the limit would not hold for what is kept."""
_PART = f"[^@{_BLANKS}{_UNSEEN}{_GROWING}]+"
_EMAIL = f"{_PART}@{_PART}"
EMAIL_PATTERN = f"^[{_BLANKS}]*(?![^{_BLANKS}]{{{EMAIL_MAX + 1}}}){_EMAIL}[{_BLANKS}]*$"
"""What the server judges, said of what is sent: blanks around it do not count."""


def _email(text: str) -> str:
    email = text.strip()
    if len(email) > EMAIL_MAX:
        raise PydanticCustomError("email_length", f"must have at most {EMAIL_MAX} characters")
    if not re.fullmatch(_EMAIL, email):
        raise PydanticCustomError(
            "email", "must have one @ with text on both sides, no blanks, nothing that is not seen"
        )
    return normalize("NFC", normalize("NFC", email).lower())


def _digits(value: object) -> object:
    """Take canonical digits alone; int() would also take `+5`, ` 5 `, `5_0` and other scripts."""
    if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", value):
        raise PydanticCustomError("int_type", "must be a whole number")
    return int(value)


Email = Annotated[
    str,
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "pattern": EMAIL_PATTERN}),
]
"""Stripped, composed (NFC) and lower-cased: two that read alike are one."""
Name = Annotated[str, Field(min_length=1, max_length=255)]
PaymentMethod = Annotated[str, Field(min_length=1, max_length=50)]
Reason = Annotated[str, Field(max_length=500)]
Flag = Annotated[bool, Field(strict=True)]

DIGITS = BeforeValidator(_digits)
"""Goes last in an Annotated[int, …] of a query model."""
IdParameter = Annotated[int, Field(ge=1, le=ID_MAX), DIGITS]


# --- reading --------------------------------------------------------------------------------------


def check_media_type(content_types: Sequence[str], content_codings: Sequence[str] = ()) -> None:
    """Refuse whatever is not `application/json` in UTF-8, as it is."""
    if any(coding.strip().lower() not in ("", "identity") for coding in content_codings):
        raise UnsupportedMediaType("A body is sent without a content coding.")
    if len(content_types) != 1:
        raise UnsupportedMediaType("One Content-Type is needed: application/json.")
    media_type, *parameters = (part.strip() for part in content_types[0].split(";"))
    if media_type.lower() != "application/json":
        raise UnsupportedMediaType
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() != "utf-8":
            raise UnsupportedMediaType("JSON is sent in UTF-8.")


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Without a way back, and with or without an end. Were the last quote demanded, each quote of
`"\\"\\"\\"…` would be tried as a first one and read to the end: 50 kB took 4.5 s.
"""


def parse_json(raw: bytes) -> Any:  # the shape is for a model to check
    """Read strict JSON, or refuse it as malformed."""
    if not raw.strip():
        raise MalformedJson("A JSON body is needed, and there is none.")
    if _values(raw) > VALUES_MAX:
        _check_number(_STRING.sub(b"", raw))
    try:
        document = loads(raw)
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    except ValueError as error:
        raise MalformedJson(f"The body is not JSON: {error}.") from None
    if raw.count(b"[") + raw.count(b"{") > DEPTH_MAX:
        _check_depth(raw)
    if b"\\u" in raw and _HALF_PAIR.search(_WHOLE_ESCAPE.sub(b"", raw)):
        raise MalformedJson("A \\u escape is half a surrogate pair.")
    return document


def _values(raw: bytes) -> int:
    """At most so many members and items: each begins after a comma or a bracket."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def _check_number(bare: bytes) -> None:
    if _values(bare) > VALUES_MAX:
        if b"[" * (DEPTH_MAX + 1) in bare.translate(_BRACKETS, _NO_BRACKETS):
            raise _too_deep()
        raise invalid("body", f"must have at most {VALUES_MAX} members and items, all in all")


_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_WHOLE_ESCAPE = re.compile(rb"\\(?:[^u]|u[dD][89abAB]..\\u[dD][c-fC-F]..)")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a surrogate pair can be written as an escape, but no UTF-8 can carry it on."""


def _check_depth(raw: bytes) -> None:
    """Take the innermost brackets away until none are left: `[[],[[]]]` is three levels deep."""
    brackets = _STRING.sub(b"", raw).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise _too_deep()


def _too_deep() -> Refused:
    return MalformedJson(f"The body is nested deeper than {DEPTH_MAX} levels.")


def parse_body(model: type[M], raw: bytes) -> M:
    """Turn a body's bytes into its model, or refuse it with all its faults."""
    return _validated(model, parse_json(raw), "body")


def parse_query(model: type[M] | None, parameters: Sequence[tuple[str, str]]) -> M | None:
    """Turn query parameters into their model; without a model none is allowed."""
    names = [name for name, _ in parameters]
    if len(names) > FAULTS_MAX:
        raise invalid("query", f"must have at most {FAULTS_MAX} parameters")
    for name, times in Counter(names).items():
        if times > 1:
            raise invalid(_place(["query", name]), "must not be repeated")
    if model is not None:
        return _validated(model, dict(parameters), "query")
    if names:
        faults = [Fault(_place(["query", name]), UNKNOWN) for name in names]
        raise Invalid(errors=faults)
    return None


UNKNOWN = "is not known here"
_REASONS = {
    "extra_forbidden": UNKNOWN,
    "missing": "is required",
    "model_type": "must be a JSON object",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length}",
    "string_too_long": "must have at most {max_length}",
}
"""In place of pydantic's words, where those name our classes or speak of inputs."""


def _validated(model: type[M], document: object, root: str) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise Invalid(errors=list(_faults(details, root))) from None


def _faults(details: Sequence[ErrorDetails], root: str) -> Iterator[Fault]:
    for detail in details[:FAULTS_MAX]:
        reason = _REASONS.get(detail["type"], "").format_map(detail.get("ctx", {}))
        yield Fault(_place([root, *detail["loc"]]), reason or detail["msg"])


def _place(steps: Iterable[str | int]) -> str:
    """A path in the manner of a JSON Pointer, so that a `/` in a name does not mislead."""
    names = (str(step)[:100].replace("~", "~0").replace("/", "~1") for step in steps)
    return "/".join(names)
