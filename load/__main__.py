"""`python -m load`."""

import sys

from scenarios.harness.command import run

if __name__ == "__main__":
    sys.exit(run("load.command:main", program="python -m load"))
