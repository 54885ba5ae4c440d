"""A bell that rings across the processes of a machine: a commit in one wakes a relay in another.

A ring is a datagram to a multicast group that does not leave the machine, and nothing answers it. One
that is lost costs a poll, one that comes in vain a look at the outbox. So it need not be reliable, and
no process needs to know who listens. Between machines, and where there is no multicast, relays poll.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

GROUP = "239.255.77.1"
PORT = 8099
LOOPBACK = socket.inet_aton("127.0.0.1")
SIZE_MAX = 4_096
AT_ONCE_MAX = 100
"""So many rings are heard before others have their turn: a flood of them stops no process."""

_log = logging.getLogger(__name__)

Wake = Callable[[Collection[str]], None]
"""Takes the aggregates whose events were committed."""


class Bell:
    """Wakes the relays of this process, and of all others that share its database."""

    def __init__(self, database: str, member: str, wake: Wake, *, group: str = GROUP) -> None:
        self._database = database
        self._member = member
        self._wake = wake
        self._group = group
        self._socket: socket.socket | None = None
        self._is_said = False

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Hear others and be heard by them, if that can be."""
        loop = asyncio.get_running_loop()
        try:
            opened = self._socket = joined(self._group)
        except OSError as error:
            self._disconnected(error)
            yield
            return
        loop.add_reader(opened, self._hear, opened)
        try:
            yield
        finally:
            loop.remove_reader(opened)
            opened.close()
            self._socket = None

    def ring(self, aggregates: Collection[str]) -> None:
        """Say that events of these aggregates were committed here."""
        self._wake(aggregates)
        if self._socket is None or not aggregates:
            return
        words = (self._database, self._member, *sorted(aggregates))
        try:
            self._socket.sendto("\0".join(words).encode(), (self._group, PORT))
        except BlockingIOError:
            pass  # its listeners have more than enough to hear
        except OSError as error:
            self._disconnected(error)

    def _hear(self, opened: socket.socket) -> None:
        """Wake for what has come, however much it is, once."""
        rung: set[str] = set()
        for _ in range(AT_ONCE_MAX):
            try:
                heard = opened.recv(SIZE_MAX)
            except OSError:  # nothing more, above all
                break
            match heard.decode(errors="replace").split("\0"):
                case [self._database, member, *aggregates] if member != self._member:
                    rung.update(aggregates)
        if rung:
            self._wake(rung)

    def _disconnected(self, error: OSError) -> None:
        """Say it once: relays poll, and that is what is promised."""
        if not self._is_said:
            self._is_said = True
            _log.info("relays of other processes poll, for they cannot be woken: %s", error)


def joined(group: str) -> socket.socket:
    """A socket that hears the group, on this machine alone. Raises OSError where there is none."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):  # BSD and macOS ask for both
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((group, PORT))
        membership = socket.inet_aton(group) + LOOPBACK
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, LOOPBACK)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
    except OSError:
        made.close()
        raise
    return made
