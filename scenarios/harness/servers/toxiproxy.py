"""Toxiproxy, which stands before a server and spoils its connections on request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.harness.servers.common import (
    ANSWER_S,
    HOST,
    Server,
    fetched,
    free_port,
    need,
    run,
)

if TYPE_CHECKING:
    from aiohttp import ClientSession

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

    async def _greet(self) -> None:
        """It keeps its proxies in memory only: after a kill they are made again."""
        async with self._session() as session:
            async with session.get("/version") as answer:
                answer.raise_for_status()
            for name, (port, upstream) in self._proxies.items():
                await self._make(session, name, port, upstream)

    async def proxy(self, name: str, upstream: str, *, port: int | None = None) -> str:
        """Stand before `upstream` from now on; the address to use instead of it."""
        port = port or free_port()
        self._proxies[name] = (port, upstream)
        async with self._session() as session:
            await self._make(session, name, port, upstream)
        return f"{HOST}:{port}"

    async def spoil(
        self, proxy: str, toxic: str, *, stream: str = "downstream", **attributes: int
    ) -> None:
        """Add a toxic: `spoil("kafka", "timeout", timeout=0)` answers nothing any more.

        Downstream are the server's answers, upstream the client's requests.
        """
        wanted = {"type": toxic, "stream": stream, "toxicity": 1.0, "attributes": attributes}
        await self._post(f"/proxies/{proxy}/toxics", wanted)

    async def set_up(self, proxy: str, *, up: bool) -> None:
        """Refuse connections and break those there are, or take them again."""
        await self._post(f"/proxies/{proxy}", {"enabled": up})

    async def heal(self) -> None:
        """Take all toxics away and set all proxies up."""
        await self._post("/reset", {})

    async def _post(self, path: str, body: object) -> None:
        async with self._session() as session, session.post(path, json=body) as answer:
            answer.raise_for_status()

    async def _make(self, session: ClientSession, name: str, port: int, upstream: str) -> None:
        wanted = {"name": name, "listen": f"{HOST}:{port}", "upstream": upstream, "enabled": True}
        async with session.post("/populate", json=[wanted]) as answer:
            answer.raise_for_status()

    def _session(self) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415 - a command says what to install

        return ClientSession(f"http://{self.address}", timeout=ClientTimeout(total=ANSWER_S))
