"""All SQL of monitoring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from event_stream_engine.database import Transaction, raw
from event_stream_engine.events.monitoring import Category
from event_stream_engine.live.messages import Message
from event_stream_engine.monitoring.model import CONFLATION_KEY
from event_stream_engine.resilience import Action

HINT = "ese_monitoring"
"""PostgreSQL's channel on which a writer says, after its commit, that there are rows."""


class Row(msgspec.Struct, frozen=True):
    """An event as it is written; `data` and `metadata` are JSON."""

    event_id: UUID
    event_type: str
    category: Category
    source: str
    timestamp: datetime
    data: str
    metadata: str
    origin_epoch: str | None
    origin_offset: int | None

    @property
    def size(self) -> int:
        """Bytes, near enough."""
        return len(self.data) + len(self.metadata) + 200

    @property
    def key(self) -> None:
        """Every event is kept: none is only the latest state of something."""
        return


@dataclass(frozen=True)
class Stored:
    """An event as it was published."""

    event_id: UUID
    event_type: str
    category: Category
    source: str
    timestamp: datetime
    data: dict[str, Any]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class MetricFlush:
    """What was counted since the flush before, by name and label; unique by (instance, epoch, seq)."""

    instance: str
    epoch: str
    seq: int
    measured_at: datetime
    deltas: Mapping[tuple[str, str], float]


# Everybody who gives offsets holds this row until the commit, so that they are committed in their order.
_LOCK_CHANNEL = "SELECT epoch, top FROM monitoring_channel FOR UPDATE"

# What is there already stays as it is and takes no offset.
_INSERT = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
                         $8::text[], $9::bigint[]) WITH ORDINALITY
        AS g (event_id, event_type, category, source, at, data, metadata, origin_epoch, origin_offset, place)
    WHERE NOT EXISTS (SELECT FROM monitoring_events e WHERE e.event_id = g.event_id)
)
INSERT INTO monitoring_events (event_id, epoch, "offset", event_type, category, source, "timestamp", data, metadata,
                               origin_epoch, origin_offset, created_at)
SELECT event_id, $10, $11 + row_number() OVER (ORDER BY place), event_type, category, source, at, data::jsonb,
       metadata::jsonb, origin_epoch, origin_offset, now()
