"""What every test run has: the choice of a stack."""

pytest_plugins = ["scenarios.harness.choice"]
