"""The sender knows how far a request came: refused before a byte left, sent, or answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.kit.blackbox import Answer, Request
from chaos.strangers.adapters import BadAdapter
from chaos.strangers.sender import Sender
from scenarios.harness.servers.common import HOST, free_port

HEAD = b"\r\n\r\n"
ANSWER = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\nno"


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """It reads the head of a request, answers so, and closes the connection."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(HEAD))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        yield f"http://{HOST}:{listening.sockets[0].getsockname()[1]}", heads


async def sent(url: str, method: str = "POST") -> Answer:
    async with Sender({"shop": url}.__getitem__) as sender:
        return await sender.send(Request("shop", method, "/things"))


async def test_an_answer_is_what_came_and_no_redirection_is_followed() -> None:
    async with server(ANSWER) as (url, heads):
        answer = await sent(url)

    assert (answer.stage, answer.status, answer.body) == ("answered", 302, b"no")
    assert len(heads) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_connection_that_breaks_is_sent_and_never_sent_again(method: str) -> None:
    async with server(b"") as (url, heads):
        answer = await sent(url, method)

    assert answer.stage == "sent"
    assert len(heads) == 1


async def test_where_nobody_listens_no_byte_has_left() -> None:
    assert (await sent(f"http://{HOST}:{free_port()}")).stage == "refused"


async def test_a_process_that_there_is_not_is_the_adapters_mistake() -> None:
    async with Sender({"shop": ""}.__getitem__) as sender:
        with pytest.raises(BadAdapter, match="no process 'store'"):
            await sender.send(Request("store", "GET", "/"))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("shop", "GET", "things"), "GET things of shop: the path has to begin with /"),
        (Request("shop", "POST", "/", {"price": {1}}), "set is not JSON serializable"),
        (Request("shop", "GET", "/", headers={"Key": 7}), "cannot be sent"),  # type: ignore[dict-item]
    ],
    ids=["path", "body", "headers"],
)
async def test_what_cannot_be_sent_is_the_adapters_mistake(request_: Request, said: str) -> None:
    async with server(ANSWER) as (url, _), Sender({"shop": url}.__getitem__) as sender:
        with pytest.raises(BadAdapter, match=said):
            await sender.send(request_)


async def test_a_body_is_sent_as_json_with_the_headers_of_the_adapter() -> None:
    async with server(ANSWER) as (url, heads), Sender({"shop": url}.__getitem__) as sender:
        await sender.send(Request("shop", "POST", "/things", {"price": 1017}, {"Key": "key-7"}))

    assert b"Content-Type: application/json" in heads[0]
    assert b"Content-Length: 15" in heads[0]
    assert b"Key: key-7" in heads[0]


async def test_an_answer_that_does_not_come_in_time_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.strangers.sender.PATIENCE_S", 0.05)
    over = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, HOST, 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        answer = await sent(f"http://{HOST}:{port}")
        over.set()

    assert answer.stage == "sent"
    assert "Timeout" in answer.error
