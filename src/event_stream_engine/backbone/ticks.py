"""Snapshot ticks: the order of record.

A tick is a stored `pg_current_snapshot()`. What a tick sees and the one before did not is its batch, ordered by
`seq`: every commit falls in exactly one batch, none is skipped because it committed late, and no open transaction
holds up the others. Recomputing a batch from the stored snapshots always gives the same rows in the same order.
(The algorithm is PgQ's; ordering by sequence skips late commits, ordering by transaction id inverts events of one
key: see docs/decisions/0001-snapshot-ticks.md.)
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from event_stream_engine.backbone.streams import Entry, position

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_START = "0:0:"  # before the first tick nothing was visible


@dataclass(frozen=True)
class Tick:
    """A stored snapshot; `snapshot` is PostgreSQL's text form `xmin:xmax:xip,xip`.

    `generation` counts the lives of the database: transaction ids of two generations do not compare.
    """

    id: int
    snapshot: str
    generation: int = 1

    @property
    def xmax(self) -> str:
        return self.snapshot.split(":")[1]

    @property
    def in_progress(self) -> list[str]:
        listed = self.snapshot.split(":")[2]
        return listed.split(",") if listed else []

    def before(self, generation: int) -> "Tick":
        """What precedes the next tick of `generation`: itself, or nothing where a generation begins."""
        return self if self.generation == generation else Tick(self.id, _START, generation)


BEFORE_ALL = Tick(0, _START)

BATCH_COLUMNS = """
stream, seq, key, key_version, event_id, type, correlation_id, causation_id, traceparent, schema_version,
to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time, data::text AS data
"""

BATCH_ROWS = """
SELECT * FROM (
    SELECT * FROM outbox
    WHERE xid >= $1::text::xid8 AND xid < $2::text::xid8 AND generation = $6
      AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
    UNION ALL
    SELECT * FROM outbox
    WHERE xid = ANY ($4::text[]::xid8[]) AND generation = $6 AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot)
) AS batch
WHERE $5::text IS NULL OR stream = $5
"""
_BATCH = f"SELECT {BATCH_COLUMNS} FROM ({BATCH_ROWS}) AS rows ORDER BY seq"  # noqa: S608


# The same as `_BATCH` for many ticks at once. The tick before the range is its first predecessor. An array of the
# transactions that were open: joined to them, a planner without statistics reads all of the outbox for each tick.
HISTORY_ROWS = """
SELECT t.id AS tick, o.*
FROM (
    SELECT id, snapshot, generation,
           lag(snapshot) OVER (PARTITION BY generation ORDER BY id) AS previous
    FROM outbox_ticks
    WHERE id <= $2 AND id >= coalesce((SELECT max(id) FROM outbox_ticks WHERE id <= $1), 0)
) AS t
CROSS JOIN LATERAL (
    SELECT * FROM outbox
    WHERE xid >= pg_snapshot_xmax(coalesce(t.previous, '1:1:')) AND xid < pg_snapshot_xmax(t.snapshot)
      AND generation = t.generation AND pg_visible_in_snapshot(xid, t.snapshot)
    UNION ALL
    SELECT * FROM outbox
    WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(t.previous)))
      AND generation = t.generation AND pg_visible_in_snapshot(xid, t.snapshot)
) AS o
WHERE t.id > $1 AND ($3::text IS NULL OR o.stream = $3)
"""
_HISTORY = f"""
SELECT tick, {BATCH_COLUMNS} FROM ({HISTORY_ROWS}) AS rows
WHERE $4::bigint IS NULL OR tick < $2 OR seq < $4 ORDER BY tick, seq
"""  # noqa: S608


async def last_tick(connection: Connection) -> Tick:
    """The newest stored tick."""
    return await tick_at_or_before(connection, 2**62)


async def tick_at_or_before(connection: Connection, tick_id: int) -> Tick:
    """The newest tick whose id is at most `tick_id`."""
    row = await connection.fetchrow(
        "SELECT id, snapshot::text, generation FROM outbox_ticks WHERE id <= $1 ORDER BY id DESC LIMIT 1", tick_id
    )
    return tick_of(row) if row else BEFORE_ALL


async def ticks_after(connection: Connection, tick: Tick, limit: int) -> list[Tick]:
    """Stored ticks that follow `tick`, in order."""
    rows = await connection.fetch(
        "SELECT id, snapshot::text, generation FROM outbox_ticks WHERE id > $1 ORDER BY id LIMIT $2", tick.id, limit
    )
    return [tick_of(row) for row in rows]


async def batches(
    connection: Connection, previous: Tick, tick: Tick, size: int, stream: str | None = None
) -> AsyncIterator[list[tuple[str, Entry]]]:
    """The batch of `tick` in slices of at most `size` (stream, entry), in order; of one stream only when asked.

    One round trip for the usual small batch; a larger one is read through a cursor.
    """
    arguments = batch_arguments(previous, tick, stream)
    rows = await connection.fetch(f"{_BATCH} LIMIT {size + 1}", *arguments)
    if len(rows) <= size:
        if rows:
            yield [_entry(tick, row) for row in rows]
        return
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(_BATCH, *arguments)
        while rows := await cursor.fetch(size):
            yield [_entry(tick, row) for row in rows]


async def history(
    connection: Connection,
    after: int,
    upto: int,
    stream: str | None = None,
    size: int = 1000,
    *,
    before_seq: int | None = None,
) -> AsyncGenerator[list[tuple[str, Entry]]]:
    """All batches of the ticks with ids in (after, upto], in order, in slices of at most `size` (stream, entry); of the
    last tick only what comes before `before_seq`. The caller's transaction, if any, is where it is read; without one
    it opens its own.
    """
    arguments = (after, upto, stream, before_seq)
    if connection.is_in_transaction():
        cursor = await connection.cursor(_HISTORY, *arguments)
        while rows := await cursor.fetch(size):
            yield [(row["stream"], Entry(f"{row['tick']}-{row['seq']}", _fields(row))) for row in rows]
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for slice_ in history(connection, after, upto, stream, size, before_seq=before_seq):
            yield slice_


async def any_between(connection: Connection, previous: Tick, tick: Tick, stream: str) -> bool:
    """Whether `stream` has an event after `previous` and up to `tick`, both of one generation."""
    found = await connection.fetchval(f"SELECT EXISTS ({BATCH_ROWS})", *batch_arguments(previous, tick, stream))
    return bool(found)


async def holds(connection: Connection, stream: str, entry_id: str) -> bool:
    """Whether the outbox has an event of `stream` whose entry id is this one."""
    tick_id, seq = position(entry_id)
    tick = await tick_at_or_before(connection, tick_id)
    if tick.id != tick_id:
        return False
    previous = await tick_at_or_before(connection, tick_id - 1)
    rows = f"SELECT EXISTS (SELECT FROM ({BATCH_ROWS}) AS rows WHERE seq = $7)"  # noqa: S608
    return bool(await connection.fetchval(rows, *batch_arguments(previous, tick, stream), seq))


async def forgotten_tick(connection: Connection) -> int:
    """The id of the last tick whose events have left the outbox by age, with all before it; 0 while none has. It is the
    oldest that is kept, for the next one's batch is the difference to it."""
    return int(await connection.fetchval(_FORGOTTEN))


