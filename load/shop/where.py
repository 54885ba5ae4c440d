"""Where the roles of the system are, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from load.kit import gauges, http
from load.kit.bad_use import BadUse
from load.kit.gauges import Gauge, Values
from load.kit.rest import CannotLook

PORTS = {
    "user-api": 8081,
    "product-api": 8082,
    "order-api": 8083,
    "query-api": 8084,
    "user-consumer": 8091,
    "product-consumer": 8092,
    "order-consumer": 8093,
    "query-consumer": 8094,
}
RELAYED = {"user-consumer": "user", "product-consumer": "product", "order-consumer": "order"}
"""Whose outbox each of them relays."""
READING = ("product-consumer", "order-consumer", "query-consumer")
"""Those that read topics.

All this stands in `system/table.py`, and a test holds it to that: whoever asks from outside need not
load the system, and loads in a quarter of the time.
"""
CONSUMERS = [role for role in PORTS if role.endswith("-consumer")]

BACKLOG = Gauge("outbox_backlog", by="aggregate", shared=True)
AGE = Gauge("outbox_oldest_age_seconds", by="aggregate", shared=True)
LAG = Gauge("consumer_lag", by="group")
PUBLISHED = Gauge("events_published_total", by="topic")
PARKED = Gauge("dead_letters_total", by="consumer")
ALL = (BACKLOG, AGE, LAG, PUBLISHED, PARKED)

LOOK_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Where:
    """The base URLs of each role; of a consumer there may be several processes."""

    urls: Mapping[str, Sequence[str]]

    @staticmethod
    def of(host: str, given: Mapping[str, str | None]) -> Where:
        """`given` per role, where it differs: one URL, or several between commas.

        Raises BadUse.
        """
        base = _base(host, "--host")
        if urlsplit(base).port is not None:
            raise BadUse(f"--host {host}: without a port; each role has its own (docs/load.md)")
        urls = {}
        for role, port in PORTS.items():
            there = given.get(role) or f"{base}:{port}"
            urls[role] = [_base(url, f"--{role}") for url in there.split(",")]
        return Where(urls)

    def role(self, name: str) -> str:
        return self.urls[name][0]

    def look(self) -> Values:
        """What all consumers say of themselves now. Raises CannotLook where one does not."""
        values, missing = self.glance()
        if missing:
            raise CannotLook(missing)
        return values

    def glance(self) -> tuple[Values, str]:
        """What those consumers say of themselves that answer, and which of the others do not."""
        texts, missing = [], []
        for consumer in CONSUMERS:
            for url in self.urls[consumer]:
                try:
                    answer = http.ask(f"{url}/metrics", timeout_s=LOOK_TIMEOUT_S)
                    gauges.read([answer.text], ALL)
                except http.NoAnswer as none:
                    missing.append(f"{consumer}: {none}")
                except ValueError as error:
                    missing.append(f"{consumer}: {url}/metrics cannot be read: {error}")
                else:
                    texts.append(answer.text)
        return gauges.read(texts, ALL), ", ".join(missing)


def under_way(values: Values) -> str:
    """What is still to be published or handled. Empty: nothing. Raises CannotLook."""
    backlog = gauges.by_label(values, BACKLOG.sample)
    lag = gauges.by_label(values, LAG.sample)
    for consumer, aggregate in RELAYED.items():
        if aggregate not in backlog:
            raise CannotLook(f"{consumer} does not say yet what waits in its outbox")
    for consumer in READING:
        if not any(_is_of(group, consumer) for group in lag):
            raise CannotLook(f"{consumer} does not read yet")
    waiting = [
        f"{rows:.0f} events of {name} in the outbox" for name, rows in backlog.items() if rows
    ]
    waiting += [f"{records:.0f} records before {name}" for name, records in lag.items() if records]
    return ", ".join(waiting)


def parked(before: Mapping[str, float] | None, after: Values) -> Mapping[str, int] | None:
    """Messages parked meanwhile, by consumer. A counter that fell began anew with its process."""
    if before is None:
        return None
    now = gauges.by_label(after, PARKED.sample)
    since = {
        name: now.get(name, 0.0)
        - (before.get(name, 0.0) if now.get(name, 0.0) >= before.get(name, 0.0) else 0.0)
        for name in CONSUMERS
    }
    return {name: int(messages) for name, messages in since.items()}


def _is_of(group: str, consumer: str) -> bool:
    """The query side's groups are named for the generation that they build, too."""
    return group == consumer or group.startswith(f"{consumer}.")


def _base(url: str, option: str) -> str:
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        is_base = parts.scheme in ("http", "https") and parts.hostname and not parts.query
        _ = parts.port
    except ValueError:
        is_base = False
    if not is_base or parts.path or parts.username:
        raise BadUse(f"{option} {url!r}: it should look like http://localhost")
    return text
