"""A tick's batch in the form in which it leaves: PostgreSQL writes the commands, nobody between reads them."""

from collections.abc import AsyncIterator, Sequence

import asyncpg

from event_stream_engine.backbone.streams import Packed
from event_stream_engine.backbone.ticks import BATCH_COLUMNS, BATCH_ROWS, Connection, Tick, batch_arguments

_OPTIONAL = ("keyversion", "key_version"), ("correlationid", "correlation_id"), ("causationid", "causation_id"), (
    "traceparent", "traceparent"), ("schemaversion", "nullif(schema_version, 1)")  # fmt: skip


def _bulk(value: str) -> str:
    """SQL that writes a text as Redis's protocol wants it: its length in bytes, then itself."""
    return f"E'\\r\\n$', octet_length({value}), E'\\r\\n', {value}"


def _field(name: str, value: str) -> str:
    return f"E'\\r\\n${len(name)}\\r\\n{name}', {_bulk(value)}"


def _optional(name: str, column: str) -> str:
    return f"CASE WHEN {column} IS NOT NULL THEN concat({_field(name, f'({column})::text')}) END"


# XADD <stream> <tick>-<seq> and the fields. concat() leaves NULL out, and copies each part once.
_COMMAND = f"""
concat(
    '*', 13 + 2 * num_nonnulls({", ".join(column for _, column in _OPTIONAL)}),
    E'\\r\\n$4\\r\\nXADD', {_bulk("stream")}, {_bulk("($7 || seq)")},
    {_field("id", "event_id::text")}, {_field("type", "type")}, {_field("subject", "key")}, {_field("time", "time")},
    {_field("data", "data")}, {", ".join(_optional(*one) for one in _OPTIONAL)}, E'\\r\\n'
)
"""

# OFFSET 0: sort the bare rows first; what is written of them is written as they are fetched.
_PACKED = f"""
SELECT stream, seq, {_COMMAND} AS command
FROM (SELECT {BATCH_COLUMNS} FROM (SELECT * FROM ({BATCH_ROWS}) AS batch ORDER BY seq OFFSET 0) AS rows) AS sorted
"""  # noqa: S608

_READ_MAX = 2000
_READ_BYTES_MAX = 16 * 2**20
"""A read with more than this makes the next one smaller."""


async def packed(connection: Connection, previous: Tick, tick: Tick, size: int) -> AsyncIterator[list[Packed]]:
    """The batch of `tick`, in slices of at most `size` events of a stream, in order; several slices at a time.

    One round trip for the usual small batch; a larger one is read through a cursor.
    """
    arguments = (*batch_arguments(previous, tick, None), f"{tick.id}-")
    rows = await connection.fetch(f"{_PACKED} LIMIT {size + 1}", *arguments)
    if len(rows) <= size:
        if rows:
            yield _slices(tick, rows, size)
        return
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
    commands = [row[2].encode() for row in rows]
    first, last = f"{tick.id}-{rows[0][1]}", f"{tick.id}-{rows[-1][1]}"
    return Packed(stream, len(rows), first, last, max(map(len, commands)), b"".join(commands))
