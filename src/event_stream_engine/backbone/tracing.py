"""Following events: the newest ones as they come, and everything that one of them led to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.backbone.streams.opening import Transport
from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Envelope

TRACE_LIMIT = 1000


@dataclass(frozen=True)
class TracedEvent:
    """One event of a trace."""

    event_id: UUID
    causation_id: UUID | None
    stream: str
    type: str
    key: str
    time: datetime
    data: str


async def trace(tx: Transaction, event_id: UUID) -> list[TracedEvent]:
    """All events that share a correlation with `event_id` (an event's or the correlation's own id), oldest first.

    At most `TRACE_LIMIT`; empty when the outbox does not hold it (any more).
    """
    rows = await tx.execute(text(_TRACE), {"id": event_id, "limit": TRACE_LIMIT})
    return [TracedEvent(*row) for row in rows]


_TRACE = """
SELECT o.event_id, o.causation_id, o.stream, o.type, o.key, o.time, o.data::text
FROM outbox o
WHERE o.correlation_id = coalesce((SELECT correlation_id FROM outbox WHERE event_id = :id LIMIT 1), :id)
ORDER BY o.seq
LIMIT :limit
"""


async def tail(streams: Transport, names: list[str], *, from_start: bool = False) -> AsyncIterator[Envelope]:
    """Every event that arrives in the named streams, until the caller stops asking."""
    positions = {name: "0-0" if from_start else await streams.last_id(name) for name in names}
    while True:
        for name in names:
            wait = max(50, 500 // len(names))
            for entry in await streams.tail(name, positions[name], 100, wait):
                positions[name] = entry.entry_id
                yield entry
