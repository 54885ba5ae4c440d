"""One clock for all that a run leaves: seconds since it began."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened in a run: a fault, its end, what was seen of it."""

    at_s: float
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:8.2f} s  {self.kind:<10}{self.text}"


class Timeline:
    """Notes moments, and places other clocks on this one.

    It begins when it is made, within a running loop. A moment is written down at once: a run that
    is killed has left what was known until then.
    """

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        self.began_at = datetime.now(UTC)  # noqa: TID251 - the real clock of a real run
        self.began_s = asyncio.get_running_loop().time()
        self.moments: list[Moment] = []
        self._file = file
        self._tell = tell

    def now(self) -> float:
        return self.of_loop(asyncio.get_running_loop().time())

    def of_loop(self, time_s: float) -> float:
        """Where a time of the loop lies."""
        return time_s - self.began_s

    def of_wall(self, moment: datetime) -> float:
        """Where a moment of the wall clock lies: of a log's line, or of a row."""
        return (moment - self.began_at) / timedelta(seconds=1)

    def note(self, kind: str, text: str) -> None:
        moment = Moment(round(self.now(), 4), kind, text)
        self.moments.append(moment)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(moment), ensure_ascii=False)}\n")
        self._tell(str(moment))
