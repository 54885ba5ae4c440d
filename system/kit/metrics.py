"""What a role counts and measures, for Prometheus.

Several roles share a process, so each has a registry of its own, served by its own port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The format of `generate_latest`, which every Prometheus reads."""

# Without it, every sample has a time stamp beside it that no one reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the package annotates it by halves

_REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_VISIBLE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one role."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "http_request_seconds",
            "From a request's arrival to its answer.",
            ("route", "method"),
            buckets=_REQUEST_BUCKETS_S,
            registry=self.registry,
        )
        self._outbox_backlog = Gauge(
            "outbox_backlog",
            "Events committed and not yet published.",
            ("aggregate",),
            registry=self.registry,
        )
        self._outbox_age = Gauge(
            "outbox_oldest_age_seconds",
            "Age of the oldest event not yet published.",
            ("aggregate",),
            registry=self.registry,
        )
        self._published = Counter(
            "events_published",
            "Events that the broker has acknowledged.",
            ("topic",),
            registry=self.registry,
        )
        self._lag = Gauge(
            "consumer_lag",
            "Records of a topic that a group has not handled yet.",
            ("group", "topic"),
            registry=self.registry,
        )
        self._retries = Counter(
            "retries",
            "Messages tried again after a failure.",
            ("consumer", "topic"),
            registry=self.registry,
        )
        self._dead_letters = Counter(
            "dead_letters",
            "Messages parked as dead letters.",
            ("consumer", "topic"),
            registry=self.registry,
        )
        self._duplicates = Counter(
            "duplicates",
            "Repeated messages that the inbox kept from a second effect.",
            ("consumer", "topic"),
            registry=self.registry,
        )
        self._visible = Histogram(
            "commit_to_view_seconds",
            "From an event's commit to its being visible in the views.",
            ("topic",),
            buckets=_VISIBLE_BUCKETS_S,
            registry=self.registry,
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template, never the path: labels must stay few."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route, method).observe(seconds)

    def outbox(self, aggregate: str, backlog: int, age_s: float) -> None:
        self._outbox_backlog.labels(aggregate).set(backlog)
        self._outbox_age.labels(aggregate).set(age_s)

    def published(self, topic: str, events: int) -> None:
        self._published.labels(topic).inc(events)

    def lag(self, group: str, topic: str, records: int) -> None:
        self._lag.labels(group, topic).set(records)

    def no_lag(self, group: str, topics: Iterable[str]) -> None:
        """Show nothing for a group that this process reads in no more."""
        for topic in topics:
            self._lag.remove(group, topic)

    def retry(self, consumer: str, topic: str) -> None:
        self._retries.labels(consumer, topic).inc()

    def dead_letter(self, consumer: str, topic: str) -> None:
        self._dead_letters.labels(consumer, topic).inc()

    def duplicate(self, consumer: str, topic: str, times: int = 1) -> None:
        self._duplicates.labels(consumer, topic).inc(times)

    def visible(self, topic: str, seconds: float) -> None:
        """Note how long an event took from its commit into the views; clocks may differ a bit."""
        self._visible.labels(topic).observe(max(0.0, seconds))

    def pool(self, in_use: Callable[[], int]) -> None:
        """Show how many connections to the write model are in use; asked at each scrape."""
        gauge = Gauge(
            "pool_connections_in_use",
            "Connections to the write model in use.",
            registry=self.registry,
        )
        gauge.set_function(in_use)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)
