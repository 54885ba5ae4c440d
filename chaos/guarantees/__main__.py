"""`python -m chaos.guarantees`."""

import sys

from scenarios.harness.command import run

if __name__ == "__main__":
    sys.exit(run("chaos.guarantees.page:main", program="python -m chaos.guarantees"))
