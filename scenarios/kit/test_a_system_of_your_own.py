"""The system of `accounts.py`, which shares no line with the shop: it runs on each stack, and is right."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scenarios.harness.namespace import places
from scenarios.harness.settled import eventually
from system.kit import process, stacks
from system.kit.__main__ import main
from system.kit.lifespan import Lifespan
from system.kit.parts import Parts
from system.kit.ports.log import Message
from system.kit.roles import Blueprint, build
from system.kit.settings import KitSettings
from system.kit.skeleton import accounts
from system.kit.skeleton.accounts import ROLES, SYSTEM

pytestmark = pytest.mark.any_stack
LINES_MAX = 150
ROOT = Path(__file__).parents[2]
SETTINGS = KitSettings(port=0)


@asynccontextmanager
async def chosen_parts(stack: str) -> AsyncIterator[Parts]:
    """On the stack that the run has chosen, in a place of its own."""
    if stack == "embedded":
        async with stacks.embedded(SETTINGS, SYSTEM.all_topics) as parts:
            yield parts
        return
    from scenarios.harness.servers import shared  # noqa: PLC0415 (drivers, for these stacks only)

    servers = KitSettings.model_validate((await shared.servers()).environment())
    async with (
        places.place(servers, None, SYSTEM.all_topics) as place,
        place.parts(SETTINGS, instance="accounts") as parts,
    ):
        yield parts


class Bank:
    """The running system, as a client has it."""

    def __init__(self, urls: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._urls = urls
        self._session = session
        self.token = ""

    async def pay(self, path: str, amount: int, key: str | None = None) -> dict[str, Any]:  # JSON
        headers = {"Idempotency-Key": key} if key else {}
        url = self._urls["account-api"] + path
        async with self._session.post(url, json={"amount": amount}, headers=headers) as answer:
            self.token = answer.headers.get("Consistency-Token", "")
            return {"status": answer.status, **await answer.json(content_type=None)}

    async def seen(self, id: int) -> dict[str, Any]:  # JSON
        """What readers see, no older than the last payment."""
        url = f"{self._urls['view-api']}/accounts/{id}"
        async with self._session.get(url, headers={"Consistency-Token": self.token}) as answer:
            return dict(await answer.json(content_type=None))


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[Bank]:
    """All roles in this loop."""
    lifespan = Lifespan()
    await process.prepared(ROLES, parts, lifespan)
    roles = [build(spec.name, parts, Blueprint(SYSTEM, SETTINGS), lifespan) for spec in ROLES]
    run = asyncio.create_task(process.run(roles, lifespan))
    ready = asyncio.create_task(lifespan.all_ready.wait())
    await asyncio.wait({run, ready}, return_when=asyncio.FIRST_COMPLETED)
    try:
        async with aiohttp.ClientSession() as session:
            yield Bank({role.name: role.http.url for role in roles}, session)
    finally:
        ready.cancel()
        lifespan.stopping.set()
        await run


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--stack"))


async def test_what_is_paid_in_is_seen_and_rewarded(stack: str) -> None:
    async with chosen_parts(stack) as parts, running(parts) as bank:
        opened = await bank.pay("/accounts", 50)
        paid = await bank.pay(f"/accounts/{opened['id']}/payments", 100)
        assert (opened["status"], paid["status"], paid["balance"]) == (201, 200, 150)
        assert (await bank.seen(opened["id"]))["balance"] == 150

        async def look() -> dict[str, Any]:
            return await bank.seen(opened["id"])

        assert await eventually(look, lambda shown: shown.get("points")) == {
            "id": opened["id"],
            "balance": 150,
            "points": 1,
        }


async def test_a_payment_that_is_sent_again_is_paid_once(stack: str) -> None:
    async with chosen_parts(stack) as parts, running(parts) as bank:
        account = await bank.pay("/accounts", 1)
        path = f"/accounts/{account['id']}/payments"
        answers = [await bank.pay(path, 100, key="the same") for _ in range(3)]
        assert [answer["balance"] for answer in answers] == [101, 101, 101]
        assert (await bank.pay(path, 0))["balance"] == 101


async def test_an_event_that_comes_twice_has_its_effect_once(stack: str) -> None:
    async with chosen_parts(stack) as parts, running(parts) as bank:
        account = await bank.pay("/accounts", 100)
        log = parts.log("scenario")

        async def records(topic: str) -> list[Message]:
            return [record.message async for record in log.read(topic)]

        async def paid() -> list[Message]:
            return await records("account.paid")

        (event,) = await eventually(paid)
        assert await log.publish([event, event]) == [None, None]
        last = await bank.pay(f"/accounts/{account['id']}/payments", 100)

        async def look() -> dict[str, Any]:
            return await bank.seen(account["id"])

        # one partition, in order: when the last payment is rewarded, the repeats were handled
        assert await eventually(look, lambda shown: shown.get("points") == 2)
        assert last["balance"] == 200
        assert len(await records("account.rewarded")) == 2


async def test_its_errors_are_problems(stack: str) -> None:
    async with chosen_parts(stack) as parts, running(parts) as bank:
        refused = await bank.pay("/accounts/7/payments", 1)
        assert (refused["status"], refused["type"]) == (404, "/problems/not-found")
        assert refused["detail"] == "there is no account 7"


def test_it_is_small_and_knows_no_shop() -> None:
    lines = Path(accounts.__file__).read_text(encoding="utf-8").splitlines()
    assert len(list(filter(None, map(str.strip, lines)))) < LINES_MAX
    imported = {
        line.split()[1] for line in lines if line.startswith(("from system", "import system"))
    }
    assert [name for name in imported if not name.startswith("system.kit")] == []


def test_it_is_what_a_new_system_begins_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", str(tmp_path / "bank")]) == 0
    assert "python -m bank\n" in capsys.readouterr().out
    told = subprocess.run(
        [sys.executable, "-m", "bank", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert told.stdout.startswith("usage: python -m bank ")
    assert "account-consumer" in told.stdout


@pytest.mark.parametrize(
    ("name", "because"),
    [("there", "is there already"), ("no-name", "is no name of a Python package")],
)
def test_nothing_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, because: str
) -> None:
    (tmp_path / "there").mkdir()
    assert main(["new", str(tmp_path / name)]) == 1
    assert because in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [tmp_path / "there"]
