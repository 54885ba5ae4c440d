"""The log: one line per fact, on stderr, as JSON or, for a person at a terminal, as text.

Every line has `level`, `service`, `message` and `timestamp`; the rest are the ids of what
happened. Messages are constant sentences, and what varies goes into fields:
`log.info("account opened", account=42)`. No secret and no person's name or address is logged: fields
are hidden by their names, and addresses and logins also inside texts, since drivers quote them.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Format = Literal["auto", "json", "text"]
Level = Literal["debug", "info", "warning", "error"]
Logger = FilteringBoundLogger

HIDDEN = "[hidden]"
TEXT_CHARACTERS_MAX = 20_000
"""Of one text in a line; a traceback has less."""
ADDRESS_CHARACTERS_MAX = 320

_HIDDEN_WORDS = frozenset(
    "password passwd pass secret dsn token authorization cookie credentials email mail phone".split()
)
_HIDDEN_NAMES = frozenset({"api_key", "mongo_uri", "user_name", "username"})
# Nothing here goes back over what it has read, for texts quote strangers: each pattern begins where
# a word begins and gives back no character (`++`). With `\S+@`, 40 kB of `aaa…` took 90 s.
_WORD = re.compile(r"\S++")
_DSN = re.compile(r"@(?:tcp|unix)\(")
_IN_ADDRESS = r"[\w.!#$%&*+/=?^{|}~-]"
_ADDRESS = re.compile(rf"(?<!{_IN_ADDRESS}){_IN_ADDRESS}++@[\w-]++(?:\.[\w-]++)++")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DEPTH_MAX = 6


def configure(
    log_format: Format,
    level: Level,
    service: str,
    stream: TextIO | None = None,
    *,
    also_of_roles: bool = False,
) -> None:
    """Set the log up for this process, structlog's and the libraries' alike.

    `service` is for lines that belong to no role; `logger` and `within` name a role. With
    `also_of_roles` it is for every line.
    """
    text = log_format == "text" or (log_format == "auto" and (stream or sys.stderr).isatty())
    render = _as_text(stream or sys.stderr) if text else _as_json()
    processors = _processors(service, render, also_of_roles=also_of_roles)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Output(stream),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(processors, level, stream)


def logger(service: str) -> Logger:
    """A role's own log. What is below the level costs next to nothing."""
    bound: Logger = structlog.get_logger(service=service)
    return bound


def within(service: str) -> None:
    """Name the role whose work this task and all that it starts are, also in libraries' lines."""
    structlog.contextvars.bind_contextvars(service=service)


def _processors(service: str, render: list[Processor], *, also_of_roles: bool) -> list[Processor]:
    def with_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service if also_of_roles else event.get("service", service)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        with_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(),  # plain: a traceback with locals shows secrets
        structlog.processors.EventRenamer("message"),
        hide,
        *render,
    ]


def hide(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace what is secret or personal by `[hidden]`, at any depth."""
    return {name: _hidden(name, value, _DEPTH_MAX) for name, value in event.items()}


def _hidden(name: str, value: object, depth: int) -> object:
    if _hides(name):
        return HIDDEN
    match value:
        case str():
            return _clean(value)
        case bytes():
            return _clean(value.decode("utf-8", "backslashreplace"))
        case None | bool() | float():
            return value
        case int() if value.bit_length() < 64:  # what JSON readers take for a whole number
            return value
        case Mapping() if depth:
            return {
                _clean(str(key)): _hidden(str(key), inner, depth - 1)
                for key, inner in value.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_hidden("", inner, depth - 1) for inner in value]
        case _:
            return _clean(str(value))


@lru_cache(maxsize=1_000)
def _hides(name: str) -> bool:
    words = name.lower().replace("-", "_")
    return words in _HIDDEN_NAMES or not _HIDDEN_WORDS.isdisjoint(words.split("_"))


def _clean(text: str) -> str:
    """Text of bounded length that is UTF-8 for sure and quotes no address and no login."""
    if len(text) > TEXT_CHARACTERS_MAX:
        text = _cut(text)
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if "@" not in text:
        return text
    return _ADDRESS.sub(HIDDEN, _WORD.sub(_without_login, text))


def _cut(text: str) -> str:
    """The beginning of a text, without an address or a login that the cut goes through."""
    begin, _, last_word = text[:TEXT_CHARACTERS_MAX].rpartition(" ")
    is_address = "@" in last_word or len(last_word) < ADDRESS_CHARACTERS_MAX  # or may become one
    kept = begin if is_address else text[:TEXT_CHARACTERS_MAX]
    return f"{kept}… and {len(text) - len(kept)} characters more"


def _without_login(word: re.Match[str]) -> str:
    """`mysql://user:password@host/…` and `user:password@tcp(host)/…` without what is before the @.

    The last one counts: a password may hold an @ itself.
    """
    text = word[0]
    begins, ends = text.find("://"), text.rfind("@")
    if 0 <= begins < ends:
        return f"{text[:begins]}://{HIDDEN}{text[ends + 1 :]}"
    dsn = max((found.start() for found in _DSN.finditer(text)), default=None)
    return text if dsn is None else f"{HIDDEN}{text[dsn:]}"


def _as_json() -> list[Processor]:
    return [_in_order, _json]


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    timestamp = event.pop("timestamp")
    first = {name: event.pop(name) for name in ("level", "service", "message")}
    return {**first, **event, "timestamp": timestamp}


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(event).decode()


def _as_text(stream: TextIO) -> list[Processor]:
    colors = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        event_key="message",
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )
    return [_printable, renderer]


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Let no input move the cursor, color the terminal or forge a line."""
    for name, value in event.items():
        if isinstance(value, str) and name not in ("exception", "stack"):
            event[name] = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], value)
    return event


class _Output:
    """Writes lines to the stream, or to whatever stderr is at that moment."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")  # one write: lines of two threads do not mix
            stream.flush()
        except OSError:
            # The log's reader is gone (a closed pipe, a full disk), and there is no other
            # place to say so. Requests and events must not fail for it.
            return

    debug = info = warning = error = critical = exception = msg


class _LibraryLines(logging.Handler):
    """Sends what libraries log through the same processors and out of the same door."""

    def __init__(self, processors: list[Processor], output: _Output) -> None:
        super().__init__()
        self._processors = processors
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line: Any = {"event": record.getMessage(), "logger": record.name}
            if record.exc_info:
                line["exc_info"] = record.exc_info
            level = record.levelname.lower()
            for process in self._processors:
                line = process(None, level, line)
            self._output.msg(line)
        except Exception:  # noqa: BLE001  # as logging's own handlers: a wrong format fails no caller
            self.handleError(record)


def _configure_libraries(processors: list[Processor], level: Level, stream: TextIO | None) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _LibraryLines)]:
        root.removeHandler(handler)
    root.addHandler(_LibraryLines(processors, _Output(stream)))
    # Libraries' own info and debug lines hold statements with their parameters: people's data.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.captureWarnings(True)
