"""A process of a stranger: what is done to it is no fall, and what it does by itself is one."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from chaos.kit.blackbox import Process
from chaos.strangers.processes import NotReady, Running, look_after, start_all
from scenarios.harness.servers.common import HOST

LIVES = ("sleep", "60")
DIES = ("sh", "-c", "echo no such table >&2; exit 3")
DEADLINE_S = 60.0


def running(folder: Path, process: Process) -> Running:
    return Running(process, process.argv, process.env, port=1, adapter=folder, logs=folder)


async def test_what_is_killed_has_not_fallen(tmp_path: Path) -> None:
    one = running(tmp_path, Process("one", LIVES, ready="running"))
    for _ in range(2):
        one.start()
        await one.until_ready()
        await one.kill()

    assert one.falls == []


@pytest.mark.parametrize("then", ["wait", "exit 3"], ids=["is killed", "falls"])
async def test_what_it_has_started_ends_with_it(tmp_path: Path, then: str) -> None:
    """A lock is held by its child, and free as soon as that is gone."""
    lock = tmp_path / "lock"
    child = f"flock {lock} sh -c 'echo held > {tmp_path}/held; exec sleep 60' &"
    held = f"while [ ! -e {tmp_path}/held ]; do sleep 0.01; done"
    one = running(tmp_path, Process("one", ("sh", "-c", f"{child} {held}; {then}")))
    if then == "wait":
        one.start()
        async with asyncio.timeout(DEADLINE_S):
            while not (tmp_path / "held").exists():
                await asyncio.sleep(0.01)
        await one.kill()
    else:
        await fallen(one)

    waiting = await asyncio.create_subprocess_exec("flock", "--wait", "10", str(lock), "true")
    assert await waiting.wait() == 0


async def fallen(one: Running) -> None:
    one.start()
    async with asyncio.timeout(DEADLINE_S):
        while not one.has_fallen():
            await asyncio.sleep(0.01)


async def test_what_ends_by_itself_has_fallen_and_its_last_words_are_kept(tmp_path: Path) -> None:
    one = running(tmp_path, Process("one", DIES))

    await fallen(one)

    assert one.falls == ["one ended with 3: no such table"]


async def test_what_has_fallen_just_before_it_is_killed_has_fallen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def note(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", note)
    one = running(tmp_path, Process("one", DIES))
    one.start()
    started[0].wait(DEADLINE_S)

    await one.kill()

    assert one.falls == ["one ended with 3: no such table"]


async def test_one_that_may_be_restarted_has_broken_nothing(tmp_path: Path) -> None:
    one = running(tmp_path, Process("one", DIES, falls="restart"))

    await fallen(one)

    assert one.falls == []


async def test_what_falls_is_started_again_unless_it_is_killed_right_now(tmp_path: Path) -> None:
    both = {name: running(tmp_path, Process(name, DIES)) for name in ("one", "two")}
    for one in both.values():
        one.start()
    looking = asyncio.create_task(look_after(both, {"two"}))
    async with asyncio.timeout(DEADLINE_S):
        while len(both["one"].falls) < 2:
            await asyncio.sleep(0.01)
    looking.cancel()

    assert both["two"].falls == []
    for one in both.values():
        await one.kill()


async def test_one_that_never_gets_ready_is_named_with_its_last_words(tmp_path: Path) -> None:
    one = running(tmp_path, Process("one", ("sh", "-c", "echo waiting; sleep 60"), grace_s=0.5))
    one.start()

    with pytest.raises(NotReady, match=r"one was not ready after 0\.5 s \(tcp\)"):
        await one.until_ready()

    await one.kill()


async def test_a_program_that_there_is_not_is_named(tmp_path: Path) -> None:
    one = running(tmp_path, Process("one", ("no-such-program",)))

    async def started() -> None:
        one.start()  # says so itself, or whatever was to run the program does
        await one.until_ready()

    with pytest.raises(NotReady, match=r"one .*no-such-program"):
        await started()


async def test_one_waits_for_those_that_it_needs(tmp_path: Path) -> None:
    early = Process("early", ("sleep", "60"), grace_s=0.3)  # nobody listens: it never gets ready
    late = Process("late", ("sleep", "60"), after=("early",), ready="running")
    both = {one.name: running(tmp_path, one) for one in (late, early)}

    with pytest.raises(ExceptionGroup):
        await start_all(both)

    await asyncio.gather(*(one.kill() for one in both.values()))
    assert (tmp_path / "early.log").exists()
    assert not (tmp_path / "late.log").exists()


async def test_it_runs_in_its_folder_with_its_variables_beside_those_of_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.setenv("INHERITED", "a")
    says = ("sh", "-c", "echo $(basename $PWD) $INHERITED $OWN; exit 1")
    one = running(tmp_path, Process("one", says, {"OWN": "b"}, folder="shop"))

    await fallen(one)

    assert one.falls == ["one ended with 1: shop a b"]


@pytest.mark.parametrize(
    ("how", "answer", "is_ready"),
    [
        ("GET /healthy", b"HTTP/1.1 204 No Content", True),
        ("GET /healthy", b"HTTP/1.1 503 Service Unavailable", False),
        ("tcp", b"", True),
    ],
)
async def test_it_is_ready_when_it_answers_so(
    tmp_path: Path, how: str, answer: bytes, *, is_ready: bool
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(answer + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        process = Process("one", LIVES, ready=how, grace_s=60.0 if is_ready else 0.3)
        one = Running(process, LIVES, {}, port=port, adapter=tmp_path, logs=tmp_path)
        one.start()
        try:
            await one.until_ready()
        except NotReady:
            assert not is_ready
        else:
            assert is_ready
        await one.kill()

    if how != "tcp":
        assert asked[0].startswith(b"GET /healthy ")


async def test_one_that_may_be_restarted_is_waited_for_through_its_falls(tmp_path: Path) -> None:
    """Two starts end by themselves; the third one lives."""
    once = "echo >>tries; [ $(wc -l <tries) -gt 2 ] && exec sleep 60; exit 1"
    one = running(tmp_path, Process("one", ("sh", "-c", once), falls="restart", grace_s=60.0))
    one.start()

    waiting = asyncio.create_task(one.until_ready())
    async with asyncio.timeout(DEADLINE_S):
        while not (tmp_path / "tries").exists() or len((tmp_path / "tries").read_text()) < 3:
            await asyncio.sleep(0.01)
    waiting.cancel()
    await one.kill()

    assert one.falls == []


async def test_what_runs_already_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Mock(wraps=subprocess.Popen)
    monkeypatch.setattr(subprocess, "Popen", started)
    one = running(tmp_path, Process("one", LIVES, ready="running"))

    one.start()
    one.start()
    await one.kill()

    assert started.call_count == 1
