"""Settings, from the environment and from `.env`; the environment wins.

`KitSettings` is plain data with defaults: a system adds where its stores are, tests and the
simulation make their own. `load` is the only reader of the environment. Durations are written as in
Go (`250ms`, `1m30s`) and are seconds inside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import unquote

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import URL  # an operation has no database, and loads in half the time

MYSQL_PORT = 3306
KAFKA_PORT = 9092

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign and the Greek letter, as Go takes both
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_AMOUNT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?")
_SHOWN_MAX = 60

_GO_PARAMETERS = frozenset(
    "allowAllFiles allowCleartextPasswords allowFallbackToPlaintext allowNativePasswords"
    " allowOldPasswords charset checkConnLiveness clientFoundRows collation columnsWithAlias"
    " connectionAttributes compress interpolateParams loc maxAllowedPacket multiStatements"
    " parseTime readTimeout rejectReadOnly timeout timeTruncate writeTimeout".split()
)
"""What steers Go's own driver only: understood and left out, the system sets its sessions up."""


class BadSettings(Exception):
    """Settings cannot be used. One line for each: its name, what is wrong, what is expected."""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…")


# Readers: each takes the text of a variable, or a ready value from code, or raises ValueError.


def seconds(text: str) -> float:
    """Read a duration as Go writes it: `1s`, `250ms`, `1m30s`, `1.5s`. Raises ValueError."""
    amounts = _AMOUNT.findall(text)
    if not amounts or "".join(number + unit for number, unit in amounts) != text:
        raise ValueError(f"{_shown(text)} is not a duration; expected one such as 250ms or 1m30s")
    nanoseconds = sum(Fraction(number.rstrip(".")) * _NANOSECONDS[unit] for number, unit in amounts)
    return float(nanoseconds / 10**9)


def _duration(least: str, most: str) -> BeforeValidator:
    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        duration = seconds(value.strip())
        if not seconds(least) <= duration <= seconds(most):
            raise ValueError(f"{_shown(value)} is out of range; expected {least} to {most}")
        return duration

    return BeforeValidator(read)


def _delays(value: object) -> object:
    if not isinstance(value, str):
        return value
    delays = tuple(seconds(part.strip()) for part in value.split(",")) if value.strip() else ()
    if len(delays) > 100 or any(delay > 3600 for delay in delays):
        raise ValueError("is too long; expected at most 100 durations of up to 1h: 1s,2s,4s,8s,16s")
    return delays


def _number(least: int, most: int) -> BeforeValidator:
    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or not least <= int(value) <= most:
            raise ValueError(f"{_shown(value)} is not a whole number from {least} to {most}")
        return int(value)

    return BeforeValidator(read)


def _choice(*names: str) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, str) and value.strip().lower() in names:
            return value.strip().lower()
        raise ValueError(f"{_shown(str(value))} is unknown; expected one of {', '.join(names)}")

    return BeforeValidator(read)


def _unset_if_empty(value: object) -> object:
    """An empty variable is how a compose file says that there is none."""
    return None if value == "" else value


