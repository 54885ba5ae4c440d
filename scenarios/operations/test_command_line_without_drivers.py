"""Roles on servers without the servers' drivers: one line that says how to get them."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"python -m system: {driver} is not installed: pip install -e '.[servers]'\n"
    )
