"""What every adapter of a port must do: one suite per port, bound to each of its adapters."""

import pytest

# The suites are no test modules of their own; without this their asserts would fail in silence.
pytest.register_assert_rewrite("contracts.ports.log_suite", "contracts.ports.views_suite")
