"""A tick's batch in the form in which it leaves: PostgreSQL writes the commands, nobody between reads them."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import asyncpg

from event_stream_engine.backbone.streams import Packed
from event_stream_engine.backbone.ticks import BATCH_COLUMNS, BATCH_ROWS, Connection, Tick, batch_arguments, tick_of

_OPTIONAL = ("keyversion", "key_version"), ("correlationid", "correlation_id"), ("causationid", "causation_id"), (
    "traceparent", "traceparent"), ("schemaversion", "nullif(schema_version, 1)")  # fmt: skip


def _bulk(value: str) -> str:
    """SQL that writes a text as Redis's protocol wants it: its length in bytes, then itself."""
    return f"E'\\r\\n$', octet_length({value}), E'\\r\\n', {value}"


def _field(name: str, value: str) -> str:
    return f"E'\\r\\n${len(name)}\\r\\n{name}', {_bulk(value)}"


def _optional(name: str, column: str) -> str:
    return f"CASE WHEN {column} IS NOT NULL THEN concat({_field(name, f'({column})::text')}) END"


def _command(entry_id: str) -> str:
    """SQL of XADD <stream> <entry id> and the fields. concat() leaves NULL out, and copies each part once."""
    return f"""
convert_to(concat(
    '*', 13 + 2 * num_nonnulls({", ".join(column for _, column in _OPTIONAL)}),
    E'\\r\\n$4\\r\\nXADD', {_bulk("stream")}, {_bulk(entry_id)},
    {_field("id", "event_id::text")}, {_field("type", "type")}, {_field("subject", "key")}, {_field("time", "time")},
    {_field("data", "data")}, {", ".join(_optional(*one) for one in _OPTIONAL)}, E'\\r\\n'
), 'UTF8') AS command
"""


# OFFSET 0: sort the bare rows first; what is written of them is written as they are fetched.
_PACKED = f"""
SELECT stream, seq, {_command("($7 || seq)")}
FROM (SELECT {BATCH_COLUMNS} FROM (SELECT * FROM ({BATCH_ROWS}) AS batch ORDER BY seq OFFSET 0) AS rows) AS sorted
"""  # noqa: S608

# One statement, hence one snapshot: what `fresh` sees is what the tick stores, and if it is not more than the limit it
# is the batch. The lease is checked in it too, so that a relay that was paused past its lease cannot add a tick; and
# held until the commit, so that whoever takes the lease next sees every tick that was stored under it.
_TAKE = f"""
WITH fresh AS MATERIALIZED (
    SELECT * FROM outbox WHERE xid >= $1::text::xid8 AND generation = $5
    UNION ALL
    SELECT * FROM outbox WHERE xid = ANY ($2::text[]::xid8[]) AND generation = $5
    LIMIT $6::int + 1
), held AS MATERIALIZED (
    SELECT FROM relay_lease
    WHERE name = 'relay' AND epoch = $4 AND expires_at > clock_timestamp() AND EXISTS (SELECT FROM fresh)
    FOR SHARE
), taken AS (
    INSERT INTO outbox_ticks (id, snapshot, generation)
    SELECT greatest($3::bigint + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint),
           pg_current_snapshot(), $5
    FROM held
    RETURNING id AS tick, snapshot, generation
)
SELECT stream, seq, {_command("(tick || '-' || seq)")}, tick AS id, snapshot::text, generation
FROM taken LEFT JOIN (SELECT {BATCH_COLUMNS} FROM fresh) AS batch ON (SELECT count(*) FROM fresh) <= $6
ORDER BY seq
"""  # noqa: S608

_READ_MAX = 2000
_READ_BYTES_MAX = 16 * 2**20
"""A read with more than this makes the next one smaller."""


class Taken(NamedTuple):
    """A new tick, and its batch as `packed` gives it; None where that is too large to come along."""

    tick: Tick
    batch: list[Packed] | None


async def take(connection: Connection, previous: Tick, epoch: int, size: int) -> Taken | None:
    """Store a tick if something was committed since `previous`; None when nothing was, or the lease is lost. A batch of
    at most `size` events comes along, in the same round trip.

    `connection` must not be in a transaction: the tick is durable when this returns.
    """
    rows = await connection.fetch(
        _TAKE, previous.xmax, previous.in_progress, previous.id, epoch, previous.generation, size
    )
    if not rows:
        return None
    tick = tick_of(rows[0])
    return Taken(tick, None if rows[0]["stream"] is None else _slices(tick, rows, size))


async def packed(connection: Connection, previous: Tick, tick: Tick, size: int) -> AsyncIterator[list[Packed]]:
    """The batch of `tick`, in slices of at most `size` events of a stream, in order; several slices at a time."""
    arguments = (*batch_arguments(previous, tick, None), f"{tick.id}-")
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(_PACKED, *arguments)
        count = size
        while rows := await cursor.fetch(count):
            slices = _slices(tick, rows, size)
            yield slices
            heavy = sum(len(one.commands) for one in slices) > _READ_BYTES_MAX
            count = max(1, count // 2) if heavy else min(_READ_MAX, count * 2)


def _slices(tick: Tick, rows: Sequence[asyncpg.Record], size: int) -> list[Packed]:
    by_stream: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        by_stream.setdefault(row[0], []).append(row)
    return [
        _slice(tick, stream, own[start : start + size])
        for stream, own in by_stream.items()
        for start in range(0, len(own), size)
    ]


def _slice(tick: Tick, stream: str, rows: Sequence[asyncpg.Record]) -> Packed:
    commands = [row[2] for row in rows]
    first, last = f"{tick.id}-{rows[0][1]}", f"{tick.id}-{rows[-1][1]}"
    return Packed(stream, len(rows), first, last, max(map(len, commands)), b"".join(commands))
