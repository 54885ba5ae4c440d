"""The command line of the system in `accounts.py`: `python -m system.kit.skeleton [ROLE …]`."""

from __future__ import annotations

import sys

from system.kit import command
from system.kit.program import Program, listed
from system.kit.settings import KitSettings, load
from system.kit.skeleton.accounts import ROLES, SYSTEM

PROGRAM = Program(
    "python -m system.kit.skeleton",
    "Run accounts, or some of their roles, until Ctrl-C.",
    listed(ROLES),
    ROLES,
    example=("account.paid", "account-consumer"),
    topics=lambda: SYSTEM.topics,
    system=lambda: SYSTEM,
    settings=lambda: load(KitSettings),
)

if __name__ == "__main__":
    sys.exit(command.main(PROGRAM))
