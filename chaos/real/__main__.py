"""`python -m chaos.real`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(run("chaos.real.command:main", program="python -m chaos.real"))
