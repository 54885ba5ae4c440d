"""`python -m scenarios.harness.servers`."""

import sys

from chaos.kit.command import run

if __name__ == "__main__":
    sys.exit(
        run("scenarios.harness.servers.command:run", program="python -m scenarios.harness.servers")
    )
