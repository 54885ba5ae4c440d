"""The embedded log with a data directory: what it keeps through crashes, and what it refuses."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.ports.log_suite import KEY_OF_NUMBER, ignored
from system.kit.adapters.embedded import journal
from system.kit.adapters.embedded.journal import DataDirectoryError, Journal
from system.kit.adapters.embedded.log import EmbeddedBroker, EmbeddedLog
from system.kit.errors import Unavailable
from system.kit.ports.log import Message, Partition

TOPIC = "orders"
P0 = Partition(TOPIC, 0)


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[EmbeddedLog]:
    broker = EmbeddedBroker(now_ms=lambda: 42, directory=directory)
    try:
        log = EmbeddedLog(broker, "m")
        await log.ensure([TOPIC])
        yield log
    finally:
        await broker.close()


def message(value: bytes) -> Message:
    return Message(TOPIC, KEY_OF_NUMBER[0], value, (("name", b"\x00"),))


async def publish(log: EmbeddedLog, *values: bytes) -> None:
    assert await log.publish([message(value) for value in values]) == [None] * len(values)


async def stored(log: EmbeddedLog) -> list[bytes]:
    return [record.message.value async for record in log.read(TOPIC)]


def log_file(directory: Path) -> Path:
    return directory / "log.journal"


async def written(directory: Path, *writes: bytes) -> list[int]:
    """Write one frame each; where each of them ends."""
    ends = []
    async with opened(directory) as log:
        ends.append(log_file(directory).stat().st_size)
        for value in writes:
            await publish(log, value)
            ends.append(log_file(directory).stat().st_size)
    return ends


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await publish(log, b"a", b"b")
        before = [record async for record in log.read(TOPIC)]

    async with opened(tmp_path) as log:
        assert [record async for record in log.read(TOPIC)] == before
        await publish(log, b"c")

    async with opened(tmp_path) as log:
        assert await stored(log) == [b"a", b"b", b"c"]


async def test_a_group_goes_on_at_its_offsets_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await publish(log, b"a", b"b", b"c")
        async with log.subscribe("group", [TOPIC], ignored) as subscription:
            await subscription.poll(full=(), timeout_s=0)
            await subscription.commit({P0: 1})
            await subscription.commit({P0: 2})

    for _ in range(2):
        async with opened(tmp_path) as log:
            assert await log.committed("group") == {P0: 2}
            async with log.subscribe("group", [TOPIC], ignored) as subscription:
                polled = await subscription.poll(full=(), timeout_s=0)
            assert [record.message.value for record in polled[P0]] == [b"c"]


async def test_offsets_that_newer_ones_replaced_are_dropped_at_start(tmp_path: Path) -> None:
    offsets = tmp_path / "offsets.journal"
    async with opened(tmp_path) as log, log.subscribe("group", [TOPIC], ignored) as subscription:
        await subscription.commit({P0: 1})
        one = offsets.stat().st_size
        for number in range(2, 100):
            await subscription.commit({P0: number})
        assert offsets.stat().st_size > 50 * one

    async with opened(tmp_path) as log:
        assert offsets.stat().st_size < 2 * one
        assert await log.committed("group") == {P0: 99}


async def test_a_start_that_fails_while_it_drops_old_offsets_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as log, log.subscribe("group", [TOPIC], ignored) as subscription:
        await subscription.commit({P0: 1})

    def fails(_: Path, __: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fails)
        with pytest.raises(DataDirectoryError, match=r"cannot write .*offsets\.journal"):
            EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path)

    async with opened(tmp_path) as log:
        assert await log.committed("group") == {P0: 1}


async def test_a_last_write_that_never_ended_is_cut_off_wherever_it_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    *_, whole, end = await written(tmp_path / "whole", b"a", b"b", b"torn")
    data = log_file(tmp_path / "whole").read_bytes()
    torn = tmp_path / "torn"
    torn.mkdir()

    for size in range(whole + 1, end):
        log_file(torn).write_bytes(data[:size])
        async with opened(torn) as log:
            assert log_file(torn).stat().st_size == whole
            assert await stored(log) == [b"a", b"b"]
            await publish(log, b"c")
        async with opened(torn) as log:
            assert await stored(log) == [b"a", b"b", b"c"]
    assert "cut off 1 bytes, a write that never ended" in caplog.text


@pytest.mark.parametrize("tail", [b"\x00" * 4096, b"\x00" * 40 + b"\xff" * 40])
async def test_a_tail_of_blocks_that_were_never_written_is_cut_off(
    tmp_path: Path, tail: bytes
) -> None:
    await written(tmp_path, b"a")
    with log_file(tmp_path).open("ab") as file:
        file.write(tail)

    async with opened(tmp_path) as log:
        assert await stored(log) == [b"a"]


async def test_damage_before_a_whole_write_is_an_error(tmp_path: Path) -> None:
    made, first, *_ = await written(tmp_path, b"damaged", b"whole")
    data = log_file(tmp_path).read_bytes()

    for position in range(made, first):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        log_file(tmp_path).write_bytes(damaged)
        with pytest.raises(DataDirectoryError, match=rf"log\.journal is damaged at byte {made}$"):
            EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path)
        assert log_file(tmp_path).read_bytes() == damaged


async def test_a_hole_in_the_offsets_is_cut_off_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a power cut leaves it, where nothing is synced: work is repeated, and none is lost."""
    journal = Journal(tmp_path / "offsets.journal", b"offsets 1\n", synced=False)
    journal.open()
    for number in range(3):
        journal.append(b"%d" % number)
    journal.close()
    data = bytearray((tmp_path / "offsets.journal").read_bytes())
    first = data.index(b"0", len(b"offsets 1\n") + 10) + 1
    data[first : first + 10] = bytes(10)
    (tmp_path / "offsets.journal").write_bytes(data)

    journal = Journal(tmp_path / "offsets.journal", b"offsets 1\n", synced=False)
    assert journal.open() == [b"0"]
    journal.close()
    assert "what it kept count of is done again" in caplog.text


