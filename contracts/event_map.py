"""Draws `docs/map.md` from the table: who sends each event, who reacts, what it shows, what it says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from system.events import EVENTS
from system.kit.events import PARTITIONS, Event, dlq
from system.roles import QUERY_CONSUMER, ROLES
from system.table import SHOP, TABLE, VIEWS

PATH = "docs/map.md"

HEAD = f"""\
# The map

Generated from [`table.TABLE`](../system/table.py) and [`events.EVENTS`](../system/events.py) by
`python -m contracts write`; a test fails when it is not current.

Each event type is a topic of its own, with {PARTITIONS} partitions, and beside it a topic for its dead
letters, `{dlq("order.created")}` for `order.created` and so on. A message's partition follows from its key:
events of one type and key keep their order. Between topics there is none.
"""


def files() -> Mapping[str, str]:
    """The page, under its path."""
    return {PATH: "\n".join(_page())}


def _page() -> Iterator[str]:
    yield HEAD
    yield "## Events\n"
    yield from _table(("event", "key", "sent by", "who reacts", "what it shows"), _events())
    yield "\n## Handlers\n"
    yield "What a consumer of the write side does with an event, in one transaction.\n"
    yield from _table(("consumer", "event", "handler", "what it does"), _handlers())
    yield "\n## Roles\n"
    yield from _table(("role", "port", "relays the outbox of", "reads"), _roles())
    yield "\n## Views\n"
    yield (
        "A view's document consists of parts, each with a version of its own; it is visible once "
        "all\nrequired parts are there.\n"
    )
    yield from _table(("view", "parts", "required", "filters of its list"), _views())
    yield "\n## What an event says\n"
    yield (
        "Beside its own fields every event has `event_id` (a UUID) and `occurred_at` (a time). "
        "Its headers\nare `event-type`, `schema-version`, `correlation-id`, `causation-id` (not "
        "for what a request did\ndirectly) and `traceparent`.\n"
    )
    yield from _table(("event", "means", "fields"), _fields())
    yield "\n### Pieces of events\n"
    yield from _table(("piece", "fields"), _pieces())
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def _events() -> Iterator[Sequence[str]]:
    relays = {spec.relays: spec.name for spec in ROLES if spec.relays}
    for row in TABLE:
        yield (
            f"`{row.event.type}`",
            f"`{row.event.key_field}`",
            relays[row.event.aggregate],
            "<br>".join(f"{name}: {_link(handler)}" for name, handler in row.reacts.items()) or "–",
            "<br>".join(_link(projection) for projection in row.shows),
        )


def _handlers() -> Iterator[Sequence[str]]:
    for row in TABLE:
        for consumer, handler in row.reacts.items():
            yield consumer, f"`{row.event.type}`", _link(handler), _first_line(handler)


def _roles() -> Iterator[Sequence[str]]:
    for spec in ROLES:
        reads: Iterable[str] = SHOP.handlers_of(spec.name)
        topics = ", ".join(f"`{topic}`" for topic in reads)
        if spec.name == QUERY_CONSUMER:
            topics = "all events"
        yield spec.name, str(spec.port), spec.relays or "–", topics or "–"


def _views() -> Iterator[Sequence[str]]:
    for view in VIEWS:
        filters = sorted(view.filters.model_fields.keys() - {"limit", "after"})
        yield f"`{view.name}`", _spans(view.parts), _spans(view.required), _spans(filters) or "–"


def _fields() -> Iterator[Sequence[str]]:
    for event in EVENTS:
        own = _own_fields(event, leave_out=Event)
        yield f"`{event.type}`", _first_line(event), own


def _pieces() -> Iterator[Sequence[str]]:
    pieces = dict.fromkeys(piece for event in EVENTS for piece in _pieces_of(event))
    for piece in pieces:
        yield f"`{piece.__name__}`", _own_fields(piece)


def _pieces_of(model: type[Any]) -> Iterator[type[Any]]:
    """The models within a model, each before those within it."""
    for hint in get_type_hints(model).values():
        for kind in (hint, *get_args(hint)):
            if inspect.isclass(kind) and hasattr(kind, "model_fields"):
                yield kind
                yield from _pieces_of(kind)


def _own_fields(model: type[Any], *, leave_out: type[Any] | None = None) -> str:
    hints = get_type_hints(model)
    shared = leave_out.model_fields if leave_out else ()
    return ", ".join(
        f"`{name}`{_kind(hints[name])}" for name in model.model_fields if name not in shared
    )


def _kind(hint: Any) -> str:
    """Say of what piece a field is, where it is one."""
    if get_origin(hint) is tuple:
        return f" (list of {get_args(hint)[0].__name__})"
    return f" ({hint.__name__})" if hasattr(hint, "model_fields") else ""


def _spans(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _link(function: Callable[..., object]) -> str:
    module = inspect.getmodule(function)
    assert module is not None
    name = f"{module.__name__.removeprefix('system.')}.{function.__name__}"
    return f"[`{name}`](../{module.__name__.replace('.', '/')}.py)"


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").split("\n")[0]
