"""The outbox: an event is recorded in the transaction of the change it tells of, or not at all.

Record after the aggregate's row lock is held: the sequence number drawn here is the order within the key. The
table is append-only and partitioned by day; nothing ever marks a row.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Transaction, copy
from event_stream_engine.events.base import Event
from event_stream_engine.ids import new_id
from event_stream_engine.telemetry import causation, correlation

PAYLOAD_BYTES_MAX = 1_048_576
PARTITION_DAYS_AHEAD = 14

_COLUMNS = ("stream", "key", "event_id", "type", "time", "correlation_id", "causation_id", "data")


async def record(tx: Transaction, event: Event) -> UUID:
    """Record one event in `tx`; its id. It is published when `tx` commits, and never when it does not."""
    row = _row(event)
    await tx.execute(
        text(
            "INSERT INTO outbox (stream, key, event_id, type, time, correlation_id, causation_id, data) "
            "VALUES (:stream, :key, :event_id, :type, :time, :correlation_id, :causation_id, "
            "CAST(CAST(:data AS text) AS jsonb))"
        ),
        dict(zip(_COLUMNS, row, strict=True)),
    )
    return row[2]


async def record_many(tx: Transaction, events: Iterable[Event]) -> int:
    """Record many events in `tx` by COPY, in their order; how many."""
    rows = [_row(event) for event in events]
    return await copy(tx, "outbox", _COLUMNS, rows) if rows else 0


def _row(event: Event) -> tuple[str, str, UUID, str, object, UUID | None, UUID | None, str]:
    event_id = new_id()
    data = msgspec.json.encode(event).decode()
    if len(data) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"{type(event).__name__} carries {len(data)} bytes; at most {PAYLOAD_BYTES_MAX} fit")
    return (
        event.stream,
        event.key,
        event_id,
        type(event).__name__,
        clock.now(),
        correlation.get() or event_id,
        causation.get(),
        data,
    )


async def ensure_partitions(tx: Transaction, today: date) -> None:
    """Create the daily partitions from yesterday to two weeks ahead, as far as they are missing."""
    days = {"first": today - timedelta(days=1), "last": today + timedelta(days=PARTITION_DAYS_AHEAD)}
    await tx.execute(text("SELECT ese_outbox_partitions(:first, :last)"), days)
