"""`python -m chaos`."""

import sys
from io import TextIOWrapper

from chaos.kit.command import run

if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # into a pipe too, as things are found
    sys.exit(run("chaos.command:main", program="python -m chaos"))
