"""The image's health check: `python -m system.healthy` asks the roles of this container.

Which those are, says the command that the container was started with, and PORT.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from system.roles import GROUPS, ROLES

TIMEOUT_S = 4.0
FIRST_PROCESS = Path("/proc/1/cmdline")


def ports(command: Sequence[str], environment: Mapping[str, str]) -> list[int]:
    """Where the roles of this command listen: `["python", "-m", "system", "apis"]`."""
    ports = {spec.name: spec.port for spec in ROLES}
    named = [name for word in command for name in GROUPS.get(word, (word,)) if name in ports]
    if len(named) == 1 and environment.get("PORT"):
        return [int(environment["PORT"])]
    return [ports[name] for name in named or ports]


def is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main(command: Sequence[str]) -> int:
    waited_for = [port for port in ports(command, os.environ) if not is_ready(port)]
    if waited_for:
        sys.stderr.write(f"not ready: {', '.join(map(str, waited_for))}\n")
    return 1 if waited_for else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or FIRST_PROCESS.read_text("utf-8").split("\0")))
