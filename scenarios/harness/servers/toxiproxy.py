"""Toxiproxy, which stands before a server and spoils its connections on request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.harness.servers.common import (
    HOST,
    Server,
    fetched,
    free_port,
    knock,
    need,
    run,
)

if TYPE_CHECKING:
    from scenarios.harness.servers.toxics import Toxics

VERSION = "v2.12.0"
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server"


class Toxiproxy(Server):
    """`address` is its HTTP API."""

    name = "toxiproxy"

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path()
        self._proxies: dict[str, tuple[int, str]] = {}

    @property
    def product(self) -> str:
        return f"Toxiproxy {VERSION}"

    async def fetch(self) -> None:
        async def build(folder: Path) -> None:
            go = need("go", "install Go, at least 1.23")
            await run(go, "install", f"{MODULE}@{VERSION}", env={"GOBIN": str(folder)})

        self._folder = await fetched(f"toxiproxy-{VERSION}", build)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return (self._folder / "server", "-host", HOST, "-port", str(self.port))

    @property
    def _api(self) -> Toxics:
        from scenarios.harness.servers.toxics import Toxics  # noqa: PLC0415 - a command says what to install

        return Toxics(HOST, self.port)

    async def _greet(self) -> None:
        """It keeps its proxies in memory only: after a kill they are made again."""
        api = self._api
        await knock(self.port)  # the library would ask a port that refuses for its version
        await api.version()
        for name, (port, upstream) in self._proxies.items():
            await api.proxy(name, f"{HOST}:{port}", upstream)

    async def proxy(self, name: str, upstream: str, *, port: int | None = None) -> str:
        """Stand before `upstream` from now on; the address to use instead of it."""
        port = port or free_port()
        self._proxies[name] = (port, upstream)
        await self._api.proxy(name, f"{HOST}:{port}", upstream)
        return f"{HOST}:{port}"

    async def spoil(
        self,
        proxy: str,
        toxic: str,
        name: str | None = None,
        /,
        *,
        stream: str = "downstream",
        **attributes: int,
    ) -> None:
        """Add a toxic: `spoil("kafka", "timeout", timeout=0)` answers nothing any more.

        Downstream are the server's answers, upstream the client's requests. A toxic is called by
        its kind, unless a name tells two of a kind apart.
        """
        await self._api.add(proxy, toxic, stream, attributes, name or toxic)

    async def change(
        self, proxy: str, name: str, *, stream: str = "downstream", **attributes: int
    ) -> None:
        """Give a toxic other attributes, also for the connections that it has in hand."""
        await self._api.change(proxy, name, stream, attributes)

    async def cure(self, proxy: str, name: str, *, stream: str = "downstream") -> None:
        """Take one toxic away."""
        await self._api.remove(proxy, name, stream)

    async def set_up(self, proxy: str, *, up: bool) -> None:
        """Refuse connections and break those there are, or take them again."""
        await self._api.enable(proxy, enabled=up)

    async def renew(self, proxy: str) -> None:
        """Break the connections there are, take all toxics away, and take connections again.

        By a proxy made anew. A toxic that is taken away hands on what it holds, up to 5 s for each piece
        that nobody takes any more, and all of Toxiproxy's API waits for it: after half a minute it answers
        503 (its issues 412 and 558). So it goes for latency, where connections under traffic have
        just been cut, or their clients killed.
        """
        port, upstream = self._proxies[proxy]
        await self._api.remove_proxy(proxy)
        await self._api.proxy(proxy, f"{HOST}:{port}", upstream)

    async def heal(self) -> None:
        """Take all toxics away and set all proxies up."""
        await self._api.reset()
