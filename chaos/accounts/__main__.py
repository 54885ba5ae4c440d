"""`python -m chaos.accounts simulate | replay | mutants`."""

import sys

from scenarios.harness.command import run

if __name__ == "__main__":
    sys.exit(run("chaos.accounts.subject:main", program="python -m chaos.accounts"))
