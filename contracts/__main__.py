"""`python -m contracts`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(run("contracts.command:main", program="python -m contracts"))
