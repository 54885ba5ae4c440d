"""Roles on servers that cannot be used as they are set up: one line that says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scenarios.operations.program import free_port


@pytest.mark.parametrize("driver", ["aiokafka", "aiomysql", "cramjam", "motor"])
def test_what_is_not_installed_is_named(driver: str) -> None:
    program = (
        f"import sys; sys.modules[{driver!r}] = None\n"
        "from system.__main__ import main\n"
        "sys.exit(main(['product-consumer', 'query-api']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"MYSQL_DSN": "u:p@tcp(127.0.0.1:1)/x", "MONGO_URI": "mongodb://127.0.0.1:1/x"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"python -m system: {driver} is not installed: pip install -c constraints.txt -e '.[servers]'\n"
    )


@pytest.mark.parametrize(
    ("asked", "loaded"), [("shows=False, topics=False", ""), ("shows=False", "aiokafka")]
)
def test_a_role_loads_no_driver_that_it_does_not_use(asked: str, loaded: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from system.kit import stacks\n"
        "from system.settings import Settings\n"
        "async def main():\n"
        "    async with stacks.servers(Settings(), ()) as parts:\n"
        f"        await parts.prepare(tables=False, {asked})\n"
        "asyncio.run(main())\n"
        "print(*sorted({'aiokafka', 'motor'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert ended.stdout.strip() == loaded


def test_what_a_server_refuses_of_the_settings_is_one_line() -> None:
    program = (
        "import sys\n"
        "from system.kit.adapters.embedded.log import EmbeddedSubscription\n"
        "from system.kit.errors import Misconfigured\n"
        "async def poll(*_, **__):\n"
        "    raise Misconfigured('set KAFKA_SESSION_TIMEOUT')\n"
        "EmbeddedSubscription.poll = poll\n"
        "from system.__main__ import main\n"
        "sys.exit(main(['--stack', 'embedded', 'product-consumer']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("python -m system: set KAFKA_SESSION_TIMEOUT\n")
    assert "Traceback" not in ended.stderr
