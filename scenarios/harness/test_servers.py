"""The life of a server under test: fetched once, started, killed, started again, gone in the end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scenarios.harness.servers import Missing, NotStarted, common
from scenarios.harness.servers.common import (
    ALIVE,
    PORTS,
    START_S,
    Server,
    fetched,
    free_port,
    knock,
    last_words,
    last_words_of,
    need,
    run,
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "event-driven-kit"


class Listener(Server):
    """Python's own web server, in a folder of the test's."""

    name = "listener"
    product = "a listener"
    program: Sequence[str] = (sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1")

    def __init__(self, folders: Path) -> None:
        super().__init__()
        self._parent = folders
        self.prepared = 0

    def _folders(self) -> Path:
        return self._parent

    async def fetch(self) -> None:
        """It is there."""

    async def _prepare(self, folder: Path) -> None:
        self.prepared += 1

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return (*self.program, str(self.port))

    async def _greet(self) -> None:
        await knock(self.port)


class StillBorn(Listener):
    program = (sys.executable, "-c", "import sys; sys.exit('no room for ' + sys.argv[1])")


# Fetching


async def test_what_was_fetched_is_fetched_once(cache: Path) -> None:
    fetches = 0

    async def fetch(folder: Path) -> None:
        nonlocal fetches
        fetches += 1
        await asyncio.sleep(0.01)
        (folder / "program").touch()

    folders = await asyncio.gather(*(fetched("it", fetch) for _ in range(3)))

    assert folders == [cache / "it"] * 3
    assert (cache / "it/program").exists()
    assert fetches == 1


async def test_a_fetch_that_fails_leaves_nothing_and_can_be_tried_again(cache: Path) -> None:
    async def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise Missing("the other half")

    async def works(folder: Path) -> None:
        (folder / "whole").touch()

    with pytest.raises(Missing):
        await fetched("it", fails)
    assert [path.name for path in cache.iterdir()] == ["it.lock"]

    assert {path.name for path in (await fetched("it", works)).iterdir()} == {"whole"}


async def test_what_a_killed_fetch_left_is_deleted_by_the_next(cache: Path) -> None:
    (cache / ".it-half").mkdir(parents=True)

    async def fetch(_: Path) -> None:
        """Nothing to get."""

    await fetched("it", fetch)

    assert not (cache / ".it-half").exists()


def test_a_program_that_is_not_there_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(Missing, match=r"^no-such-program is not on the PATH: write it$"):
        need("no-such-program", "write it")


async def test_a_program_that_fails_is_told_in_one_line_with_its_last_words() -> None:
    with pytest.raises(Missing) as failed:
        await run("sh", "-c", "echo first; echo why >&2; exit 3")

    assert str(failed.value) == "sh -c echo first; echo why >&2; exit 3 failed: first | why"


async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(Missing, match="took longer than"):
        await run("sh", "-c", f"sleep 60 & echo $! > {pid}; wait", bound_s=0.5)

    processes = dict(
        line.split() for line in (await run("ps", "-A", "-o", "pid=,stat=")).splitlines()
    )
    state = processes.get(pid.read_text().strip(), "gone")
    assert state == "gone" or state.startswith("Z")  # dead, and not buried yet


def test_why_a_server_died_is_what_its_log_calls_an_error_and_else_its_end() -> None:
    log = "INFO begins\n[main] ERROR the port is in use\nINFO closes\nINFO has closed\nINFO bye\n"

    assert last_words(log) == "[main] ERROR the port is in use"
    assert last_words(log.replace("ERROR", "INFO")) == "INFO closes | INFO has closed | INFO bye"


def test_of_a_log_that_has_filled_a_disk_only_the_end_is_read(tmp_path: Path) -> None:
    """A file with a hole: a terabyte that takes no place, and that no memory would hold."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.seek(2**40)
        file.write(b"\nit is full\n")

    assert last_words_of(log, 1) == "it is full"


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "PORTS", range(1, 6))
    monkeypatch.setattr(common, "_is_free", lambda port: port != 3)

    assert {free_port() for _ in range(4)} == {1, 2, 4, 5}
    with pytest.raises(NotStarted, match="no free port in 1-5"):
        free_port()


def test_a_port_of_a_harness_that_runs_is_given_to_no_other() -> None:
    """Also while its server is killed, and nobody listens."""
    port = free_port()
    asks = (
        "from scenarios.harness.servers import NotStarted, common\n"
        f"common.PORTS = range({port}, {port} + 1)\n"
        "try: print(common.free_port())\n"
        "except NotStarted as refused: print(refused)\n"
    )
    other = subprocess.run((sys.executable, "-c", asks), capture_output=True, text=True, check=True)

    assert other.stdout == f"no free port in {port}-{port}\n"


def test_ports_are_out_of_the_way_of_outgoing_connections() -> None:
    assert PORTS.stop <= 32_768


# Running


async def test_it_runs_dies_runs_again_with_its_data_and_leaves_nothing(tmp_path: Path) -> None:
    server = Listener(tmp_path)
    await server.start()
    folder, port = server.folder, server.port
    assert folder is not None
    (folder / "data").touch()

    await server.kill()
    assert not server.running
    with pytest.raises(OSError, match="Connect call failed"):
        await knock(port)
    await server.start()

    assert (server.folder, server.port, server.prepared) == (folder, port, 1)
    assert (folder / "data").exists()
    await server.stop()
    assert not folder.exists()
    assert not server.running


async def test_one_that_dies_at_its_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    server = StillBorn(tmp_path)

    with pytest.raises(NotStarted, match=rf"listener died at its start: no room for {server.port}"):
        await server.start()

    assert list(tmp_path.iterdir()) == []


async def test_one_that_does_not_come_back_keeps_its_log_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    server = Listener(tmp_path)
    await server.start()
    await server.kill()
    server.program = StillBorn.program

    with pytest.raises(NotStarted, match="no room"):
        await server.start()

    assert not server.running
    assert server.folder is not None
    assert "no room" in (server.folder / "server.log").read_text()
    await server.stop()
    assert list(tmp_path.iterdir()) == []


async def test_a_start_that_is_canceled_leaves_nothing(tmp_path: Path) -> None:
    class Slow(Listener):
        async def _greet(self) -> None:
            await asyncio.sleep(60)

    server = Slow(tmp_path)
    starting = asyncio.create_task(server.start())
    while not server.running:
        await asyncio.sleep(0.01)
    folder = server.folder

    starting.cancel()
    await asyncio.wait([starting])

    assert folder is not None
    with pytest.raises(OSError, match="Connect call failed"):
        await knock(server.port)
    assert list(tmp_path.iterdir()) == []


async def test_the_folder_of_a_harness_that_was_killed_is_swept_and_no_other(
    tmp_path: Path,
) -> None:
    long_ago = time.time() - START_S - 1
    for name in ("dead", "fresh"):
        folder = tmp_path / f"event-driven-kit-listener-{name}"
        folder.mkdir()
        (folder / ALIVE).touch()
        if name == "dead":
            os.utime(folder / ALIVE, (long_ago, long_ago))
    alive = Listener(tmp_path)
    await alive.start()
    assert alive.folder is not None
    os.utime(alive.folder / ALIVE, (long_ago, long_ago))

    another = Listener(tmp_path)
    await another.start()

    left = {path.name.removeprefix("event-driven-kit-listener-") for path in tmp_path.iterdir()}
    assert "dead" not in left
    assert "fresh" in left
    assert alive.folder.exists()
    await another.stop()
    await alive.stop()
