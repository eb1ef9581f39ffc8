"""The outbox: an event is recorded in the transaction of the change it tells of, or not at all.

Record after the aggregate's row lock is held: the sequence number drawn here is the order within the key. The
table is append-only and partitioned by day; nothing ever marks a row. Only erasing a person overwrites what events say
of them (`redact`).

A transaction that records something also notifies the relay on `HINTS`, which then need not look often while nothing
happens. A hint is sent at most every `HINT_SECONDS` by a process: PostgreSQL commits notifying transactions one after
the other. Without a hint the relay finds the events all the same, a little later.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Transaction, copy
from event_stream_engine.events.base import Event
from event_stream_engine.ids import new_id
from event_stream_engine.telemetry import causation, correlation

PAYLOAD_BYTES_MAX = 1_048_576
HINTS = "ese_outbox"
HINT_SECONDS = 0.2
_hinted_at = -HINT_SECONDS


class Row(NamedTuple):
    """An event as the outbox keeps it, with the correlation of the moment it was prepared in."""

    stream: str
    key: str
    event_id: UUID
    type: str
    time: datetime
    correlation_id: UUID
    causation_id: UUID | None
    schema_version: int
    data: str


async def record(tx: Transaction, event: Event) -> UUID:
    """Record one event in `tx`; its id. It is published when `tx` commits, and never when it does not."""
    row = prepare(event)
    await tx.execute(_INSERT, row._asdict())
    await _hint(tx)
    return row.event_id


_INSERT = text(
    "INSERT INTO outbox (stream, key, event_id, type, time, correlation_id, causation_id, schema_version, "
    "data) VALUES (:stream, :key, :event_id, :type, :time, :correlation_id, :causation_id, :schema_version, "
    "CAST(CAST(:data AS text) AS jsonb))"
)


async def record_many(tx: Transaction, events: Iterable[Event]) -> int:
    """Record many events in `tx` by COPY, in their order; how many."""
    return await write(tx, [prepare(event) for event in events])


async def write(tx: Transaction, rows: Sequence[Row]) -> int:
    """Write prepared rows in `tx` by COPY, in their order; how many."""
    if not rows:
        return 0
    written = await copy(tx, "outbox", Row._fields, rows)
    await _hint(tx)
    return written


async def _hint(tx: Transaction) -> None:
    """Arrives when `tx` commits."""
    global _hinted_at
    now = time.monotonic()
    if now - _hinted_at >= HINT_SECONDS:
        _hinted_at = now
        await tx.execute(_NOTIFY, {"channel": HINTS})


_NOTIFY = text("SELECT pg_notify(:channel, '')")


def prepare(event: Event) -> Row:
    """The row of an event. Raises `ValueError` when its data is larger than the outbox takes."""
    event_id = new_id()
    data = msgspec.json.encode(event)
    if len(data) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"{type(event).__name__} carries {len(data)} bytes; at most {PAYLOAD_BYTES_MAX} fit")
    return Row(
        event.stream,
        event.key,
        event_id,
        type(event).__name__,
        clock.now(),
        event.belongs_to or correlation.get() or event_id,
        causation.get(),
        event.schema_version,
        data.decode(),
    )


_REDACT = text(
    "UPDATE outbox SET data = data || CAST(:blank AS jsonb), key = coalesce(CAST(:new_key AS text), key) "
    "WHERE stream = :stream AND key = ANY (:keys) AND recorded_at < :before"
)
_REDACT_DEAD = text(
    "UPDATE dead_letters SET key = coalesce(CAST(:new_key AS text), key), "
    "envelope = jsonb_set(envelope, '{data}', (envelope -> 'data') || CAST(:blank AS jsonb)) "
    "WHERE stream = :stream AND key = ANY (:keys) AND died_at < :before AND jsonb_typeof(envelope -> 'data') = 'object'"
)


async def redact(
    tx: Transaction,
    stream: str,
    keys: Sequence[str],
    blank: dict[str, object],
    *,
    before: datetime,
    new_key: str | None = None,
) -> int:
    """Overwrite members of the data of a stream's events of these keys, in the outbox and the dead letters, because a
    person is erased; how many events. Which events there are, and their order, does not change.

    Only what was recorded `before`: until then consumers read it. Streams keep their copies for their retention. Reads
    the whole outbox.
    """
    given = {"stream": stream, "keys": list(keys), "before": before, "new_key": new_key, "blank": _json(blank)}
    changed = (await tx.execute(_REDACT, given)).rowcount
    return int(changed + (await tx.execute(_REDACT_DEAD, given)).rowcount)


_REDACT_PATCHES = text(
    "UPDATE outbox SET data = jsonb_set(data, '{patch}', (data -> 'patch') || CAST(:blank AS jsonb)) "
    "WHERE stream = :stream AND data ->> 'kind' = :kind AND data #>> ARRAY['patch', :member] = :value "
    "AND recorded_at < :before"
)


async def redact_patches(
    tx: Transaction, stream: str, kind: str, about: tuple[str, str], blank: dict[str, object], *, before: datetime
) -> int:
    """As `redact`, for the patches of live updates of a kind whose member (`about`: name, value) says so."""
    member, value = about
    given = {"stream": stream, "kind": kind, "member": member, "value": value, "before": before, "blank": _json(blank)}
    return int((await tx.execute(_REDACT_PATCHES, given)).rowcount)


def _json(value: dict[str, object]) -> str:
    return msgspec.json.encode(value).decode()
