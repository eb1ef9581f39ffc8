"""What the backbone asks of a transport. Redis Streams is the first; one conformance suite runs on each."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

import hiredis
from prometheus_client import Counter

from event_stream_engine.events.base import Envelope

FOREIGN = Counter("ese_stream_foreign_entries_total", "Entries that are no envelopes, left out", ["stream"])


class Entry(NamedTuple):
    """One event on its way into a stream: its position and its fields, all text."""

    entry_id: str
    fields: dict[str, str]

    def tombstone(self) -> "Entry":
        """What stands in the stream for an event that no stream takes: its attributes, and no data."""
        return Entry(self.entry_id, {**self.fields, "type": TOMBSTONE, "data": "{}"})


class Packed(NamedTuple):
    """Entries of one stream as the XADD commands that append them, in Redis's protocol."""

    stream: str
    events: int
    first_id: str
    last_id: str
    largest: int
    """Bytes of the largest command."""
    commands: bytes

    def entries(self) -> list[Entry]:
        """The same for a transport that speaks something else."""
        reader = hiredis.Reader(encoding="utf-8")
        reader.feed(self.commands)
        rows = [cast("list[str]", reader.gets()) for _ in range(self.events)]
        return [Entry(row[2], dict(zip(row[3::2], row[4::2], strict=True))) for row in rows]


TOMBSTONE = "Tombstone"
"""The type of an entry whose event was parked; no reaction hears it."""


class Memory(NamedTuple):
    """What the transport uses, and may use (None: no limit), in bytes."""

    used_bytes: int
    max_bytes: int | None


class Reach(NamedTuple):
    """A transport that answers: how many servers it has, and which of the streams that were asked for are not there
    yet; they are made when first written to or read."""

    servers: int
    missing: tuple[str, ...]


class Read(NamedTuple):
    """What a group was given, and the oldest entry that each of its streams and partitions held at that moment.

    The two belong together: a stream that was trimmed and filled again in between would hide what was lost."""

    entries: list[Envelope]
    heads: dict[tuple[str, int], str]


class StreamBusy(Exception):
    """It cannot be done now; later it may work. `code` says why: oom, readonly, loading, connection, …"""

    def __init__(self, stream: str, code: str, detail: str = "") -> None:
        super().__init__(f"{stream}: {code} {detail}".strip())
        self.stream = stream
        self.code = code
        self.detail = detail


class StreamRefused(StreamBusy):
    """It will not work until somebody acts: wrongtype, noauth, noperm, foreign, …"""


class LastIdMismatch(Exception):
    """The stream does not end where the relay thinks; `actual` is its last id."""

    def __init__(self, stream: str, expected: str, actual: str) -> None:
        super().__init__(f"{stream} ends at {actual}, expected {expected}")
        self.stream = stream
        self.actual = actual


class StreamWriter(Protocol):
    """What the relay needs."""

    async def last_id(self, stream: str) -> str:
        """The id of the newest entry ever appended, `0-0` for none."""
        ...

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        """Append all entries if the stream ends at `expected`; else raise `LastIdMismatch`, appending none."""
        ...

    async def append_packed(self, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]) -> None:
        """The same for slices of one stream that PostgreSQL wrote, one after the other: all or none of each. `appended`
        is told of each that is known to be in."""
        ...

    async def ids_after(self, stream: str, after: str, limit: int) -> list[str]:
        """Ids in the stream greater than `after`, in order, at most `limit`."""
        ...

    async def entries_after(self, stream: str, after: str, limit: int) -> list[Entry]:
        """The same with their fields."""
        ...

    async def first_id(self, stream: str) -> str | None:
        """The oldest entry still held, None for an empty stream."""
        ...

    async def length(self, stream: str) -> int:
        """How many entries the stream holds."""
        ...

    async def trim(self, stream: str, before: str) -> int:
        """Remove entries whose id is smaller than `before`; how many."""
        ...

    async def clear(self, stream: str) -> None:
        """Remove the stream, so that it can be filled again from its beginning."""
        ...

    async def memory(self) -> Memory | None:
        """None where the transport has no memory to look at."""
        ...


class StreamReader(Protocol):
    """What a consumer group needs. The caller holds the group's lease: nobody else reads for it."""

    async def seek(self, group: str, consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        """Let the group continue after these positions, by stream and partition; what it was given before and did
        not acknowledge is forgotten. Creates the group where it is missing."""
        ...

    async def read(self, group: str, consumer: str, streams: Sequence[str], count: int, block_ms: int) -> Read:
        """The next entries, in order per stream and partition, at most `count` a stream; waits up to `block_ms` for
        the first. Entries that are not envelopes are left out."""
        ...

    async def acknowledge(self, group: str, ends: Mapping[tuple[str, int], str]) -> None:
        """The effects of all entries up to these, by stream and partition, are committed."""
        ...

    async def caught_up(self, group: str, consumer: str) -> Mapping[tuple[str, int], str]:
        """Partitions whose every entry up to an id of their stream was given to the group, also where none of those
        entries lies in them. What was read last must have been applied."""
        ...

    async def partitions(self, stream: str) -> int:
        """How many partitions the stream has, numbered from 0. Creates a stream that is missing."""
        ...

    def partition_of(self, key: str, partitions: int) -> int:
        """The partition, of so many, that holds the entries of this key."""
        ...

    async def first_id(self, stream: str, partition: int | None = None) -> str | None:
        """The oldest entry still held (in one partition, where that is named), None where there is none."""
        ...

    async def last_id(self, stream: str) -> str:
        """The id of the newest entry ever appended, `0-0` for none."""
        ...


def position(entry_id: str) -> tuple[int, int]:
    """`<tick>-<seq>` as numbers, for comparing."""
    tick, _, seq = entry_id.partition("-")
    return int(tick), int(seq or 0)
