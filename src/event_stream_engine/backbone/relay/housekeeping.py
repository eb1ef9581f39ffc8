"""What is kept, and how long: partitions of the outbox and the inbox, ticks, entries of the streams, marks of attempts.

Nothing goes that anybody still needs: a partition of the outbox is dropped only when the relay and every consumer
group are past it, one of the inbox when neither the outbox nor a stream can hold its events, a stream is trimmed only
up to the slowest group. Nobody is kept waiting: a table that is in use is left for the next round.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from event_stream_engine import clock
from event_stream_engine.backbone.streams import StreamBusy, StreamRefused, StreamWriter, position
from event_stream_engine.database import Database, Transaction
from event_stream_engine.resilience import sqlstate
from event_stream_engine.settings import BackboneSettings

log = structlog.get_logger()

TRIMMED = Counter("ese_relay_trimmed_total", "Entries removed from streams by age", ["stream"])
DROPPED = Counter("ese_outbox_partitions_dropped_total", "Partitions of the outbox dropped by age")
HELD = Gauge("ese_outbox_retention_held", "1 while a partition past its retention is kept because somebody needs it")

_DAYS_AHEAD = 14
_PARTITIONS_A_TIME = 3
_ROWS_A_TIME = 10_000
_SKEW = timedelta(days=1)
"""An id says when it was made, by its process's clock; the outbox when the transaction began, by the server's."""
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True)
class Reader:
    """A consumer group's place in a stream."""

    group: str
    stream: str
    entry_id: str


async def ensure_partitions(database: Database) -> None:
    """Partitions by day from yesterday to two weeks ahead, as far as they are missing."""
    today = clock.now().date()
    days = {"first": today - timedelta(days=1), "last": today + timedelta(days=_DAYS_AHEAD)}
    async with _not_in_use(database, "new partitions") as tx:
        await tx.execute(text("SELECT ese_outbox_partitions(:first, :last), ese_inbox_partitions(:first, :last)"), days)


@asynccontextmanager
async def _not_in_use(database: Database, what: str) -> AsyncIterator[Transaction]:
    """A transaction that changes a table. Whoever waits for a table keeps everybody else from it, so where one is in
    use nothing is changed; the next round tries again."""
    try:
        async with database.transaction() as tx:
            await tx.execute(text("SET LOCAL lock_timeout = '500ms'"))
            yield tx
    except DBAPIError as error:
        if sqlstate(error) != _LOCK_NOT_AVAILABLE:
            raise
        log.warning("postponed, table in use", what=what)


async def keep_house(database: Database, streams: StreamWriter, settings: BackboneSettings) -> str | None:
    """Create, trim and drop what is due; who holds up the oldest partition that should go, None for nobody."""
    await ensure_partitions(database)
    async with database.transaction() as tx:
        readers = await _readers(tx)
        ends = {row[0]: row[1] for row in await tx.execute(text("SELECT stream, entry_id FROM relay_positions"))}
        await tx.execute(text(_FORGET_ATTEMPTS), {"before": clock.now() - timedelta(days=settings.retention_days)})
    await _trim(streams, settings, readers, ends)
    held_by = await _drop_partitions(database, settings, readers, ends)
    HELD.set(held_by is not None)
    await _shorten_inbox(database, settings)
    return held_by


async def _trim(streams: StreamWriter, settings: BackboneSettings, readers: list[Reader], ends: dict[str, str]) -> None:
    """By age, and never past a group: what a group has not read stays in the stream, too."""
    oldest = clock.now() - timedelta(hours=settings.stream_retention_hours)
    by_age = f"{int(oldest.timestamp() * 1000)}-0"
    for stream in ends:
        read = [reader.entry_id for reader in readers if reader.stream == stream]
        before = min([by_age, *read], key=position)  # the last entry a group read stays: it shows that nothing is lost
        try:
            TRIMMED.labels(stream).inc(await streams.trim(stream, before))
        except (StreamBusy, StreamRefused) as error:
            log.warning("not trimmed", stream=stream, code=error.code)


async def _drop_partitions(
    database: Database, settings: BackboneSettings, readers: list[Reader], ends: dict[str, str]
) -> str | None:
    """At most `_PARTITIONS_A_TIME` a time: the oldest first, none after one that must stay."""
    due = clock.now().date() - timedelta(days=settings.retention_days)
    async with database.transaction() as tx:
        partitions = [name for name, day in await _partitions(tx, "outbox") if day < due][:_PARTITIONS_A_TIME]
    for name in partitions:
        async with database.transaction() as tx:
            holder = await _needed_by(tx, name, readers, ends)
        if holder is not None:
            log.warning("partition kept past its retention", partition=name, needed_by=holder)
            return f"{holder} ({name})"
        await _drop(database, name)
    return None


