"""Chaos on real servers: `python -m chaos.real endurance`."""

import sys

from chaos.real.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
