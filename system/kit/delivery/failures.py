"""What is known of a message that could not be handled."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import datetime

TEXT_CHARACTERS_MAX = 1_000
TRACE_CHARACTERS_MAX = 8_000


@dataclass(frozen=True, slots=True)
class Failure:
    """The latest error of a message, and how often and since when it has failed."""

    error: Exception
    attempts: int
    first_at: datetime
    last_at: datetime

    @staticmethod
    def after(before: Failure | None, error: Exception, at: datetime) -> Failure:
        """Count one more failed attempt."""
        if before is None:
            return Failure(error, 1, at, at)
        return Failure(error, before.attempts + 1, before.first_at, at)

    @property
    def error_type(self) -> str:
        return type(self.error).__name__

    @property
    def text(self) -> str:
        """What the error says, cut: it travels in headers, and quotes what it likes."""
        return (str(self.error) or self.error_type)[:TEXT_CHARACTERS_MAX]

    @property
    def trace(self) -> str:
        """The end of the traceback, which is where the error is."""
        return "".join(traceback.format_exception(self.error))[-TRACE_CHARACTERS_MAX:]


class GivenUp(Exception):
    """No further attempt will be made for this message."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"after {failure.attempts} attempts: {failure.text}")
        self.failure = failure
