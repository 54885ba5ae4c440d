"""`python -m chaos.guarantees`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(run("chaos.guarantees.page:main", program="python -m chaos.guarantees"))
