"""One line per fact, with the seed's fields, and with nobody's secret or address in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from system.kit import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_set_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with structlog.contextvars.bound_contextvars():
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_fields_of_the_seed() -> None:
    stream = io.StringIO()
    logs.configure("auto", "info", "kit", stream)

    logs.logger("user-api").info("user created", user_id=1)

    (line,) = lines(stream)
    assert list(line) == ["level", "service", "message", "user_id", "timestamp"]
    assert line["level"] == "info"
    assert line["service"] == "user-api"
    assert line["message"] == "user created"
    assert line["user_id"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])


def test_each_role_of_a_process_speaks_in_its_own_name() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)

    logs.logger("order-api").info("ready")
    logs.logger("query-api").info("ready")

    assert [line["service"] for line in lines(stream)] == ["order-api", "query-api"]


async def test_a_library_speaks_in_the_name_of_the_role_whose_task_it_is_in() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)

    async def role(name: str) -> None:
        logs.within(name)
        await asyncio.create_task(library())

    async def library() -> None:
        logging.getLogger("aiokafka").warning("no answer from %s", "broker 1")

    await asyncio.gather(role("order-consumer"), role("user-consumer"))
    logging.getLogger("asyncio").error("slow")

    assert [(line["service"], line["message"], line["logger"]) for line in lines(stream)] == [
        ("order-consumer", "no answer from broker 1", "aiokafka"),
        ("user-consumer", "no answer from broker 1", "aiokafka"),
        ("kit", "slow", "asyncio"),
    ]


def test_libraries_are_heard_from_warning_on_since_their_chatter_quotes_data() -> None:
    stream = io.StringIO()
    logs.configure("json", "debug", "kit", stream)

    logging.getLogger("sqlalchemy.engine").info("INSERT INTO users VALUES ('Ana')")
    logging.getLogger("sqlalchemy.pool").warning("connection lost")

    assert [line["message"] for line in lines(stream)] == ["connection lost"]


def test_what_is_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    logs.configure("json", "warning", "kit", stream)
    log = logs.logger("order-api")

    log.debug("seen")
    log.info("seen")
    log.warning("seen")
    log.error("seen")

    assert [line["level"] for line in lines(stream)] == ["warning", "error"]


def test_setting_it_up_again_doubles_no_line() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)
    logs.configure("json", "info", "kit", stream)

    logging.getLogger("aiohttp.server").error("once")

    assert len(lines(stream)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "dsn",
        "mysql_dsn",
        "admin_token",
        "Authorization",
        "email",
        "new-email",
        "user_name",
    ],
)
def test_a_secret_or_personal_field_is_hidden_by_its_name_at_any_depth(name: str) -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)

    logs.logger("user-api").info("asked", body={"items": [{name: "hunter2"}]}, **{name: "hunter2"})

    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0][name] == logs.HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "Duplicate entry 'hunter2@example.com' for key 'users.email'",
        "cannot reach mongodb://admin:hunter2@db:27017/shop",
        "cannot reach mysql://admin:hunter2@x/y@db/shop",
        "cannot reach admin:hunter2@tcp(db:3306)/shop",
    ],
)
def test_an_address_or_a_login_is_hidden_inside_texts(text: str) -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)
    log = logs.logger("user-api")

    log.info(text, error=text, cause=OSError(text), notes=(text, text.encode()))
    logging.getLogger("driver").error(text)
    try:
        raise ConnectionError(text)
    except ConnectionError:
        log.exception("failed")

    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count(logs.HIDDEN) == 7


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000 + "@",
        "a@" * 500_000,
        "a@a." * 250_000,
        "://" * 300_000 + "@",
        "://@" * 250_000,
        "@tcp(" * 200_000,
        "@tcp " * 200_000,
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:5],
)
def test_a_stranger_s_text_is_cleaned_in_no_time_and_bounded(text: str) -> None:
    """Patterns that go back over what they have read would take minutes for one of these."""
    cleaned = logs.hide(None, "info", {"error": text, "short": text[:20_000]})

    assert all(len(str(value)) < 110_000 for value in cleaned.values())


def test_a_cut_goes_through_no_address() -> None:
    beside = "x " * 9_995 + "ada.lovelace@example.com says no"

    assert "ada" not in str(logs.hide(None, "info", {"error": beside})["error"])


def test_an_exception_is_text_in_one_field_without_locals() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)
    card = "4111 1111"

    try:
        raise ValueError("no such order")
    except ValueError:
        logs.logger("order-api").exception("failed", order_id=len(card))

    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback (most recent call last):")
    assert line["exception"].endswith("ValueError: no such order")
    assert card not in line["exception"]


def test_any_value_makes_a_valid_line() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", "kit", stream)

    logs.logger("kit").info(
        "odd", big=2**70, lone="\ud800", raw=b"\xff", nan=float("nan"), it=object
    )

    (line,) = lines(stream)
    assert (line["big"], line["lone"], line["raw"], line["nan"]) == (
        str(2**70),
        "\\ud800",
        "\\xff",
        None,
    )


def test_a_terminal_gets_colored_text_and_anything_else_json() -> None:
    terminal, file = Terminal(), io.StringIO()

    logs.configure("auto", "info", "kit", terminal)
    logs.logger("order-api").info("order placed", order_id=1)
    logs.configure("auto", "info", "kit", file)
    logs.logger("order-api").info("order placed", order_id=1)

    assert "order placed" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
    assert len(lines(file)) == 1


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_color_is_left_out_where_it_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    logs.configure("auto", "info", "kit", terminal)

    logs.logger("order-api").info("order placed")

    assert "\x1b" not in terminal.getvalue()


def test_text_in_a_file_has_no_color_and_json_can_be_had_on_a_terminal() -> None:
    terminal, file = Terminal(), io.StringIO()

    logs.configure("text", "info", "kit", file)
    logs.logger("order-api").info("order placed")
    logs.configure("json", "info", "kit", terminal)
    logs.logger("order-api").info("order placed")

    assert "\x1b" not in file.getvalue()
    assert len(lines(terminal)) == 1


def test_nobody_s_input_forges_a_line_or_moves_the_cursor() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", "kit", stream)

    logs.logger("order-api").info("asked\nforged", reason="\x1b[2J", path="a\r\nb\u2028c")

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_an_exception_keeps_its_lines_as_text() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", "kit", stream)

    try:
        raise ValueError("no such order")
    except ValueError:
        logs.logger("order-api").exception("failed")

    assert stream.getvalue().splitlines()[-1] == "ValueError: no such order"


def test_a_log_that_nobody_reads_any_more_stops_no_work() -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    logs.configure("json", "info", "kit", Closed())

    logs.logger("order-api").info("order placed")
    logging.getLogger("aiohttp.server").error("failed")


def test_without_a_stream_lines_go_to_what_is_stderr_at_that_moment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info", "kit")

    logs.logger("order-api").info("order placed")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["message"] == "order placed"


def test_python_s_own_warnings_are_lines_too() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("json", "info", "kit", stream)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)

    (line,) = lines(stream)
    assert line["level"] == "warning"
    assert "DeprecationWarning: old way" in line["message"]
