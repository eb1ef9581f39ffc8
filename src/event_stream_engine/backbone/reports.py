"""What an operator sees of the backbone: streams, the relay, events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone.ticks import HISTORY_ROWS
from event_stream_engine.database import Transaction

COUNTED_MAX = 10_000
"""Unpublished events are counted up to here."""
BLOCKER_SECONDS = 5
_SEARCH_SECONDS = 5


@dataclass(frozen=True)
class StreamReport:
    """What PostgreSQL knows of a stream; where it ends in the transport is asked there."""

    stream: str
    entry_id: str
    state: str
    code: str | None
    unpublished_events: int
    oldest_unpublished_at: datetime | None
    parked_rows: int
    groups: tuple[str, ...]


@dataclass(frozen=True)
class EventFilter:
    """Which events; `before` is the id of the last one seen, for the next page."""

    stream: str | None = None
    type: str | None = None
    key: str | None = None
    event_id: UUID | None = None
    before: UUID | None = None


async def streams(tx: Transaction) -> list[StreamReport]:
    """Every stream that was ever published to."""
    rows = await tx.execute(text(_STREAMS), {"most": COUNTED_MAX})
    return [StreamReport(r[0], r[1], r[2], r[3], r[4], r[5], r[6], tuple(r[7] or ())) for r in rows]


async def relay(tx: Transaction) -> dict[str, Any]:
    """The relay's lease, its own account of itself, and the database's generation."""
    row = (await tx.execute(text(_RELAY))).mappings().one()
    return dict(row)


async def blockers(tx: Transaction) -> list[dict[str, Any]]:
    """Transactions that have written and stay open: their events cannot be published before they end."""
    rows = await tx.execute(text(_BLOCKERS), {"seconds": BLOCKER_SECONDS})
    return [dict(row) for row in rows.mappings()]


async def parked_rows(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """Events that no stream took, newest first."""
    rows = await tx.execute(text("SELECT * FROM outbox_parked ORDER BY parked_at DESC LIMIT :n"), {"n": limit})
    return [dict(row) for row in rows.mappings()]


async def events(tx: Transaction, wanted: EventFilter, limit: int) -> list[dict[str, Any]]:
    """Newest first. A filter that finds little is given up after some seconds by the database."""
    await tx.execute(text(f"SET LOCAL statement_timeout = '{_SEARCH_SECONDS}s'"))
    rows = await tx.execute(text(_EVENTS), {**vars(wanted), "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def event(tx: Transaction, event_id: UUID) -> dict[str, Any] | None:
    """One event with its data."""
    row = (await tx.execute(text(_EVENT), {"id": event_id})).mappings().one_or_none()
    return None if row is None else dict(row)


async def newest_tick(tx: Transaction) -> int:
    return int((await tx.execute(text("SELECT coalesce(max(id), 0) FROM outbox_ticks"))).scalar_one())


async def published(tx: Transaction, after: int, upto: int, wanted: EventFilter, limit: int) -> list[dict[str, Any]]:
    """Events of the ticks in (after, upto], in the order they were published."""
    values = {"after": after, "upto": upto, **vars(wanted), "limit": limit}
    return [dict(row) for row in (await tx.execute(text(_PUBLISHED), values)).mappings()]


async def slowest_positions(tx: Transaction) -> list[tuple[str, str, str]]:
    """Per stream that a group reads: the position of the slowest group, and where the stream ends."""
    rows = await tx.execute(text(_SLOWEST))
    return [(row[0], row[1], row[2]) for row in rows]


def age_of_tick(tick: int) -> float:
    """Seconds since a tick was taken."""
    return max(0.0, clock.now().timestamp() - tick / 1000)


def age_seconds(since: datetime | None) -> float | None:
    return None if since is None else max(0.0, (clock.now() - since) / timedelta(seconds=1))


# Each part is skipped, or answered by the index on xid: a range with both ends tells PostgreSQL that it is short.
_STREAMS = """
SELECT p.stream, p.entry_id, p.state, p.code, u.events, u.oldest,
       (SELECT count(*) FROM outbox_parked k WHERE k.stream = p.stream),
       (SELECT array_agg(DISTINCT g.group_name ORDER BY g.group_name) FROM group_positions g WHERE g.stream = p.stream)