FROM given
ON CONFLICT (event_id) DO NOTHING
"""
_MOVE_TOP = "UPDATE monitoring_channel SET top = top + $1"
_TOP = "SELECT epoch, top FROM monitoring_channel"

_AFTER = """
SELECT event_id, "offset", event_type, category, source, "timestamp", data::text, metadata::text
FROM monitoring_events WHERE epoch = $1 AND "offset" > $2 ORDER BY "offset" LIMIT $3
"""

_NEWEST = """
SELECT event_id, event_type, category, source, "timestamp", data::text, metadata::text
FROM monitoring_events
WHERE category = $1 AND ("timestamp", event_id) < ($2, $3)
ORDER BY "timestamp" DESC, event_id DESC LIMIT $4
"""
_NO_END = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))

_CLAIM_FLUSH = """
INSERT INTO monitoring_flushes (instance, epoch, flush_seq, measured_at, written_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT DO NOTHING
"""
_INSERT_METRICS = """
INSERT INTO monitoring_metrics_raw (at, written_at, name, label, value)
SELECT $1, now(), name, label, value FROM unnest($2::text[], $3::text[], $4::float8[]) AS g (name, label, value)
"""

_BURY = """
INSERT INTO monitoring_dead_letters (event_id, at, event_type, category, sqlstate, reason, payload)
VALUES ($1, now(), $2, $3, $4, $5, $6) ON CONFLICT (event_id) DO NOTHING
"""

# A bucket is written anew from all of its raw rows, so that running again changes nothing.
_ROLL_UP = """
INSERT INTO {table} (bucket, name, label, value)
SELECT date_trunc($1, at, 'UTC'), name, label, sum(value) FROM monitoring_metrics_raw
WHERE at >= (SELECT date_trunc($1, min(at), 'UTC') FROM monitoring_metrics_raw WHERE written_at >= $2)
GROUP BY 1, 2, 3
ON CONFLICT (bucket, name, label) DO UPDATE SET value = excluded.value
"""
_FORGET = {
    "monitoring_events": "created_at",
    "monitoring_metrics_raw": "written_at",
    "monitoring_flushes": "written_at",
    "monitoring_metrics_minutes": "bucket",
    "monitoring_metrics_hours": "bucket",
    "monitoring_dead_letters": "at",
}


class OrderRow(msgspec.Struct, frozen=True):
    """An operator's newest word about a breaker; `process` is a kind of process, or empty for all of them."""

    breaker: str
    process: str
    number: int
    action: Action
    reason: str
    ordered_by: UUID | None
    ordered_at: datetime


# The number is drawn once the row is locked, so that numbers and commits of one row have the same order.
_ORDER = """
INSERT INTO circuit_orders (breaker, process, number, action, reason, ordered_by, ordered_at)
VALUES ($1, $2, nextval('circuit_order_numbers'), $3, $4, $5, $6)
ON CONFLICT (breaker, process) DO UPDATE SET number = nextval('circuit_order_numbers'), action = excluded.action,
    reason = excluded.reason, ordered_by = excluded.ordered_by, ordered_at = excluded.ordered_at
RETURNING number
"""
_ORDERS = "SELECT breaker, process, number, action, reason, ordered_by, ordered_at FROM circuit_orders ORDER BY number"


async def order(tx: Transaction, row: OrderRow) -> OrderRow:
    """With its number."""
    given = (row.breaker, row.process, row.action.value, row.reason, row.ordered_by, row.ordered_at)
    number = await (await raw(tx)).fetchval(_ORDER, *given)
    return msgspec.structs.replace(row, number=number)


async def orders(tx: Transaction) -> list[OrderRow]:
    """All of them, the oldest first: at most one for each breaker and kind of process."""
    return [OrderRow(**{**row, "action": Action(row["action"])}) for row in await (await raw(tx)).fetch(_ORDERS)]


async def write_events(tx: Transaction, rows: Sequence[Row]) -> int:
    """Those that are not there yet, at the next offsets; how many. Two rows of one id may not be among them."""
    connection = await raw(tx)
    epoch, top = await connection.fetchrow(_LOCK_CHANNEL)  # type: ignore[misc]  # there is always one
    columns = [
        [getattr(row, name) for row in rows]
        for name in ("event_id", "event_type", "category", "source", "timestamp", "data", "metadata",
                     "origin_epoch", "origin_offset")
    ]  # fmt: skip
    status = await connection.execute(_INSERT, *columns, epoch, top)
    written = int(status.rsplit(" ", 1)[1])
    if written:
        await connection.execute(_MOVE_TOP, written)
    return written


async def write_metrics(tx: Transaction, flush: MetricFlush) -> bool:
    """False when this flush is there already."""
    connection = await raw(tx)
    claimed = await connection.execute(_CLAIM_FLUSH, flush.instance, flush.epoch, flush.seq, flush.measured_at)
    if claimed.endswith(" 0"):
        return False
    names, labels = [name for name, _ in flush.deltas], [label for _, label in flush.deltas]
    await connection.execute(_INSERT_METRICS, flush.measured_at, names, labels, list(flush.deltas.values()))
    return True


async def bury(tx: Transaction, row: Row, sqlstate: str, reason: str) -> None:
    """Keep a row that the database refuses."""
    connection = await raw(tx)
    plain = [text.replace("\0", "�") for text in (row.event_type, row.category.value, sqlstate, reason)]
    await connection.execute(_BURY, row.event_id, *plain, msgspec.json.encode(row))


async def hint(tx: Transaction) -> None:
    """Wake those who follow the table. In a transaction of its own: NOTIFY takes a lock at commit."""
    await (await raw(tx)).execute("SELECT pg_notify($1, '')", HINT)


async def top(tx: Transaction) -> tuple[str, int]:
    """The epoch and the newest offset of the table's channel."""
    found = await (await raw(tx)).fetchrow(_TOP)
    assert found is not None, "the migration makes the row"
    return found["epoch"], found["top"]


async def messages_after(tx: Transaction, epoch: str, offset: int, limit: int) -> list[Message]:
    """In order; each as it was published."""
    rows = await (await raw(tx)).fetch(_AFTER, epoch, offset, limit)
    return [_message(row) for row in rows]


async def page(tx: Transaction, category: Category, before: tuple[datetime, UUID] | None, limit: int) -> list[Stored]:
    """Events of a category, the newest first, older than `before` (time and id)."""
    rows = await (await raw(tx)).fetch(_NEWEST, category.value, *(before or _NO_END), limit)
    return [
        Stored(
            row["event_id"], row["event_type"], Category(row["category"]), row["source"], row["timestamp"],
            msgspec.json.decode(row["data"]), msgspec.json.decode(row["metadata"]),
        )
        for row in rows
    ]  # fmt: skip


async def roll_up(tx: Transaction, since: datetime) -> None:
    """Add up raw rows that were written since then, per minute and per hour."""
    connection = await raw(tx)
    for unit in ("minute", "hour"):
        await connection.execute(_ROLL_UP.format(table=f"monitoring_metrics_{unit}s"), unit, since)


async def forget(tx: Transaction, now: datetime, kept: Mapping[str, timedelta]) -> dict[str, int]:
    """Remove rows that are older than their table's time; how many of each."""
    connection = await raw(tx)
    removed = {}
    for table, age in kept.items():
        statement = f"DELETE FROM {table} WHERE {_FORGET[table]} < $1"  # noqa: S608  # names are ours
        removed[table] = int((await connection.execute(statement, now - age)).rsplit(" ", 1)[1])
    return removed


def _message(row: Any) -> Message:
    metadata = row["metadata"]
    key = msgspec.json.decode(metadata).get(CONFLATION_KEY) if CONFLATION_KEY in metadata else None
    event = {
        "event_id": str(row["event_id"]),
        "event_type": row["event_type"],
        "timestamp": row["timestamp"].isoformat(),
        "source": row["source"],
        "category": row["category"],
        "data": msgspec.Raw(row["data"].encode()),
        "metadata": msgspec.Raw(metadata.encode()),
    }
    encoded = msgspec.json.encode(event)
    return Message(row["offset"], Category(row["category"]), encoded, key if isinstance(key, str) else None)