async def test_a_start_that_failed_does_not_keep_the_directory(tmp_path: Path) -> None:
    log_file(tmp_path).write_bytes(b"something else\n")
    with pytest.raises(DataDirectoryError, match="begins with b'something else', not b'log 1 3'"):
        EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path)

    log_file(tmp_path).unlink()
    async with opened(tmp_path) as log:
        assert await stored(log) == []


async def test_a_log_of_another_number_of_partitions_is_refused(tmp_path: Path) -> None:
    await written(tmp_path)
    with pytest.raises(DataDirectoryError, match="'log 1 3', not b'log 1 4'"):
        EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path, partitions=4)


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from system.kit.adapters.embedded.log import EmbeddedBroker\n"
        "EmbeddedBroker(now_ms=lambda: 0, directory=Path(sys.argv[1]))\n"
    )

    def second() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    async with opened(tmp_path):
        refused = await asyncio.to_thread(second)
    accepted = await asyncio.to_thread(second)

    assert refused.returncode != 0
    assert refused.stderr.rstrip().endswith(f"{tmp_path} is in use by another process")
    assert accepted.returncode == 0, accepted.stderr


async def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match=r"file is not a directory"):
        EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path / "file")
    with pytest.raises(DataDirectoryError, match=r"cannot use .*file/below: Not a directory"):
        EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path / "file" / "below")


async def test_a_directory_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    async with opened(tmp_path / "new" / "newer") as log:
        await publish(log, b"a")