FROM relay_positions p
LEFT JOIN LATERAL (
    SELECT snapshot, generation FROM outbox_ticks WHERE id <= p.tick ORDER BY id DESC LIMIT 1
) AS t ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS events, min(recorded_at) AS oldest FROM (
        SELECT o.recorded_at FROM outbox o
        WHERE o.stream = p.stream AND o.generation = t.generation AND o.xid >= pg_snapshot_xmin(t.snapshot)
          AND o.xid <= '18446744073709551615' AND NOT pg_visible_in_snapshot(o.xid, t.snapshot)
        UNION ALL
        SELECT o.recorded_at FROM outbox o
        WHERE o.stream = p.stream AND o.generation > t.generation
          AND t.generation < (SELECT max(generation) FROM outbox_generations)
        UNION ALL
        SELECT o.recorded_at FROM outbox o WHERE o.stream = p.stream AND t.generation IS NULL
        LIMIT :most
    ) AS waiting
) AS u
ORDER BY p.stream
"""

_SLOWEST = """
SELECT DISTINCT ON (p.stream) p.stream, g.entry_id, p.entry_id
FROM relay_positions p JOIN group_positions g ON g.stream = p.stream
ORDER BY p.stream, split_part(g.entry_id, '-', 1)::bigint, split_part(g.entry_id, '-', 2)::bigint
"""

_RELAY = """
SELECT l.holder, l.epoch, coalesce(l.expires_at > clock_timestamp() AND s.refused IS NULL, false) AS works,
       (SELECT to_timestamp(max(id) / 1000.0) FROM outbox_ticks) AS last_tick_at,
       s.ticks_per_minute, s.events_per_minute, s.memory_used, s.memory_max, s.held_by,
       s.refused AS generation_refused, s.updated_at AS reported_at,
       coalesce((SELECT max(generation) FROM outbox_generations), 1) AS generation,
       (SELECT min(tablename) FROM pg_tables
        WHERE schemaname = current_schema() AND tablename ~ '^outbox_[0-9]{8}$') AS oldest_partition
FROM (SELECT 1) AS one
LEFT JOIN relay_lease l ON l.name = 'relay'
LEFT JOIN relay_status s ON s.name = 'relay'
"""

_BLOCKERS = """
SELECT pid, application_name AS application, state, query_start AS query_started_at,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_seconds
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND xact_start < clock_timestamp() - make_interval(secs => :seconds)
UNION ALL
SELECT 0, 'prepared transaction ' || gid, 'prepared', prepared,
       extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - make_interval(secs => :seconds)
ORDER BY age_seconds DESC LIMIT 10
"""

_COLUMNS = "o.event_id, o.stream, o.type, o.key, o.time, o.correlation_id"

# The tick of an event is the first that sees it, and ticks are named by their time.
ENTRY_ID = """
(SELECT t.id || '-' || o.seq FROM outbox_ticks t
 WHERE t.id >= extract(epoch FROM o.recorded_at) * 1000 - 1000 AND t.generation = o.generation
   AND pg_visible_in_snapshot(o.xid, t.snapshot)
 ORDER BY t.id LIMIT 1) AS entry_id
"""

_WHERE = """
(CAST(:stream AS text) IS NULL OR o.stream = :stream) AND (CAST(:type AS text) IS NULL OR o.type = :type)
  AND (CAST(:key AS text) IS NULL OR o.key = :key)
  AND (CAST(:event_id AS uuid) IS NULL OR o.event_id = :event_id)
  AND (CAST(:before AS uuid) IS NULL OR o.event_id < :before)
"""

_EVENTS = f"""
SELECT {_COLUMNS}, {ENTRY_ID} FROM (
    SELECT o.* FROM outbox o WHERE {_WHERE} ORDER BY o.event_id DESC LIMIT :limit
) AS o ORDER BY o.event_id DESC
"""  # noqa: S608

_EVENT = f"""
SELECT {_COLUMNS}, o.causation_id, o.traceparent, o.data, {ENTRY_ID} FROM outbox o WHERE o.event_id = :id LIMIT 1
"""  # noqa: S608

_PUBLISHED = f"""
SELECT {_COLUMNS}, o.tick || '-' || o.seq AS entry_id FROM ({
    HISTORY_ROWS.replace("$1", "CAST(:after AS bigint)")
    .replace("$2", "CAST(:upto AS bigint)")
    .replace("$3::text", "CAST(:stream AS text)")
    .replace("$3", ":stream")
}) AS o WHERE {_WHERE} ORDER BY o.tick, o.seq LIMIT :limit
"""  # noqa: S608
