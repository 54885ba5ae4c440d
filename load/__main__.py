"""`python -m load`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(run("load.command:main", program="python -m load"))
