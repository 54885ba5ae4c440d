"""Contracts of any system of messages: it takes a registry of message types, and knows none itself."""

from __future__ import annotations


class Incomplete(Exception):
    """Nothing can be generated before something was added by hand; the text says what, and where."""