_FORGOTTEN = """
SELECT coalesce(max(oldest.id), 0)
FROM (SELECT * FROM outbox_ticks ORDER BY id LIMIT 1) AS oldest
WHERE NOT EXISTS (
    SELECT FROM outbox
    WHERE generation <= oldest.generation AND xid < pg_snapshot_xmax(oldest.snapshot)
      AND pg_visible_in_snapshot(xid, oldest.snapshot)
)
"""


def batch_arguments(previous: Tick, tick: Tick, stream: str | None) -> tuple[object, ...]:
    """What `BATCH_ROWS` takes."""
    before = previous.before(tick.generation)
    return before.xmax, tick.xmax, tick.snapshot, before.in_progress, stream, tick.generation


def tick_of(row: asyncpg.Record) -> Tick:
    """From a row's `id`, `snapshot` (as text) and `generation`."""
    return Tick(row["id"], row["snapshot"], row["generation"])


def _entry(tick: Tick, row: asyncpg.Record) -> tuple[str, Entry]:
    return row["stream"], Entry(f"{tick.id}-{row['seq']}", _fields(row))


def _fields(row: asyncpg.Record) -> dict[str, str]:
    """CloudEvents' attributes as flat stream fields."""
    fields = {
        "id": str(row["event_id"]),
        "type": row["type"],
        "subject": row["key"],
        "time": row["time"],
        "data": row["data"],
    }
    optional = {
        "keyversion": row["key_version"],
        "correlationid": row["correlation_id"],
        "causationid": row["causation_id"],
        "traceparent": row["traceparent"],
        "schemaversion": row["schema_version"] if row["schema_version"] != 1 else None,
    }
    return fields | {name: str(value) for name, value in optional.items() if value is not None}
