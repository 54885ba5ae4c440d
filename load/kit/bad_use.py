"""What the kit and a shop say no with."""

from __future__ import annotations


class BadUse(Exception):
    """What is asked for cannot be. The text is one line that says what to do."""
