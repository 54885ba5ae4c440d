"""The kinds of failure. What to do with an error follows from its kind alone.

Everything that is none of these is *anything else*: five retries, then a dead letter.
"""

from __future__ import annotations

from typing import ClassVar


class BrokenFact(Exception):
    """A command asks for what the facts do not allow. It changes nothing."""

    problem: ClassVar[str]
    """The name of the problem that an API answers with."""

    def __init__(self, detail: str, *faults: tuple[str, str]) -> None:
        super().__init__(detail)
        self.faults = faults
        """Places of the request, such as `body/user_id`, and what is wrong there."""


class Conflict(Exception):
    """Someone else was faster (deadlock, lock wait, busy): roll back all, again at once."""


CONFLICTS_MAX = 20
"""So many conflicts in a row are tried again; one more counts as a failure."""
JITTER_S = (0.001, 0.050)
"""The pause before the next try, at random between these."""


class UniqueViolation(Conflict):
    """A unique key is taken. A lost race, unless the caller knows a better word for it."""


class LockWaitTimeout(Conflict):
    """Another transaction held a lock for too long. Only the statement was undone: roll back."""


class StoreBusy(Conflict):
    """The store's one lock for all writers was not free in time: that says nothing of a row."""


class ReferenceViolation(Exception):
    """A foreign key points to a row that is not there, or still points to one to be deleted."""


class Unavailable(Exception):
    """A store or the broker cannot be reached: wait for as long as it lasts, never park."""


class Misconfigured(Exception):
    """A server refuses what was set: no waiting helps. The text is one line with the setting."""


class TimedOut(Unavailable):
    """A bound was reached. The store may be away, or this one request too much for it."""


class OutcomeUnknown(Unavailable):
    """COMMIT was sent and its answer was lost: the transaction is wholly there, or not at all."""


class Frozen(Unavailable):
    """This generation of views takes no more puts for now: a switch is under way.

    An Unavailable, so that `patient` waits until it is over.
    """


class Poison(Exception):
    """No retry can help: park at once."""


class Lost(Exception):
    """Someone else holds the lease or the partition now: drop what is in hand."""


class Stopping(Exception):
    """The process was asked to stop: leave what is not finished, it is repeated later."""
