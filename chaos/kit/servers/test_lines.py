"""A fault on a line hits the lines that are meant, and is gone afterwards."""

from __future__ import annotations

import pytest

from chaos.kit.servers.lines import ANSWERS_LOST, Ends, Lines, latency


class Proxies:
    """Remember what is wrong with each."""

    def __init__(self) -> None:
        self.toxics: dict[str, dict[str, dict[str, int]]] = {}
        self.down: set[str] = set()

    async def spoil(
        self, proxy: str, toxic: str, name: str, /, *, stream: str, **attributes: int
    ) -> None:
        self.toxics.setdefault(proxy, {})[f"{name}_{stream}"] = attributes

    async def change(self, proxy: str, name: str, *, stream: str, **attributes: int) -> None:
        assert f"{name}_{stream}" in self.toxics[proxy]
        self.toxics[proxy][f"{name}_{stream}"] = attributes

    async def cure(self, proxy: str, name: str, *, stream: str) -> None:
        del self.toxics[proxy][f"{name}_{stream}"]

    async def set_up(self, proxy: str, *, up: bool) -> None:
        self.down.discard(proxy) if up else self.down.add(proxy)


def lines() -> tuple[Lines, Proxies]:
    proxies = Proxies()
    names = {Ends(c, s): f"{s}.{c}" for c in ("reader", "writer") for s in ("db", "queue")}
    return Lines(proxies, names), proxies


async def test_a_toxic_is_on_the_lines_of_a_client_meanwhile() -> None:
    all_lines, proxies = lines()
    async with all_lines.with_toxics(latency(50), client="reader"):
        assert proxies.toxics == {
            name: {"latency_downstream": {"latency": 50, "jitter": 0}}
            for name in ("db.reader", "queue.reader")
        }
    assert not any(proxies.toxics.values())


async def test_a_toxic_is_taken_away_whatever_happens_meanwhile() -> None:
    all_lines, proxies = lines()
    with pytest.raises(ZeroDivisionError):
        async with all_lines.with_toxics(latency(50), server="db"):
            raise ZeroDivisionError
    assert not any(proxies.toxics.values())


async def test_a_trap_lets_pass_until_it_is_sprung() -> None:
    all_lines, proxies = lines()
    async with all_lines.with_toxics(*ANSWERS_LOST.set_up, client="reader", server="db"):
        (before,) = proxies.toxics["db.reader"].values()
        assert before["bytes"] > 1e12
        await all_lines.spring(ANSWERS_LOST, client="reader", server="db")
        (sprung,) = proxies.toxics["db.reader"].values()
        assert sprung["bytes"] == 0


async def test_lines_are_cut_and_come_back() -> None:
    all_lines, proxies = lines()
    async with all_lines.cut(server="queue"):
        assert proxies.down == {"queue.reader", "queue.writer"}
    assert not proxies.down


def test_a_line_that_is_not_there_is_refused() -> None:
    all_lines, _ = lines()
    with pytest.raises(LookupError, match="from stranger to any"):
        all_lines.between(client="stranger")
