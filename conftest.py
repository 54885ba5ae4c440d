"""What every test run has: the choice of a stack, and the judge of what lies in its topics."""

pytest_plugins = ["scenarios.harness.choice", "contracts.topics.witness"]
