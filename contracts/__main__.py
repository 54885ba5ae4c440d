"""`python -m contracts`."""

import sys

from scenarios.harness.command import run

if __name__ == "__main__":
    sys.exit(run("contracts.command:main", program="python -m contracts"))
