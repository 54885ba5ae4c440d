"""A role as a process: what it does by itself is a failure, what is done to it is none."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from chaos.real.processes import Role
from scenarios.harness.servers.common import HOST

DEADLINE_S = 60.0
LIVES = ("sleep", "60")
STAYS = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")


class Other(Role):
    """Any program instead of a role."""

    def __init__(self, folder: Path, *command: str) -> None:
        super().__init__("order-api", 1, {}, folder)
        self._command = command

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log)

    async def ready(self) -> None:
        """Wait for its word: SIGTERM might come before it has set its trap."""
        async with asyncio.timeout(DEADLINE_S):
            while "ready" not in self.log.read_text():
                await asyncio.sleep(0.01)


async def test_what_is_killed_has_not_failed(tmp_path: Path) -> None:
    role = Other(tmp_path, *LIVES)
    for _ in range(2):
        await role.start()
        await role.kill()
    assert role.failures == []


async def test_a_role_that_ends_by_itself_has_failed(tmp_path: Path) -> None:
    role = Other(tmp_path, "sh", "-c", "echo no such thing >&2; exit 3")
    await role.start()
    async with asyncio.timeout(DEADLINE_S):
        while not role.failures:
            await asyncio.sleep(0.01)
            role.note_fall()
    assert role.failures == ["order-api ended by itself, status 3: no such thing"]
    await role.stop()
    assert len(role.failures) == 1


async def test_a_role_that_ends_badly_has_failed(tmp_path: Path) -> None:
    role = Other(tmp_path, *LIVES)  # no handler of SIGTERM: it ends with -15
    await role.start()
    await role.stop()
    assert [failure.partition(":")[0] for failure in role.failures] == ["order-api ended with -15"]


async def test_a_role_that_does_not_end_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.real.processes.STOP_S", 0.3)
    role = Other(tmp_path, *STAYS)
    await role.start()
    await role.ready()
    await role.stop()
    assert [failure.partition(" within")[0] for failure in role.failures] == [
        "order-api did not end"
    ]


async def test_a_paused_role_can_be_stopped(tmp_path: Path) -> None:
    role = Other(
        tmp_path, "sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    )
    await role.start()
    await role.ready()
    await role.pause()
    await role.stop()
    assert role.failures == []


async def test_a_process_that_answers_lives_also_while_it_is_not_ready(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.path == "/healthz" else 503)

    role = Other(tmp_path, *LIVES)
    app = web.Application()
    app.router.add_get("/{any}", answer)
    runner = web.AppRunner(app)
    async with aiohttp.ClientSession() as session:
        assert not await role.is_alive(session)
        await runner.setup()
        await web.TCPSite(runner, HOST, role.port).start()
        try:
            assert await role.is_alive(session)
            assert not await role.is_ready(session)
        finally:
            await runner.cleanup()
