"""Writes a page, to be read by people, of what an AsyncAPI document says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.kit.asyncapi import Json

_LOCATION = "$message.payload#/"


def page(document: Json) -> Iterator[str]:
    """Its lines: topics, headers, then each message with its fields and an example."""
    yield "## Topics\n"
    yield from _table(
        ("topic", "key", "partitions", "kept for", "sent by", "received by"), _topics(document)
    )
    yield "\n## Headers\n"
    for names, messages in _by_headers(document).items():
        yield f"{_of(messages)}:\n"
        yield from _table(("header", "always there", "value"), _headers(document, names, messages))
        yield ""
    yield "## Messages\n"
    opaque = set()
    for message in document["components"]["messages"].values():
        if not list(_fields(document, _resolved(document, message["payload"]), "")):
            # one of those stands for all that have the same headers
            kind = tuple(message["headers"]["properties"])
            if kind in opaque:
                continue
            opaque.add(kind)
        yield from _message(document, message)


def _topics(document: Json) -> Iterator[Sequence[str]]:
    for topic, channel in document["channels"].items():
        kafka = channel["bindings"]["kafka"]
        yield (
            f"`{topic}`",
            " or ".join(sorted({_key(_resolved(document, of)) for of in _values(channel)})),
            str(kafka["partitions"]),
            _kept(kafka["topicConfiguration"]),
            _who(document, topic, "send"),
            _who(document, topic, "receive"),
        )


def _values(channel: Json) -> Iterable[Json]:
    made: Mapping[str, Json] = channel["messages"]
    return made.values()


def _kept(configuration: Mapping[str, Any]) -> str:
    kept_ms = configuration.get("retention.ms")
    return "ever" if kept_ms == -1 else f"{kept_ms} ms"


def _key(message: Json) -> str:
    key = message["bindings"]["kafka"]["key"]
    if "x-location" in key:
        return f"`{key['x-location'].removeprefix(_LOCATION).replace('/', '.')}`"
    return str(key.get("description", "any"))


def _who(document: Json, topic: str, action: str) -> str:
    names = {
        tag["name"]: None
        for operation in document["operations"].values()
        if operation["action"] == action and operation["channel"]["$ref"] == f"#/channels/{topic}"
        for tag in operation["tags"]
    }
    return ", ".join(names) or "–"


def _of(names: Sequence[str]) -> str:
    others = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return f"Of `{names[0]}`{others}"


def _by_headers(document: Json) -> Mapping[tuple[str, ...], Sequence[str]]:
    """Messages by the names of their headers: most share them."""
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, message in document["components"]["messages"].items():
        found[tuple(message["headers"]["properties"])].append(name)
    return found


def _headers(
    document: Json, names: Sequence[str], messages: Sequence[str]
) -> Iterator[Sequence[str]]:
    all_headers = [document["components"]["messages"][name]["headers"] for name in messages]
    for name in names:
        forms = {_form(document, headers["properties"][name]) for headers in all_headers}
        words = {headers["properties"][name].get("description", "") for headers in all_headers}
        required = all(name in headers.get("required", ()) for headers in all_headers)
        form = forms.pop() if len(forms) == 1 else "of each message its own, as in its example"
        told = [text.rstrip(".") for text in (form, *sorted(words)) if text]
        yield f"`{name}`", "yes" if required else "no", ". ".join(told)


def _message(document: Json, message: Json) -> Iterator[str]:
    yield f"### {message['title']}\n"
    yield f"`{message['name']}`. {message['summary']}\n"
    payload = _resolved(document, message["payload"])
    if fields := list(_fields(document, payload, "")):
        yield from _table(("field", "always there", "value"), fields)
        yield ""
    for example in message.get("examples", ()):
        key = message["bindings"]["kafka"]["key"]["examples"][0]
        yield f"With the key `{key}`:\n"
        whole = {"headers": example["headers"], "payload": example["payload"]}
        yield f"```json\n{json.dumps(whole, ensure_ascii=False, indent=2)}\n```\n"


def _fields(document: Json, schema: Json, within: str) -> Iterator[Sequence[str]]:
    """Every field, and those within it below it: `order`, `order.id`, `order.items[].quantity`."""
    for name, of in schema.get("properties", {}).items():
        place = f"{within}{name}"
        inner, suffix = _resolved(document, of), "."
        if inner.get("type") == "array":
            inner, suffix = _resolved(document, inner["items"]), "[]."
        told = [_form(document, of), of.get("description", "")]
        required = "yes" if name in schema.get("required", ()) else "no"
        yield f"`{place}`", required, ". ".join(text.rstrip(".") for text in told if text)
        yield from _fields(document, inner, f"{place}{suffix}")


def _form(document: Json, schema: Json) -> str:
    """Of what form a value is, in a few words."""
    schema = _resolved(document, schema)
    match schema:
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": [*values]}:
            return _listed((f"`{json.dumps(value)}`" for value in values), " or ")
        case {"anyOf": [*kinds]}:
            return " or ".join(_form(document, kind) for kind in kinds)
        case {"format": str(form)}:
            return form
        case {"type": "array", "items": of}:
            return f"list of {_form(document, of)}"
        case {"type": "string", "pattern": str(pattern)}:
            return f"string `{pattern}`".replace("|", "\\|")
        case {"type": "integer" | "number" as type}:
            bounds = [
                f"{word} {schema[bound]}"
                for bound, word in (("minimum", "from"), ("maximum", "to"))
                if bound in schema
            ]
            return " ".join([type, *bounds])
        case {"type": str(type)}:
            return type
        case _:
            return "anything"


def _resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _listed(words: Iterable[str], between: str = ", ") -> str:
    return between.join(words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"
