"""Settings come from the environment and from `.env`, and bad ones are told in one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from system.kit.settings import BadSettings, mysql_url, seconds
from system.settings import Settings, load_settings

Environment = Callable[..., Settings]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Load the settings as a process would that has these variables and this `.env`."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)

    def load(dotenv: str | None = None, **variables: str) -> Settings:
        if dotenv is not None:
            (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


SEED = """\
# Configurações gerais
ENV=development

# MySQL (Write Model)
MYSQL_DSN=ecommerce:ecommerce@tcp(localhost:3306)/ecommerce?parseTime=true

# MongoDB (Read Model)
MONGO_URI=mongodb://admin:admin@localhost:27017/ecommerce?authSource=admin

# Kafka
KAFKA_BROKERS=localhost:9092

# Outbox
OUTBOX_POLL_INTERVAL=1s
"""


def test_without_any_the_defaults_hold(settings: Environment) -> None:
    assert settings() == Settings()


def test_the_env_file_of_the_seed_works_as_it_is(settings: Environment) -> None:
    loaded = settings(dotenv=SEED)

    assert loaded.outbox_poll_interval_s == 1.0
    assert loaded.kafka_brokers == ("localhost:9092",)
    assert loaded.mongo_uri.get_secret_value().startswith("mongodb://admin:admin@localhost")
    assert loaded.mysql_url().render_as_string(hide_password=False) == (
        "mysql+aiomysql://ecommerce:ecommerce@localhost:3306/ecommerce"
    )


def test_the_environment_wins_over_the_file(settings: Environment) -> None:
    assert settings(dotenv="PORT=9000", PORT="9001").port == 9001


def test_what_is_not_ours_is_passed_over(settings: Environment) -> None:
    assert settings(dotenv="PATH_TO_NOWHERE=1", KAFKA_BROKER_LIST="x", port="1") == Settings()


def test_an_empty_variable_means_none_where_there_may_be_none(settings: Environment) -> None:
    loaded = settings(PORT="", SERVICE_NAME="", ADMIN_TOKEN="", RETRY_DELAYS="")

    assert (loaded.port, loaded.service_name, loaded.admin_token) == (None, None, None)
    assert loaded.retry_delays_s == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", 1.0),
        ("250ms", 0.25),
        ("50ms", 0.05),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1m30s", 90.0),
        ("168h", 604_800.0),
        ("1h0m0.1s", 3600.1),
        ("100us", 0.0001),
        ("100µs", 0.0001),
        ("100μs", 0.0001),
        ("5ns", 5e-9),
    ],
)
def test_a_duration_is_written_as_in_go(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "s", "1 s", "-1s", "1S", "1e3s", "1s,", "\uff11s", "1d", "ms1"]
)
def test_what_go_would_not_read_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        ("u:p@tcp(db:33)/shop", "mysql+aiomysql://u:p@db:33/shop"),
        ("u:p@tcp(db)/shop", "mysql+aiomysql://u:p@db:3306/shop"),
        ("u:p@tcp([::1]:33)/shop", "mysql+aiomysql://u:p@[::1]:33/shop"),
        ("u:p@tcp([::1])/shop", "mysql+aiomysql://u:p@[::1]:3306/shop"),
        ("u@tcp/shop", "mysql+aiomysql://u@127.0.0.1:3306/shop"),
        ("u:@/shop", "mysql+aiomysql://u:@127.0.0.1:3306/shop"),
        ("u:p@tcp(db)/shop?parseTime=true&loc=Asia%2FTokyo", "mysql+aiomysql://u:p@db:3306/shop"),
        # Go takes the last @ before the last /, and the first colon: the rest is password
        ("u:p@ss/w:rd@tcp(db)/shop", "mysql+aiomysql://u:p%40ss%2Fw%3Ard@db:3306/shop"),
        ("u:100%25@tcp(db)/shop", "mysql+aiomysql://u:100%2525@db:3306/shop"),
        ("u:a(b)?c@tcp(db)/shop", "mysql+aiomysql://u:a%28b%29%3Fc@db:3306/shop"),
        ("mysql://u:p%40ss@db/shop", "mysql+aiomysql://u:p%40ss@db:3306/shop"),
        ("mysql+pymysql://u:p@db:33/shop", "mysql+aiomysql://u:p@db:33/shop"),
        (
            "mariadb://u:p@db/shop?charset=utf8mb4",
            "mariadb+aiomysql://u:p@db:3306/shop",
        ),
        ("mysql://u:p@db/shop?parseTime=true", "mysql+aiomysql://u:p@db:3306/shop"),
    ],
)
def test_the_dsn_is_read_as_go_reads_it_or_as_sqlalchemy_does(dsn: str, url: str) -> None:
    read = mysql_url(dsn)

    assert read.render_as_string(hide_password=False) == url
    assert read.get_dialect().driver == "aiomysql"


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("dsn", "because"),
    [
        (f"u:{SECRET}@unix(/run/mysqld.sock)/shop", "unix socket"),
        (f"u:{SECRET}@udp(db)/shop", r"no tcp\(host:port\)"),
        (f"u:{SECRET}@tcp(db:0)/shop", "no host:port"),
        (f"u:{SECRET}@tcp(db:99999)/shop", "no host:port"),
        (f"u:{SECRET}@tcp(db:x)/shop", "no host:port"),
        (f"u:{SECRET}@tcp(db)", "no /database"),
        (f"u:{SECRET}@tcp(db)/", "no database"),
        (f"u:{SECRET}/shop", r"no tcp\(host:port\)"),
        (f"u:{SECRET}@tcp(db)/shop?tls=true", "tls"),
        (f"u:{SECRET}@tcp(db)/shop?sql_mode={SECRET}", "parameter"),
        (f"u:x@tcp(db)/shop?{SECRET}", "parameter"),
        (f"mysql://u:{SECRET}@db/shop?ssl=true", "ssl"),
        (f"mysql://u:{SECRET}@db/shop?foo=bar", "parameter"),
        (f"mysql://u:{SECRET}@db/shop?foo=bar&foo=bar", "parameter"),
        (f"mysql://u:{SECRET}@db/shop?charset=latin1", "charset"),
        (f"u:{SECRET}@tcp(db)/shop?charset=latin1", "charset"),
        (f"mysql://u:{SECRET}@db", "no database"),
        (f"mysql://u:x@db:{SECRET}/shop", "not an SQLAlchemy URL"),
        (f"mysql://u:{SECRET}@db:0/shop", "port"),
        (f"postgres://u:{SECRET}@db/shop", r"no tcp\(host:port\)"),
    ],
)
def test_a_bad_dsn_is_refused_without_a_word_of_it(
    settings: Environment, dsn: str, because: str
) -> None:
    with pytest.raises(BadSettings, match=f"MYSQL_DSN: .*{because}") as refused:
        settings(MYSQL_DSN=dsn)

    assert SECRET not in _all_that_a_traceback_shows(refused.value)


def _all_that_a_traceback_shows(error: BaseException) -> str:
    shown = str(error) + repr(error)
    if error.__cause__ or (error.__context__ and not error.__suppress_context__):
        shown += _all_that_a_traceback_shows(error.__cause__ or error.__context__ or error)
    return shown


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PORT", "0", "PORT: '0' is not a whole number from 1 to 65535"),
        ("PORT", "65536", "PORT: '65536' is not a whole number from 1 to 65535"),
        ("PORT", "8_081", "PORT: '8_081' is not a whole number from 1 to 65535"),
        ("SQL_POOL_SIZE", "٣", "SQL_POOL_SIZE: '٣' is not a whole number from 1 to 1000"),
        (
            "OUTBOX_POLL_INTERVAL",
            "1",
            "OUTBOX_POLL_INTERVAL: '1' is not a duration; expected one such as 250ms or 1m30s",
        ),
        (
            "OUTBOX_POLL_INTERVAL",
            "0s",
            "OUTBOX_POLL_INTERVAL: '0s' is out of range; expected 1ms to 1m",
        ),
        (
            "OUTBOX_POLL_INTERVAL",
            "2m",
            "OUTBOX_POLL_INTERVAL: '2m' is out of range; expected 1ms to 1m",
        ),
        (
            "RETRY_DELAYS",
            "1s,,2s",
            "RETRY_DELAYS: '' is not a duration; expected one such as 250ms or 1m30s",
        ),
        (
            "KAFKA_PREFIX",
            "our shop.",
            (
                "KAFKA_PREFIX: 'our shop.' cannot begin a topic's name; expected up to 100 of"
                " A-Z a-z 0-9 . _ -"
            ),
        ),
        (
            "KAFKA_BROKERS",
            "a:1,b:x",
            (
                "KAFKA_BROKERS: 'b:x' is not a broker; expected host:port, several with commas "
                "between: kafka-1:9092,kafka-2:9092"
            ),
        ),
        (
            "LOG_LEVEL",
            "loud",
            "LOG_LEVEL: 'loud' is unknown; expected one of debug, info, warning, error",
        ),
        (
            "HOST",
            "a b\n",
            r"HOST: 'a b\n' is not an address; expected one such as 127.0.0.1, 0.0.0.0 or ::1",
        ),
        (
            "SERVICE_NAME",
            "x" * 101,
            f"SERVICE_NAME: '{'x' * 60}…' is not a name of 1 to 100 visible ASCII characters",
        ),
        (
            "ADMIN_TOKEN",
            "my secret",
            "ADMIN_TOKEN: is not usable; expected 1 to 200 visible ASCII characters, no spaces",
        ),
    ],
)
def test_a_bad_value_is_one_clear_line(
    settings: Environment, name: str, value: str, line: str
) -> None:
    with pytest.raises(BadSettings) as refused:
        settings(**{name: value})

    assert str(refused.value) == line


def test_every_bad_value_has_its_line(settings: Environment) -> None:
    with pytest.raises(BadSettings) as refused:
        settings(dotenv="PORT=x\nHTTP_TIMEOUT=never", LOG_FORMAT="xml")

    names = [line.split(":")[0] for line in str(refused.value).splitlines()]
    assert sorted(names) == ["HTTP_TIMEOUT", "LOG_FORMAT", "PORT"]


@pytest.mark.parametrize(
    "uri",
    [f"mongodb://u:{SECRET}@x@db/shop", f"http://u:{SECRET}@db", f"mongodb://u:{SECRET}@/shop"],
)
def test_a_bad_mongo_uri_is_refused_without_a_word_of_it(settings: Environment, uri: str) -> None:
    with pytest.raises(BadSettings, match="MONGO_URI: is not a MongoDB URI") as refused:
        settings(MONGO_URI=uri)

    assert SECRET not in _all_that_a_traceback_shows(refused.value)


@pytest.mark.parametrize(
    ("content", "because"), [(b"PORT=\xff", "it is not UTF-8"), (None, "Permission denied")]
)
def test_a_file_that_cannot_be_read_is_one_clear_line(
    settings: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    because: str,
) -> None:
    (tmp_path / ".env").write_bytes(content or b"")
    if content is None:
        # root may read everything, so the refusal is played
        monkeypatch.setattr("builtins.open", _denied)

    with pytest.raises(BadSettings, match=f"^.env cannot be read: {because}$"):
        settings()


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_brokers_are_host_and_port(settings: Environment) -> None:
    loaded = settings(KAFKA_BROKERS="kafka-1:9092, kafka-2,[::1]:9093,::1")

    assert loaded.kafka_brokers == ("kafka-1:9092", "kafka-2:9092", "[::1]:9093", "[::1]:9092")


def test_secrets_do_not_show(settings: Environment) -> None:
    loaded = settings(
        MYSQL_DSN=f"u:{SECRET}@tcp(db)/shop",
        MONGO_URI=f"mongodb://u:{SECRET}@db/shop",
        ADMIN_TOKEN=SECRET,
    )

    assert SECRET not in repr(loaded) + str(loaded) + loaded.model_dump_json()
    assert SECRET not in repr(loaded.mysql_url()) + str(loaded.mysql_url())


def test_settings_made_in_code_need_no_environment(settings: Environment) -> None:
    settings(PORT="1")

    assert Settings(retry_delays_s=(0.1,), outbox_poll_interval_s=0.002).port is None


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("MYSQL_DSN='a:pa${word}x@tcp(db)/shop'", "pa${word}x"),
        ("MYSQL_DSN = 'a:pa$word@tcp(db)/shop'", "pa$word"),
        ("export MYSQL_DSN='a:pa$$x@tcp(db)/shop'  # kept", "pa$$x"),
        ("MYSQL_DSN=a:pa$x@tcp(db)/shop", "pa$x"),
        ("P=secret\nMYSQL_DSN=a:${P}x@tcp(db)/shop", "secretx"),
        ('P=secret\nMYSQL_DSN="a:${P}x@tcp(db)/shop"', "secretx"),
        ("MYSQL_DSN=a:${NOBODY:-default}@tcp(db)/shop", "default"),
    ],
)
def test_a_dollar_in_single_quotes_is_a_dollar(
    settings: Environment, line: str, password: str
) -> None:
    assert settings(dotenv=line).mysql_url().password == password
