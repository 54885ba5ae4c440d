"""An append-only file of entries that survives the death of its writer at any moment.

One frame per write: mark, length, checksums, payload. A damaged frame that no whole one follows
is a write that never ended, was never acknowledged, and is cut off. A damaged frame before a
whole one is damage to what was acknowledged: that is for a person to look at.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from system.kit.errors import Unavailable

_log = logging.getLogger(__name__)

_MARK = b"\xf5\xe7\xfa\xfb"  # never part of UTF-8 text
_LENGTHS = struct.Struct(">4sII")  # mark, length of the payload, its checksum
_CHECK = struct.Struct(">I")  # checksum of the lengths, so that a wrong length is never believed
_HEAD_BYTES = _LENGTHS.size + _CHECK.size


class DataDirectoryError(Exception):
    """The data directory cannot be used; the text says why in one line."""


class DirectoryLock:
    """Keep a second process from using the same directory. The system frees it at death."""

    def __init__(self, directory: Path) -> None:
        # POSIX only; without a data directory the embedded stack runs anywhere.
        import fcntl

        path = directory / "lock"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except FileExistsError as error:
            raise DataDirectoryError(f"{directory} is not a directory") from error
        except OSError as error:
            raise DataDirectoryError(f"cannot use {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise DataDirectoryError(f"{directory} is in use by another process") from error
        except OSError as error:
            self._file.close()
            raise DataDirectoryError(f"cannot lock {directory}: {error.strerror}") from error

    def release(self) -> None:
        self._file.close()


class Journal:
    """One file, locked by its owner's DirectoryLock. `append` may run in a thread."""

    def __init__(self, path: Path, header: bytes, *, synced: bool) -> None:
        self._path = path
        self._header = header
        self._synced = synced
        self._busy = threading.Lock()
        self._size = 0
        self._torn = False
        self._file: BinaryIO | None = None

    def open(self) -> list[bytes]:
        """Take up the file where its last whole write ended; the payloads written so far."""
        try:
            if not self._path.exists():
                self.rewrite(())
                return []
            data = self._path.read_bytes()
            payloads = self._payloads(data)
            self._file = self._path.open("r+b", buffering=0)
            if self._size < len(data):
                _log.warning(
                    "%s: cut off %d bytes, a write that never ended%s",
                    self._path,
                    len(data) - self._size,
                    "" if self._synced else "; what it kept count of is done again",
                )
                self._cut()
        except OSError as error:
            raise DataDirectoryError(f"cannot use {self._path}: {error.strerror}") from error
        return payloads

    def _payloads(self, data: bytes) -> list[bytes]:
        if not data.startswith(self._header):
            found = data.split(b"\n", 1)[0][:80]
            wanted = self._header.rstrip()
            raise DataDirectoryError(f"{self._path} begins with {found!r}, not {wanted!r}")
        payloads = []
        position = len(self._header)
        while (payload := _frame_at(data, position)) is not None:
            payloads.append(payload)
            position += _HEAD_BYTES + len(payload)
        # what is not synced can lose a page in the middle to a power cut, and is only ever a count
        if self._synced and any(_whole_frames(data, after=position)):
            raise DataDirectoryError(f"{self._path} is damaged at byte {position}")
        self._size = position
        return payloads

    def rewrite(self, payloads: Iterable[bytes]) -> None:
        """Replace the file by one with these payloads, wholly or not at all."""
        data = self._header + b"".join(map(_framed, payloads))
        fresh = self._path.with_suffix(".new")
        try:
            self.close()
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_directory(self._path.parent)
            self._file = self._path.open("r+b", buffering=0)
        except OSError as error:
            raise DataDirectoryError(f"cannot write {self._path}: {error.strerror}") from error
        self._size = len(data)

    def append(self, payload: bytes) -> None:
        """Write one frame; OSError leaves the file as it was, at the latest before the next."""
        frame = _framed(payload)
        with self._busy:
            if self._file is None:
                raise OSError("the journal is closed")
            if self._torn:
                self._cut()
            try:
                self._torn = True
                self._write(self._file.fileno(), frame)
            except OSError:
                self._cut()
                raise
            self._torn = False
            self._size += len(frame)

    def _write(self, descriptor: int, frame: bytes) -> None:
        written = 0
        while written < len(frame):
            written += os.pwrite(descriptor, frame[written:], self._size + written)
        if self._synced:
            os.fsync(descriptor)

    def _cut(self) -> None:
        if self._file is not None:
            self._file.truncate(self._size)
            os.fsync(self._file.fileno())
            self._torn = False

    def close(self) -> None:
        with self._busy:
            if self._file is not None:
                self._file.close()
                self._file = None


def _framed(payload: bytes) -> bytes:
    lengths = _LENGTHS.pack(_MARK, len(payload), crc32(payload))
    return lengths + _CHECK.pack(crc32(lengths)) + payload


def _frame_at(data: bytes, position: int) -> bytes | None:
    """The payload of the whole, undamaged frame at this position, if there is one."""
    payload_at = position + _HEAD_BYTES
    if payload_at > len(data):
        return None
    mark, length, checksum = _LENGTHS.unpack_from(data, position)
    (lengths_checksum,) = _CHECK.unpack_from(data, position + _LENGTHS.size)
    lengths = data[position : position + _LENGTHS.size]
    if mark != _MARK or lengths_checksum != crc32(lengths) or payload_at + length > len(data):
        return None
    payload = data[payload_at : payload_at + length]
    return payload if crc32(payload) == checksum else None


def _whole_frames(data: bytes, *, after: int) -> Iterator[bool]:
    position = data.find(_MARK, after + 1)
    while position >= 0:
        yield _frame_at(data, position) is not None
        position = data.find(_MARK, position + 1)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SharedWrites:
    """Write to a journal off the loop; entries that wait while a write is in flight share the next.

    No timer and no tuning: a lone entry goes at once, a crowd shares one fsync.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, entry: bytes, stored: Callable[[], None]) -> None:
        """Call `stored` once the entry is safe, in the order of the calls; also if cancelled.

        Raises Unavailable if the entry could not be written: it is then not in the journal.
        """
        outcome: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, stored, outcome))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        error = await outcome
        if error is not None:
            raise error

    async def _write_all(self) -> None:
        while self._waiting:
            sharing, self._waiting = self._waiting, []
            error = await self._write_once(b"".join(waiting.entry for waiting in sharing))
            for waiting in sharing:
                if error is None:
                    waiting.stored()
                if not waiting.outcome.done():
                    waiting.outcome.set_result(error)

    async def _write_once(self, payload: bytes) -> Exception | None:
        try:
            await asyncio.to_thread(self._journal.append, payload)
        except OSError as error:
            return Unavailable(f"cannot write to the data directory: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a fault of ours; each of the waiting raises it
            return error
        return None

    async def close(self) -> None:
        """Wait for the writes under way, then close the file."""
        if self._writer is not None:
            await asyncio.wait({self._writer})
        self._journal.close()


class _Waiting:
    __slots__ = ("entry", "outcome", "stored")

    def __init__(
        self,
        entry: bytes,
        stored: Callable[[], None],
        outcome: asyncio.Future[Exception | None],
    ) -> None:
        self.entry = entry
        self.stored = stored
        self.outcome = outcome
