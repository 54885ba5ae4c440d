"""Toxiproxy's API, by toxiproxy-python.

What the library lacks is here: a time-out, a refusal that is raised whatever its status, a toxic
that is changed or taken away alone, and more than one server in a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import toxiproxy
from toxiproxy import proxy as library_proxy
from toxiproxy import server as library_server
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import NotFound

ANSWER_S = 30.0
"""A toxic that is taken away lets go of what it holds first: on a thin line that takes a while."""

T = TypeVar("T")
Answer = Any  # of requests, as the library gives it, without types


class _Bounded(APIConsumer):  # type: ignore[misc]  # the library has no types
    """The library's way to the API, with a time-out, and with every refusal raised."""

    @classmethod
    def get(cls, url: str, params: object = None, **how: object) -> Answer:
        return _granted(super().get(url, params, timeout=ANSWER_S, **how))

    @classmethod
    def post(cls, url: str, data: object = None, json: object = None, **how: object) -> Answer:
        return _granted(super().post(url, data, json, timeout=ANSWER_S, **how))

    @classmethod
    def delete(cls, url: str, **how: object) -> Answer:
        return _granted(super().delete(url, timeout=ANSWER_S, **how))


def _granted(answer: Answer) -> Answer:
    answer.raise_for_status()
    return answer


# The library finds its way by these two names, and a server by an attribute of the class: so one
# call at a time may use it.
library_proxy.APIConsumer = library_server.APIConsumer = _Bounded
_using_the_library = Lock()


class Toxics:
    """One Toxiproxy: its proxies, and the toxics on them. Raises OSError, or an error of the library."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def version(self) -> str:
        version: bytes = await self._call(lambda server: server.version())
        return version.decode()

    async def proxy(self, name: str, listen: str, upstream: str) -> None:
        """Stand before `upstream`. It may be there already."""
        wanted = {"name": name, "listen": listen, "upstream": upstream}
        await self._call(lambda server: server.populate([wanted]))

    async def remove_proxy(self, name: str) -> None:
        """Refuse connections from now on, break those there are, and forget its toxics."""
        await self._call(lambda _: _Bounded.delete(f"/proxies/{name}"))

    async def add(
        self, proxy: str, toxic: str, stream: str, attributes: dict[str, int], name: str
    ) -> None:
        """A proxy has one toxic of each name in each direction."""
        await self._call(
            lambda server: _of(server, proxy).add_toxic(
                type=toxic, stream=stream, attributes=attributes, name=f"{name}_{stream}"
            )
        )

    async def change(self, proxy: str, name: str, stream: str, attributes: dict[str, int]) -> None:
        """Give other attributes to a toxic that is there, also for the connections that it has."""
        path = f"/proxies/{proxy}/toxics/{name}_{stream}"
        await self._call(lambda _: _Bounded.post(path, json={"attributes": attributes}))

    async def remove(self, proxy: str, name: str, stream: str) -> None:
        await self._call(lambda server: _of(server, proxy).destroy_toxic(f"{name}_{stream}"))

    async def enable(self, proxy: str, *, enabled: bool) -> None:
        """Take connections again, or refuse them and break those there are."""

        def do(server: Any) -> None:
            found = _of(server, proxy)
            found.enable() if enabled else found.disable()

        await self._call(do)

    async def reset(self) -> None:
        """Take all toxics away and enable all proxies."""
        await self._call(lambda server: server.reset())

    async def _call(self, do: Callable[[Any], T]) -> T:
        """The library blocks: in a thread, for the loop may serve the system under test."""
        return await asyncio.to_thread(self._use, do)

    def _use(self, do: Callable[[Any], T]) -> T:
        server = toxiproxy.Toxiproxy()
        with _using_the_library:
            server.update_api_consumer(self._host, self._port)
            return do(server)


def _of(server: Any, name: str) -> Any:
    """The library's proxy of this name. Raises NotFound."""
    found = server.get_proxy(name)
    if found is None:
        raise NotFound(f"there is no proxy {name!r}")
    return found
