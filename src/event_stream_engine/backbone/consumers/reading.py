"""What a group reads: how many at a time, and one batch ahead."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from event_stream_engine.backbone.consumers.inbox import Place
from event_stream_engine.backbone.consumers.lease import GroupLease
from event_stream_engine.backbone.streams import Read, StreamReader
from event_stream_engine.backbone.supervising import end, pause
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import BackboneSettings

_BLOCK_MS = 1000
_COUNT_FIRST = 50
_BYTES_MAX = 32 * 2**20
"""A batch with more data than this halves the next one's size, and so does one that took longer than this."""
_SECONDS_MAX = 2.0
_GROWS_BELOW = 4
"""What stays below a fourth of both lets the next one be twice as large."""


@dataclass
class Batches:
    """The batches of one owner of a group, from where it stands."""

    group: str
    streams: StreamReader
    reader: str
    topics: Sequence[str]
    settings: BackboneSettings
    lease: GroupLease
    stop: asyncio.Event
    careful: bool
    """What the last owner may have had in hand is read at once."""
    _count: int = 0
    _ahead: "asyncio.Task[tuple[Read, bool]] | None" = field(default=None)

    def __post_init__(self) -> None:
        most = self.settings.consume_batch
        self._count = most if self.careful else min(_COUNT_FIRST, most)

    @property
    def flowing(self) -> bool:
        """Whether there is more: the last batch was full."""
        return self._ahead is not None

    async def follow(self, positions: Mapping[Place, str]) -> AsyncGenerator[Read]:
        """Batch by batch, an empty one when there is nothing. While a full one is applied the next is read, never more
        than that one ahead. `positions` are asked again after a pause of the group."""
        try:
            while not self.stop.is_set():
                if self.lease.paused:
                    await pause(self.stop, 0.2)
                    continue
                (read, full), self._ahead = await (self._ahead or self._read()), None
                if read.entries and self.lease.paused:  # it was paused while we waited: this is read again afterwards
                    await self.streams.seek(self.group, self.reader, positions)
                    continue
                if full:
                    self._ahead = asyncio.create_task(self._read())
                yield read
                if read.entries and not full:  # a moment's company makes the next transaction worth more
                    await pause(self.stop, self.settings.consume_linger_ms / 1000)
        finally:
            if self._ahead is not None:
                await end(self._ahead)
                self._ahead = None

    async def _read(self) -> tuple[Read, bool]:
        count = self._count
        read = await self.streams.read(self.group, self.reader, self.topics, count, _BLOCK_MS)
        return read, len(read.entries) >= count

    def applied(self, entries: Sequence[Envelope], seconds: float) -> None:
        """Few large or slow events at a time, many small and fast ones: a transaction stays short whatever they are."""
        share = max(sum(len(entry.data) for entry in entries) / _BYTES_MAX, seconds / _SECONDS_MAX)
        if share > 1:
            self._count = max(1, self._count // 2)
        elif share < 1 / _GROWS_BELOW:
            self._count = min(self.settings.consume_batch, self._count * 2)