async def _needed_by(tx: Transaction, partition: str, readers: list[Reader], ends: dict[str, str]) -> str | None:
    """The partition's events are those of transactions up to its greatest; whoever is past a snapshot in which all
    of them are over is past the partition. One who has read a stream to its end is past all of it."""
    row = (await tx.execute(text(_TOP.format(partition)))).one_or_none()
    if row is None:  # a day without events
        return None
    past = (await tx.execute(text(_FIRST_TICK_PAST), row._asdict())).scalar_one_or_none()
    handed = (await tx.execute(text("SELECT handed FROM relay_status WHERE name = 'relay'"))).scalar_one_or_none()
    if past is None or (handed or 0) < past:
        return "relay"
    for lane in await tx.execute(text("SELECT stream FROM relay_positions WHERE tick < :tick"), {"tick": past}):
        return f"relay, {lane[0]}"
    for reader in readers:
        if position(reader.entry_id)[0] < past and reader.entry_id != ends.get(reader.stream, reader.entry_id):
            return reader.group
    replaying = await tx.execute(text("SELECT id FROM replays WHERE status IN ('pending', 'running') LIMIT 1"))
    return "replay" if replaying.first() else None


async def _drop(database: Database, partition: str) -> None:
    """Detached without a lock that stops writers; a detaching that broke off is finished first."""
    async with database.driver() as connection:
        pending = await connection.fetchval(_DETACH_PENDING, partition)
        attached = await connection.fetchval(_ATTACHED, partition)
        if attached:
            await connection.execute(
                f'ALTER TABLE outbox DETACH PARTITION "{partition}" {"FINALIZE" if pending else "CONCURRENTLY"}'
            )
        await connection.execute(f'DROP TABLE "{partition}"')
        await connection.execute(_FORGET_TICKS)
    DROPPED.inc()
    log.info("partition dropped", partition=partition)


async def _shorten_inbox(database: Database, settings: BackboneSettings) -> None:
    """What neither the outbox nor a stream holds any more does not come again."""
    in_streams = (clock.now() - timedelta(hours=settings.stream_retention_hours)).date()
    async with database.transaction() as tx:
        before = min([in_streams, *(day for _, day in await _partitions(tx, "outbox"))]) - _SKEW
        due = [name for name, day in await _partitions(tx, "inbox") if day < before][:_PARTITIONS_A_TIME]
        await tx.execute(text(_FORGET_OTHERS), {"before": before, "rows": _ROWS_A_TIME})
    for name in due:
        async with _not_in_use(database, name) as tx:
            await tx.execute(text(f'DROP TABLE "{name}"'))
            log.info("partition dropped", partition=name)


async def _readers(tx: Transaction) -> list[Reader]:
    rows = await tx.execute(text("SELECT group_name, stream, entry_id FROM group_positions"))
    return [Reader(*row) for row in rows]


async def _partitions(tx: Transaction, table: str) -> list[tuple[str, date]]:
    """Partitions and those that were detached but not dropped, with their day, oldest first."""
    rows = await tx.execute(text(_BY_DAY), {"pattern": f"^{table}_[0-9]{{8}}$"})
    names = sorted(row[0] for row in rows)
    return [(name, datetime.strptime(name[-8:], "%Y%m%d").date()) for name in names]  # noqa: DTZ007  # a day


_BY_DAY = "SELECT tablename FROM pg_tables WHERE tablename ~ :pattern AND schemaname = current_schema()"

# What had no partition of its own, by when it was taken in charge: its event is older than that.
_FORGET_OTHERS = """
DELETE FROM inbox_other
WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox_other WHERE consumed_at < CAST(:before AS date) LIMIT :rows))
"""

# Of an event that another process settled, or whose process died after its effect, the mark is left.
_FORGET_ATTEMPTS = "DELETE FROM delivery_attempts WHERE last_started_at < :before"

_TOP = """
SELECT xid::text AS xid, generation FROM "{}" ORDER BY generation DESC, xid DESC LIMIT 1
"""

_FIRST_TICK_PAST = """
SELECT id FROM outbox_ticks
WHERE generation > :generation
   OR (generation = :generation AND pg_snapshot_xmin(snapshot) > CAST(CAST(:xid AS text) AS xid8))
ORDER BY id
LIMIT 1
"""

_ATTACHED = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))"
_DETACH_PENDING = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhdetachpending)"

# The last tick that saw nothing of what is left stays, for batches are differences. What is left decides, not what
# went: a transaction that began before midnight and wrote after it has a greater id than the next day's first ones.
# Where nothing is left, the newest one stays: whoever writes now was not over then.
_FORGET_TICKS = """
WITH lives AS (
    SELECT generate_series(
        (SELECT generation::int FROM outbox_ticks ORDER BY id LIMIT 1),
        (SELECT generation::int FROM outbox_ticks ORDER BY id DESC LIMIT 1)) AS generation
), first AS (
    SELECT generation, xid
    FROM lives, LATERAL (SELECT min(xid) AS xid FROM outbox WHERE outbox.generation = lives.generation) AS left_over
    WHERE xid IS NOT NULL ORDER BY generation LIMIT 1
)
DELETE FROM outbox_ticks WHERE id < (
    SELECT max(t.id) FROM outbox_ticks AS t LEFT JOIN first ON true
    WHERE first.xid IS NULL OR t.generation < first.generation
       OR (t.generation = first.generation AND pg_snapshot_xmax(t.snapshot) <= first.xid)
)
"""
