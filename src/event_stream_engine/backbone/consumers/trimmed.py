"""Entries that left a stream before a group read them: they come from the outbox."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.consumers.inbox import Place
from event_stream_engine.backbone.streams import StreamReader, position
from event_stream_engine.backbone.streams.envelopes import envelope
from event_stream_engine.database import Database
from event_stream_engine.events.base import Envelope

_SLICE = 500


async def trimmed_away(
    database: Database, streams: StreamReader, place: Place, at: str, read: Sequence[Envelope], first: str | None
) -> AsyncIterator[list[Envelope]]:
    """What lies between the group's position and what it was given now, or the stream's end when it was given
    nothing; empty where the stream still held something at or before the position. `first` is the oldest entry it
    held then."""
    stream, partition = place
    if first is not None and position(first) <= position(at):
        return
    upto = read[0].entry_id if read else await streams.last_id(stream)
    if first is not None and not read:
        upto = min(upto, first, key=position)
    if position(upto) <= position(at) or (read and first is not None and at != "0-0" and first == at):
        return
    begin, end = position(at), _past(upto, bool(read))
    partitions = await streams.partitions(stream)
    async with database.driver() as connection:
        slices = ticks.history(connection, max(0, begin[0] - 1), end[0], stream, _SLICE, before_seq=end[1])
        async with aclosing(slices):
            async for slice_ in slices:
                between = [e for _, e in slice_ if begin < position(e.entry_id)]
                here = [e for e in between if streams.partition_of(e.fields["subject"], partitions) == partition]
                if here:
                    yield [envelope(stream, entry.entry_id, entry.fields, partition) for entry in here]


def _past(upto: str, read: bool) -> tuple[int, int]:
    """What was read is not reloaded; the end of a stream is."""
    tick, seq = position(upto)
    return (tick, seq) if read else (tick, seq + 1)
