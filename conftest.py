"""What every test run has: the choice of a stack, the judge of what lies in its topics, and Ctrl-C."""

import signal

pytest_plugins = ["scenarios.harness.choice", "contracts.topics.witness"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script that starts this with `&` ignores it, and so would every program that a test starts
    # and ends by Ctrl-C: such a test waited ten minutes for an end that never came.
    signal.signal(signal.SIGINT, signal.default_int_handler)
