"""What aiokafka tells its log, and no caller: that a group's next record is gone.

It was deleted unread, or the log was cut behind it. aiokafka goes on with the first record that is
there, and a group that has missed a thousand events looks like any other. There is no place to ask, but
a line in aiokafka's log, whose arguments are the facts. So that line is listened to, while the hundreds
of others that an outage gives are as silent as before.
"""

from __future__ import annotations

import logging

_FETCHER = logging.getLogger("aiokafka.consumer.fetcher")
_GONE = "Fetch offset %s is out of range for partition %s, resetting offset"

log = logging.getLogger(__name__)


class _Ear(logging.Filter):
    def filter(self, line: logging.LogRecord) -> bool:
        """Take the facts, and let the line through where it would have gone anyway."""
        match line.msg, line.args:
            case (said, (int(offset), (topic, partition))) if said == _GONE and offset:
                log.error(
                    "%s, partition %s: there is no record %s, reading goes on with the first that"
                    " there is; what was deleted unread is lost",
                    *(topic, partition, offset),
                )
        return line.levelno >= logging.getLogger("aiokafka").getEffectiveLevel()


_EAR = _Ear()


def install() -> None:
    _FETCHER.setLevel(logging.INFO)
    _FETCHER.addFilter(_EAR)  # once, however often