def _word(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[!-~]{1,100}", value):
        raise ValueError(f"{_shown(value)} is not a name of 1 to 100 visible ASCII characters")
    return value


def _prefix(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
        raise ValueError(
            f"{_shown(value)} cannot begin a topic's name; expected up to 100 of A-Z a-z 0-9 . _ -"
        )
    return value


def _token(value: object) -> object:
    """Hold it to what an HTTP header can carry. Never shows the value."""
    if isinstance(value, str) and not re.fullmatch(r"[!-~]{1,200}", value):
        raise ValueError("is not usable; expected 1 to 200 visible ASCII characters, no spaces")
    return value


def _host(text: str) -> str:
    if ":" in text:
        return str(IPv6Address(text))
    if not _HOST_NAME.fullmatch(text):
        raise ValueError("no host name")
    return text


def _bind_address(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return _host(value.strip())
    except ValueError:
        raise ValueError(
            f"{_shown(value)} is not an address; expected one such as 127.0.0.1, 0.0.0.0 or ::1"
        ) from None


def _host_and_port(text: str, default_port: int) -> tuple[str, int]:
    """Split `host`, `host:port`, `[::1]`, `[::1]:port` or `::1`. Raises ValueError."""
    bracketed = re.fullmatch(r"\[([^]]*)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([^:]*)(?::([0-9]{1,5}))?", text)
    if parts := bracketed or plain:
        host, port = _host(parts[1]), int(parts[2] or default_port)
    else:
        host, port = str(IPv6Address(text)), default_port
    if not 1 <= port <= 65535:
        raise ValueError("no port")
    return host, port


def _brokers(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_broker(part.strip()) for part in value.split(","))


def _broker(text: str) -> str:
    try:
        host, port = _host_and_port(text, KAFKA_PORT)
    except ValueError:
        raise ValueError(
            f"{_shown(text)} is not a broker; expected host:port, several with commas between: "
            "kafka-1:9092,kafka-2:9092"
        ) from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def mysql_url(dsn: str) -> URL:
    """Read Go's DSN form or an SQLAlchemy URL. Raises ValueError, never with a piece of the text.

    A piece might be the password: an escape or an `@` that was forgotten shifts all the parts.
    """
    is_url = re.match(r"(mysql|mariadb)(\+\w+)?://", dsn)
    url = _from_sqlalchemy(dsn) if is_url else _from_go(dsn)
    if not url.host or not url.database:
        raise ValueError(f"names no host or no database; {_DSN_EXPECTED}")
    return url.set(query={})


_DSN_EXPECTED = (
    "expected user:password@tcp(host:3306)/database or mysql://user:password@host:3306/database"
)


def _from_sqlalchemy(text: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"is not an SQLAlchemy URL; {_DSN_EXPECTED}") from None
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError("has a port outside 1 to 65535")
    for name, value in url.query.items():
        _check_parameter(name, value if isinstance(value, str) else ",".join(value))
    backend = url.get_backend_name()
    return url.set(drivername=f"{backend}+aiomysql", port=url.port or MYSQL_PORT)


def _from_go(dsn: str) -> URL:
    """Follow Go's own parser: the last `/` ends the address, the last `@` before it the password.

    So a password may hold `@`, `:` and `/` as they are, and nothing in it is an escape.
    """
    from sqlalchemy.engine import URL

    before, slash, after = dsn.rpartition("/")
    if not slash:
        raise ValueError(f"has no /database; {_DSN_EXPECTED}")
    login, _, network = before.rpartition("@")
    user, colon, password = login.partition(":")
    database, _, parameters = after.partition("?")
    _check_parameters(parameters)
    host, port = _address(network)
    return URL.create(
        "mysql+aiomysql",
        username=user or None,
        password=password if colon else None,
        host=host,
        port=port,
        database=unquote(database),
    )


def _address(network: str) -> tuple[str, int]:
    if network.startswith("unix"):
        raise ValueError(f"names a unix socket, which is not supported; {_DSN_EXPECTED}")
    parts = re.fullmatch(r"(?:tcp)?(?:\((.*)\))?", network)
    if parts is None:
        raise ValueError(f"names no tcp(host:port); {_DSN_EXPECTED}")
    try:
        return _host_and_port(parts[1] or "127.0.0.1", MYSQL_PORT)
    except ValueError:
        raise ValueError(f"has no host:port inside tcp(…); {_DSN_EXPECTED}") from None


def _check_parameters(text: str) -> None:
    for parameter in filter(None, text.split("&")):
        name, _, value = parameter.partition("=")
        _check_parameter(name, value)


def _check_parameter(name: str, value: str) -> None:
    if name in ("tls", "ssl"):
        if value.lower() not in ("false", "0"):
            raise ValueError(f"asks for {name}, which is not supported; expected it without")
    elif name == "charset":
        if "utf8mb4" not in value.split(","):
            raise ValueError("has a charset that is not utf8mb4, which is what the system speaks")
    elif name not in _GO_PARAMETERS:
        raise ValueError(
            "has a parameter after the ? that is not understood; expected none but those of "
            "Go's driver, such as parseTime=true (session variables are set by the system)"
        )


def _dsn(value: object) -> object:
    if isinstance(value, str):
        mysql_url(value)
    return value


def _mongo_uri(value: object) -> object:
    if not isinstance(value, str):
        return value
    uri = re.fullmatch(
        r"mongodb(?:\+srv)?://(?:[^/?@\s]*@)?([^/?@\s,]+(?:,[^/?@\s,]+)*)(/\S*)?", value
    )
    if uri is None:
        raise ValueError(
            "is not a MongoDB URI; expected mongodb://user:password@host:27017/database, with "
            "@ : / in a password written as %40 %3A %2F"
        )
    return value


Dsn = Annotated[SecretStr, BeforeValidator(_dsn)]
MongoUri = Annotated[SecretStr, BeforeValidator(_mongo_uri)]


class KitSettings(BaseModel):
    """What can be set from outside, with its defaults. Secrets show in no repr and no error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True
    )

    env: Annotated[str, BeforeValidator(_word)] = Field(
        default="development", validation_alias="ENV"
    )
    """The name of this installation. Appears in the logs; changes nothing."""

    host: Annotated[str, BeforeValidator(_bind_address)] = Field(
        default="127.0.0.1", validation_alias="HOST"
    )
    """Where the APIs listen. Nothing here checks who calls, so the default is this machine only."""
    port: Annotated[int | None, _number(1, 65535), BeforeValidator(_unset_if_empty)] = Field(
        default=None, validation_alias="PORT"
    )
    """Instead of the role's own port; for exactly one role."""
    http_timeout_s: Annotated[float, _duration("100ms", "5m")] = Field(
        default=10.0, validation_alias="HTTP_TIMEOUT"
    )
    """The bound of one HTTP request."""
    admin_token: Annotated[
        SecretStr | None, BeforeValidator(_token), BeforeValidator(_unset_if_empty)
    ] = Field(default=None, validation_alias="ADMIN_TOKEN")
    """Opens the consumers' /admin to other machines; without it, loopback only."""

    mysql_dsn: Dsn = Field(
        default=SecretStr("app:app@tcp(localhost:3306)/app"), validation_alias="MYSQL_DSN"
    )
    sql_timeout_s: Annotated[float, _duration("100ms", "1m")] = Field(
        default=5.0, validation_alias="SQL_TIMEOUT"
    )
    """The bound of one transaction."""
    sql_pool_size: Annotated[int, _number(1, 1000)] = Field(
        default=20, validation_alias="SQL_POOL_SIZE"
    )
    """Connections per process; more than a consumer has lanes, or lanes wait for each other."""
    mongo_uri: MongoUri = Field(
        default=SecretStr("mongodb://localhost:27017/app"), validation_alias="MONGO_URI"
    )
    kafka_brokers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_brokers)] = Field(
        default=("localhost:9092",), validation_alias="KAFKA_BROKERS"
    )
    kafka_replication: Annotated[int, _number(1, 100)] = Field(
        default=1, validation_alias="KAFKA_REPLICATION"
    )
    """Replicas of the topics that are made at start."""
    kafka_prefix: Annotated[str, BeforeValidator(_prefix)] = Field(
        default="", validation_alias="KAFKA_PREFIX"
    )
    """Before the name of every topic and group, so that several systems can share a broker."""
    kafka_session_timeout_s: Annotated[float, _duration("1s", "30m")] = Field(
        default=6.0, validation_alias="KAFKA_SESSION_TIMEOUT"
    )
    """How long a group waits for a silent consumer before its partitions go to others."""

    instance: Annotated[str | None, BeforeValidator(_word), BeforeValidator(_unset_if_empty)] = (
        Field(default=None, validation_alias="INSTANCE")
    )
    """This process among others of its role; a restart under the same name takes its place."""

    outbox_poll_interval_s: Annotated[float, _duration("1ms", "1m")] = Field(
        default=0.05, validation_alias="OUTBOX_POLL_INTERVAL"
    )
    """The relay's longest pause between two looks at an idle outbox."""
    retry_delays_s: Annotated[tuple[float, ...], NoDecode, BeforeValidator(_delays)] = Field(
        default=(1.0, 2.0, 4.0, 8.0, 16.0), validation_alias="RETRY_DELAYS"
    )
    """One retry after each; then the message is parked. Empty: parked at the first failure."""
    outbox_retention_s: Annotated[float, _duration("1s", "87600h")] = Field(
        default=3600.0, validation_alias="OUTBOX_RETENTION"
    )
    idempotency_retention_s: Annotated[float, _duration("1s", "87600h")] = Field(
        default=24 * 3600.0, validation_alias="IDEMPOTENCY_RETENTION"
    )
    inbox_retention_s: Annotated[float, _duration("1s", "87600h")] = Field(
        default=7 * 24 * 3600.0, validation_alias="INBOX_RETENTION"
    )

    service_name: Annotated[
        str | None, BeforeValidator(_word), BeforeValidator(_unset_if_empty)
    ] = Field(default=None, validation_alias="SERVICE_NAME")
    """The `service` field of the log, instead of the role's name. Names nothing else."""
    log_format: Annotated[Literal["auto", "json", "text"], _choice("auto", "json", "text")] = Field(
        default="auto", validation_alias="LOG_FORMAT"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _choice("debug", "info", "warning", "error")
    ] = Field(default="info", validation_alias="LOG_LEVEL")

    def mysql_url(self) -> URL:
        """The write model's place, as SQLAlchemy with aiomysql wants it."""
        return mysql_url(self.mysql_dsn.get_secret_value())


class _Environment(BaseSettings):
    """Settings read from variables. Their names are upper case, and nothing else."""

    model_config = SettingsConfigDict(
        case_sensitive=True, extra="ignore", env_file_encoding="utf-8", validate_by_name=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are none
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = getattr(dotenv_settings, "env_file", None)
        return init_settings, env_settings, _EnvFile(settings_cls, env_file=file)


class _EnvFile(DotEnvSettingsSource):
    """A `.env` that says to us what it says to compose."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return read_env_file(file_path)


def read_env_file(path: Path) -> dict[str, str | None]:
    """Read a `.env`: `$` is itself in single quotes, and `${NAME}` is replaced elsewhere.

    So does compose. The parser replaces it everywhere, unless told to replace it nowhere:

        MYSQL_DSN='shop:pa${word}x@tcp(db)/shop'     the password is pa${word}x
        MYSQL_DSN=shop:${PASSWORD}@tcp(db)/shop      it is what PASSWORD says
    """
    found: dict[str, str | None] = {}
    with path.open(encoding="utf-8") as file:
        for binding in parse_stream(file):
            if binding.key is None:
                continue
            value = binding.value
            if value is not None and not _IN_SINGLE_QUOTES.match(binding.original.string):
                known = {**found, **os.environ}
                value = "".join(atom.resolve(known) for atom in parse_variables(value))
            found[binding.key] = value
    return found


_IN_SINGLE_QUOTES = re.compile(r"[^=]*=[ \t]*'")


S = TypeVar("S", bound=KitSettings)


def load(kind: type[S], env_file: Path | None = Path(".env")) -> S:
    """Read settings of this kind from the environment and `.env`, if there is one.

    Raises BadSettings.

    Variables that are not ours are no mistake: the environment is full of them.
    """
    try:
        # the parameter is made by pydantic-settings and known to no type checker
        # and of two bases the last one's configuration counts, which forbids what is not ours
        namespace = {"model_config": _Environment.model_config}
        read: Callable[..., S] = type(kind.__name__, (_Environment, kind), namespace)
        return kind(**dict(read(_env_file=env_file)))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise BadSettings("\n".join(_lines(details))) from None  # the chain would show the values
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{env_file} cannot be read: {_reason(error)}") from None


def _lines(details: Iterable[ErrorDetails]) -> Iterable[str]:
    """One line each: pydantic's own words begin with a prefix, the reader's error does not."""
    for detail in details:
        yield f"{detail['loc'][0]}: {detail.get('ctx', {}).get('error', detail['msg'])}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
