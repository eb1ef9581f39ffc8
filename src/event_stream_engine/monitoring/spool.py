"""Where rows wait on disk while the database does not take them: files that are written once, whole, with a checksum
for each record and fsync before the rows leave memory.

A file is `<number>.<category>.<count>.spool`: records of 4 bytes length, 4 bytes CRC-32 (both big-endian), JSON. It is
removed only after its rows are committed; rows that are there already change nothing, so a crash in between is safe.
A record whose checksum is wrong is skipped and counted. Bound: 256 MiB; then the oldest file of the least worth goes.
Each process has a folder of its own, held by a lock; what a dead one left is adopted.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import Counter

from event_stream_engine.events.monitoring import FIRST_TO_GO, Category

log = structlog.get_logger()

CORRUPT = Counter("ese_monitoring_spool_corrupt_total", "Records of the spool that could not be read")

SPOOL_BYTES_MAX = 256 * 2**20
_HEAD = struct.Struct(">II")
_RECORD_BYTES_MAX = 2**20
_SUFFIX = ".spool"


@dataclass(frozen=True, order=True)
class Batch:
    """A file of the spool."""

    number: int
    category: Category
    count: int
    path: Path

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size


class Spool:
    """One process's folder below `root`. All methods block, `remove` hardly: call the others in a thread."""

    def __init__(self, root: Path, name: str, bytes_max: int = SPOOL_BYTES_MAX) -> None:
        self._root, self._folder, self._bytes_max = root, root / name, bytes_max
        self._lock: int | None = None
        self._next = 0
        self.count = 0
        """Rows that wait here."""

    def open(self) -> int:
        """Take the folder, and what dead processes left in others; how many rows were found. Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder)
        if self._lock is None:
            raise OSError(f"{self._folder} is in use by another process")
        self._next = max((batch.number for batch in self.batches()), default=-1) + 1
        for other in sorted(self._root.iterdir()):
            if other != self._folder and other.is_dir():
                self._adopt(other)
        self.count = sum(batch.count for batch in self.batches())
        return self.count

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def batches(self) -> list[Batch]:
        """Oldest first."""
        return sorted(batch for path in self._folder.glob(f"*{_SUFFIX}") if (batch := _batch(path)) is not None)

    def write(self, category: Category, records: Sequence[bytes]) -> list[Batch]:
        """Keep rows of one category; what had to go for them. On disk when this returns. Raises `OSError`."""
        content = b"".join(_HEAD.pack(len(each), zlib.crc32(each)) + each for each in records)
        gone = self._make_room(len(content))
        path = self._folder / f"{self._next:012d}.{category}.{len(records)}{_SUFFIX}"
        self._next += 1
        _write_whole(path, content)
        self.count += len(records)
        return gone

    def read(self, batch: Batch) -> list[bytes]:
        """Its records that are whole. Raises `OSError`."""
        content = batch.path.read_bytes()
        records: list[bytes] = []
        at = 0
        while at + _HEAD.size <= len(content):
            length, checksum = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            if length > _RECORD_BYTES_MAX:
                break  # nothing behind it can be found
            record = content[at : at + length]
            at += length
            if zlib.crc32(record) == checksum and len(record) == length:
                records.append(record)
        return records

    def remove(self, batch: Batch) -> None:
        """Its rows are committed, or given up."""
        batch.path.unlink(missing_ok=True)
        self.count -= batch.count

    def _make_room(self, wanted: int) -> list[Batch]:
        batches = self.batches()
        total = sum(batch.size for batch in batches) + wanted
        gone: list[Batch] = []
        for batch in sorted(batches, key=lambda each: (FIRST_TO_GO.index(each.category), each.number)):
            if total <= self._bytes_max:
                break
            total -= batch.size
            self.remove(batch)
            gone.append(batch)
        return gone

    def _adopt(self, other: Path) -> None:
        lock = _locked(other)
        if lock is None:
            return  # its process lives
        try:
            for path in sorted(other.glob(f"*{_SUFFIX}")):
                batch = _batch(path)
                if batch is not None:
                    path.rename(self._folder / f"{self._next:012d}.{batch.category}.{batch.count}{_SUFFIX}")
                    self._next += 1
            for rest in other.iterdir():
                rest.unlink()
            other.rmdir()
        finally:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """An open, locked file in the folder; None when another process holds it."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _batch(path: Path) -> Batch | None:
    """What the name says; None for a file that is not ours."""
    number, _, rest = path.name.removesuffix(_SUFFIX).partition(".")
    category, _, count = rest.partition(".")
    if not (number.isdigit() and count.isdigit() and category in set(Category)):
        return None
    return Batch(int(number), Category(category), int(count), path)


def _write_whole(path: Path, content: bytes) -> None:
    partly = path.with_suffix(".partly")
    try:
        with partly.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partly.rename(path)
    except OSError:
        partly.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
