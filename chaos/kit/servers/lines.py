"""The lines between clients and servers, each through a proxy, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Proxies(Protocol):
    """What stands before the servers. Toxiproxy does."""

    async def spoil(
        self, proxy: str, toxic: str, name: str, /, *, stream: str, **attributes: int
    ) -> None: ...
    async def change(self, proxy: str, name: str, *, stream: str, **attributes: int) -> None: ...
    async def cure(self, proxy: str, name: str, *, stream: str) -> None: ...
    async def set_up(self, proxy: str, *, up: bool) -> None: ...


class Ends(NamedTuple):
    """Where a line begins and where it ends."""

    client: str
    server: str


@dataclass(frozen=True, slots=True)
class Toxic:
    """One thing that is wrong with a line in one direction, as Toxiproxy names it."""

    kind: str
    stream: str = "downstream"
    """Downstream are the server's answers, upstream the client's requests."""
    attributes: Mapping[str, int] = field(default_factory=dict)
    label: str = ""
    """Tells it from another of its kind on the same line."""

    @property
    def name(self) -> str:
        return self.label or self.kind


def latency(ms: int, *, jitter_ms: int = 0, stream: str = "downstream", label: str = "") -> Toxic:
    return Toxic("latency", stream, {"latency": ms, "jitter": jitter_ms}, label)


def bandwidth(kb_per_s: int) -> Toxic:
    return Toxic("bandwidth", attributes={"rate": kb_per_s})


def slices(size: int, *, pause_us: int) -> Toxic:
    """Answers come in pieces of about this many bytes, with a pause between."""
    return Toxic(
        "slicer", attributes={"average_size": size, "size_variation": size // 4, "delay": pause_us}
    )


def resets(after_ms: int) -> Toxic:
    """Each connection ends with a TCP RST, so long after its beginning."""
    return Toxic("reset_peer", attributes={"timeout": after_ms})


SILENCE = (
    Toxic("timeout", "downstream", {"timeout": 0}),
    Toxic("timeout", "upstream", {"timeout": 0}),
)
"""Half-open: the line takes everything and gives nothing, in both directions. Healed, it is closed."""


@dataclass(frozen=True, slots=True)
class Trap:
    """A fault that waits for its moment: toxics that let everything pass until it is sprung.

    A toxic that is added makes those before it let go of what they hold:

        1. `latency` holds an answer for 400 ms.  2. `timeout` is added: the answer is let go, first.

    A toxic that is there and is changed does not: what is held comes to it, and goes no further.
    """

    set_up: Sequence[Toxic]
    sprung: Sequence[Toxic]


_MUCH = 2**40
_LONG_MS = 24 * 3_600_000
ANSWERS_LOST = Trap(
    [Toxic("limit_data", attributes={"bytes": _MUCH})],
    [Toxic("limit_data", attributes={"bytes": 0})],
)
"""The connection is closed when the next byte of an answer comes, and no byte is let through."""
FALLS_SILENT = Trap(
    [latency(0, stream=stream, label="held") for stream in ("downstream", "upstream")],
    [latency(_LONG_MS, stream=stream, label="held") for stream in ("downstream", "upstream")],
)
"""The line keeps all that it is given, in both directions, until it is healed."""


class Lines:
    """All lines, by their ends."""

    def __init__(self, proxies: Proxies, names: Mapping[Ends, str]) -> None:
        """`names` gives the proxy on each line."""
        self._proxies = proxies
        self._names = names

    @property
    def clients(self) -> list[str]:
        return list(dict.fromkeys(ends.client for ends in self._names))

    @property
    def servers(self) -> list[str]:
        return list(dict.fromkeys(ends.server for ends in self._names))

    def between(self, client: str | None = None, server: str | None = None) -> list[str]:
        """The proxies on the lines of this client, to this server, or both. Raises LookupError."""
        found = [
            name
            for ends, name in self._names.items()
            if client in (None, ends.client) and server in (None, ends.server)
        ]
        if not found:
            raise LookupError(f"there is no line from {client or 'any'} to {server or 'any'}")
        return found

    @asynccontextmanager
    async def with_toxics(
        self, *toxics: Toxic, client: str | None = None, server: str | None = None
    ) -> AsyncIterator[None]:
        """Spoil these lines meanwhile: connections that are there, and new ones."""
        async with AsyncExitStack() as stack:
            for proxy in self.between(client, server):
                for toxic in toxics:
                    await self._proxies.spoil(
                        proxy, toxic.kind, toxic.name, stream=toxic.stream, **toxic.attributes
                    )
                    stack.push_async_callback(
                        self._proxies.cure, proxy, toxic.name, stream=toxic.stream
                    )
            yield

    async def spring(
        self, trap: Trap, *, client: str | None = None, server: str | None = None
    ) -> None:
        """Now: on lines that have the trap."""
        for proxy in self.between(client, server):
            for toxic in trap.sprung:
                await self._proxies.change(
                    proxy, toxic.name, stream=toxic.stream, **toxic.attributes
                )

    @asynccontextmanager
    async def cut(
        self, client: str | None = None, server: str | None = None
    ) -> AsyncIterator[Sequence[str]]:
        """Break the connections of these lines and refuse new ones meanwhile."""
        proxies = self.between(client, server)
        async with AsyncExitStack() as stack:
            for proxy in proxies:
                await self._proxies.set_up(proxy, up=False)
                stack.push_async_callback(self._proxies.set_up, proxy, up=True)
            yield proxies