class Disk:
    """Stands before the real calls, and can hold or refuse them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.syncs = 0
        self.room: int | None = None
        """How many more bytes fit; None for no end."""
        self.sync_error: OSError | None = None
        self.lets_sync = threading.Event()
        self.lets_sync.set()
        self._pwrite, self._fsync = os.pwrite, os.fsync
        monkeypatch.setattr(os, "pwrite", self.pwrite)
        monkeypatch.setattr(os, "fsync", self.fsync)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        if self.room is None:
            return self._pwrite(descriptor, data, offset)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._pwrite(descriptor, data[: self.room], offset)
        self.room -= written
        return written

    def fsync(self, descriptor: int) -> None:
        self.syncs += 1
        assert self.lets_sync.wait(5)
        if self.sync_error is not None:
            error, self.sync_error = self.sync_error, None
            raise error
        self._fsync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.001)  # between two looks, not in place of one


async def test_a_record_is_seen_and_acknowledged_only_once_it_is_synced(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as log:
        disk.lets_sync.clear()
        before = disk.syncs
        publishing = asyncio.create_task(log.publish([message(b"a")]))
        await until(lambda: disk.syncs > before)
        assert await stored(log) == []
        assert not publishing.done()

        disk.lets_sync.set()
        assert await publishing == [None]
        assert await stored(log) == [b"a"]


async def test_what_waits_while_a_sync_is_in_flight_shares_the_next(
    tmp_path: Path, disk: Disk
) -> None:
    async with opened(tmp_path) as log:
        disk.lets_sync.clear()
        before = disk.syncs
        first = asyncio.create_task(log.publish([message(b"0")]))
        await until(lambda: disk.syncs > before)
        others = [
            asyncio.create_task(log.publish([message(b"%d" % number)])) for number in range(1, 50)
        ]
        await asyncio.sleep(0)
        disk.lets_sync.set()
        await asyncio.gather(first, *others)

        assert disk.syncs == before + 2
        assert await stored(log) == [b"%d" % number for number in range(50)]


@pytest.mark.parametrize("room", [0, 1, 30])
async def test_a_full_disk_fails_the_messages_and_harms_nothing(
    tmp_path: Path, disk: Disk, room: int
) -> None:
    async with opened(tmp_path) as log:
        await publish(log, b"a")
        size = log_file(tmp_path).stat().st_size
        disk.room = room
        outcomes = await log.publish([message(b"b"), message(b"c")])

        assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
        assert "No space left on device" in str(outcomes[0])
        assert log_file(tmp_path).stat().st_size == size
        assert await stored(log) == [b"a"]

        disk.room = None
        await publish(log, b"d")

    async with opened(tmp_path) as log:
        assert await stored(log) == [b"a", b"d"]


async def test_a_sync_that_failed_counts_as_nothing_written(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as log:
        disk.sync_error = OSError(errno.EIO, os.strerror(errno.EIO))
        (outcome,) = await log.publish([message(b"a")])
        assert isinstance(outcome, Unavailable)
        await publish(log, b"b")

    async with opened(tmp_path) as log:
        assert await stored(log) == [b"b"]


async def test_a_cut_that_failed_is_made_before_the_next_write(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = journal.Journal._cut  # noqa: SLF001 - the disk must fail just there

    def fails(_: journal.Journal) -> None:
        monkeypatch.setattr(journal.Journal, "_cut", cut)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with opened(tmp_path) as log:
        before = log_file(tmp_path).stat().st_size
        await publish(log, b"a")
        size = log_file(tmp_path).stat().st_size
        monkeypatch.setattr(journal.Journal, "_cut", fails)
        disk.room = 2 * (size - before)
        (outcome,) = await log.publish([message(b"longer than the next one" * 20)])
        assert isinstance(outcome, Unavailable)
        disk.room = None
        await publish(log, b"c")
        assert log_file(tmp_path).stat().st_size - size == size - before

    async with opened(tmp_path) as log:
        assert await stored(log) == [b"a", b"c"]


async def test_a_commit_on_a_full_disk_is_unavailable(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as log, log.subscribe("group", [TOPIC], ignored) as subscription:
        disk.room = 0
        with pytest.raises(Unavailable, match="No space left"):
            await subscription.commit({P0: 0})


async def test_a_topic_on_a_full_disk_is_not_made(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as log:
        disk.room = 0
        with pytest.raises(Unavailable):
            await log.ensure(["more"])
        with pytest.raises(Unavailable, match="there is no topic more"):
            await log.ends(["more"])


async def test_who_gives_up_waiting_takes_nothing_back(tmp_path: Path, disk: Disk) -> None:
    async with opened(tmp_path) as log:
        disk.lets_sync.clear()
        before = disk.syncs
        publishing = asyncio.create_task(log.publish([message(b"a")]))
        await until(lambda: disk.syncs > before)
        publishing.cancel()
        await asyncio.wait({publishing})
        assert publishing.cancelled()
        disk.lets_sync.set()
        await publish(log, b"b")

        assert await stored(log) == [b"a", b"b"]


async def test_closing_waits_for_the_writes_under_way(tmp_path: Path) -> None:
    broker = EmbeddedBroker(now_ms=lambda: 0, directory=tmp_path)
    log = EmbeddedLog(broker, "m")
    await log.ensure([TOPIC])
    publishing = asyncio.create_task(log.publish([message(b"a")]))
    await asyncio.sleep(0)
    await broker.close()

    assert await publishing == [None]
    (late,) = await log.publish([message(b"late")])
    assert isinstance(late, Unavailable)
    async with opened(tmp_path) as log:
        assert await stored(log) == [b"a"]


async def test_offsets_beyond_a_log_that_is_gone_start_from_the_earliest(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await publish(log, b"a", b"b")
        async with log.subscribe("group", [TOPIC], ignored) as subscription:
            await subscription.commit({P0: 2})
    log_file(tmp_path).unlink()

    async with opened(tmp_path) as log:
        await publish(log, b"new")
        async with log.subscribe("group", [TOPIC], ignored) as subscription:
            polled = await subscription.poll(full=(), timeout_s=0)
        assert [record.message.value for record in polled[P0]] == [b"new"]


async def test_a_copy_of_the_directory_is_a_backup(tmp_path: Path) -> None:
    await written(tmp_path / "first", b"a")
    shutil.copytree(tmp_path / "first", tmp_path / "second")

    async with opened(tmp_path / "second") as log:
        assert await stored(log) == [b"a"]
