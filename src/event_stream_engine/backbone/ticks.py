"""Snapshot ticks: the order of record.

A tick is a stored `pg_current_snapshot()`. What a tick sees and the one before did not is its batch, ordered by
`seq`: every commit falls in exactly one batch, none is skipped because it committed late, and no open transaction
holds up the others. Recomputing a batch from the stored snapshots always gives the same rows in the same order.
(The algorithm is PgQ's; ordering by sequence skips late commits, ordering by transaction id inverts events of one
key: see docs/decisions/0001-snapshot-ticks.md.)
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from event_stream_engine.backbone.streams import Entry

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_START = "0:0:"  # before the first tick nothing was visible


@dataclass(frozen=True)
class Tick:
    """A stored snapshot; `snapshot` is PostgreSQL's text form `xmin:xmax:xip,xip`."""

    id: int
    snapshot: str

    @property
    def xmax(self) -> str:
        return self.snapshot.split(":")[1]

    @property
    def in_progress(self) -> list[str]:
        listed = self.snapshot.split(":")[2]
        return listed.split(",") if listed else []


BEFORE_ALL = Tick(0, _START)

# One statement, hence one snapshot: what `fresh` sees is what the tick stores. The lease is checked in it too, so
# that a relay that was paused past its lease cannot add a tick.
_TAKE = """
WITH fresh AS (
    SELECT EXISTS (SELECT FROM outbox WHERE xid >= $1::text::xid8)
        OR EXISTS (SELECT FROM outbox WHERE xid = ANY ($2::text[]::xid8[])) AS any_row
)
INSERT INTO outbox_ticks (id, snapshot)
SELECT greatest($3::bigint + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), pg_current_snapshot()
FROM fresh
WHERE any_row AND EXISTS (
    SELECT FROM relay_lease WHERE name = 'relay' AND epoch = $4 AND expires_at > clock_timestamp()
)
RETURNING id, snapshot::text
"""

_BATCH_COLUMNS = """
stream, seq, key, key_version, event_id, type, time, correlation_id, causation_id, traceparent, data::text AS data
"""

_BATCH = f"""
SELECT {_BATCH_COLUMNS} FROM (
    SELECT * FROM outbox
    WHERE xid >= $1::text::xid8 AND xid < $2::text::xid8
      AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
    UNION ALL
    SELECT * FROM outbox
    WHERE xid = ANY ($4::text[]::xid8[]) AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
) AS batch
WHERE $5::text IS NULL OR stream = $5
ORDER BY seq
"""  # noqa: S608


async def last_tick(connection: Connection) -> Tick:
    """The newest stored tick."""
    return await tick_at_or_before(connection, 2**62)


async def tick_at_or_before(connection: Connection, tick_id: int) -> Tick:
    """The newest tick whose id is at most `tick_id`."""
    row = await connection.fetchrow(
        "SELECT id, snapshot::text FROM outbox_ticks WHERE id <= $1 ORDER BY id DESC LIMIT 1", tick_id
    )
    return Tick(row["id"], row["snapshot"]) if row else BEFORE_ALL


async def ticks_after(connection: Connection, tick: Tick, limit: int) -> list[Tick]:
    """Stored ticks that follow `tick`, in order."""
    rows = await connection.fetch(
        "SELECT id, snapshot::text FROM outbox_ticks WHERE id > $1 ORDER BY id LIMIT $2", tick.id, limit
    )
    return [Tick(row["id"], row["snapshot"]) for row in rows]


async def take(connection: Connection, previous: Tick, epoch: int) -> Tick | None:
    """Store a tick if something was committed since `previous`; None when nothing was, or the lease is lost.

    `connection` must not be in a transaction: the tick is durable when this returns.
    """
    row = await connection.fetchrow(_TAKE, previous.xmax, previous.in_progress, previous.id, epoch)
    return Tick(row["id"], row["snapshot"]) if row else None


async def batches(
    connection: Connection, previous: Tick, tick: Tick, size: int, stream: str | None = None
) -> AsyncIterator[list[tuple[str, Entry]]]:
    """The batch of `tick` in slices of at most `size` (stream, entry), in order; of one stream only when asked.

    One round trip for the usual small batch; a larger one is read through a cursor.
    """
    arguments = (previous.xmax, tick.xmax, tick.snapshot, previous.in_progress, stream)
    rows = await connection.fetch(f"{_BATCH} LIMIT {size + 1}", *arguments)
    if len(rows) <= size:
        if rows:
            yield [_entry(tick, row) for row in rows]
        return
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(_BATCH, *arguments)
        while rows := await cursor.fetch(size):
            yield [_entry(tick, row) for row in rows]


def _entry(tick: Tick, row: asyncpg.Record) -> tuple[str, Entry]:
    return row["stream"], Entry(f"{tick.id}-{row['seq']}", _fields(row))


def _fields(row: asyncpg.Record) -> dict[str, str]:
    """CloudEvents' attributes as flat stream fields."""
    fields = {
        "id": str(row["event_id"]),
        "type": row["type"],
        "subject": row["key"],
        "time": row["time"].isoformat().replace("+00:00", "Z"),
        "data": row["data"],
    }
    optional = {
        "keyversion": row["key_version"],
        "correlationid": row["correlation_id"],
        "causationid": row["causation_id"],
        "traceparent": row["traceparent"],
    }
    return fields | {name: str(value) for name, value in optional.items() if value is not None}
