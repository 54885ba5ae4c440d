"""`python -m chaos.accounts simulate | replay | mutants`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(run("chaos.accounts.subject:main", program="python -m chaos.accounts"))
