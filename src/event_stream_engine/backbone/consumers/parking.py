"""Events that failed, the events of their keys that wait behind them, and those that are given up.

Per key the first row by (tick, seq) is the *head*: it alone is tried, when it is due. What waits behind it has
`next_attempt_at` at infinity until it becomes the head itself.
"""

import random
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Row, text

from event_stream_engine import __version__, clock
from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.subscriptions import Reject, Retry
from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.ids import new_id
from event_stream_engine.settings import BackboneSettings

_BASE_SECONDS = 1.0
_CAP_SECONDS = 300.0
_HISTORY_MAX = 50
_ERROR_MAX = 2000
_STACK_MAX = 20_000


class StartedTooOften(Exception):
    """Attempts began and never ended: the process died each time."""


@dataclass(frozen=True)
class Parked:
    """An event that waits, with its attempts so far, each kind counted apart."""

    entry: Envelope
    replay_id: UUID | None = None
    failed: int = 0
    crashed: int = 0
    taken_over: int = 0
    first_failed_at: datetime | None = None
    history: tuple[dict[str, Any], ...] = ()


class Head(NamedTuple):
    """The first event of a key, and how often it failed."""

    event_id: UUID
    failed: int


async def park_behind(tx: Transaction, group: str, entries: Sequence[Envelope]) -> None:
    """Their keys wait; so do they."""
    if entries:
        await tx.execute(text(_PARK), [{**_row(group, Parked(entry)), "due": None} for entry in entries])


async def fail(tx: Transaction, group: str, parked: Parked, error: Exception, settings: BackboneSettings) -> bool:
    """Count a failed attempt and park the event, or give it up; whether it is dead.

    `Retry(after=…)` sets the pause itself; `Reject` gives up at once. Otherwise the pause grows, with full jitter.
    """
    now = clock.now()
    first = parked.first_failed_at or now
    line = {"at": now.isoformat(), "kind": "failed", "error": repr(error)[:_ERROR_MAX]}
    failed = Parked(
        parked.entry, parked.replay_id, parked.failed + 1, parked.crashed, parked.taken_over, first,
        (*parked.history, line)[-_HISTORY_MAX:],
    )  # fmt: skip
    too_old = now - first > timedelta(hours=settings.retry_hours_max)
    if isinstance(error, Reject) or failed.failed >= settings.attempts_max or too_old:
        await bury(tx, group, failed, error)
        return True
    pause = error.after if isinstance(error, Retry) else _pause(failed.failed)
    values = {**_row(group, failed), "due": now + timedelta(seconds=pause), "error": repr(error)[:_ERROR_MAX]}
    await tx.execute(text(_PARK), values)
    return False


async def bury(tx: Transaction, group: str, parked: Parked, error: Exception) -> None:
    """Move an event to the dead letters; its key goes on without it."""
    stack = "".join(traceback.format_exception(error))[-_STACK_MAX:]
    values = {
        **_row(group, parked), "id": new_id(), "error_class": type(error).__name__, "stack": stack,
        "error": str(error)[:_ERROR_MAX] or repr(error), "release": __version__,
        "first_failed_at": parked.first_failed_at or clock.now(),
    }  # fmt: skip
    await tx.execute(text(_BURY), values)
    await remove(tx, group, parked.entry)


async def remove(tx: Transaction, group: str, entry: Envelope) -> None:
    """The event no longer waits; what waited behind it is due."""
    values = {"group": group, "event": entry.id, "stream": entry.stream, "key": entry.subject}
    await tx.execute(text("DELETE FROM parked_events WHERE group_name = :group AND event_id = :event"), values)
    await tx.execute(text(_PROMOTE), values)


async def promote_orphans(tx: Transaction, group: str) -> None:
    """Make due what has nothing before it any more, of all that waits: whoever took a front away may have died before
    looking behind it. Takes about 10 microseconds for each key that waits."""
    await tx.execute(text(_PROMOTE_ORPHANS), {"group": group})


async def due(tx: Transaction, group: str, limit: int) -> tuple[list[Head], float | None]:
    """Heads that are due, the longest due first, and in how many seconds something else will be.

    What is due behind a head that is not (replayed or redriven together with it) has to wait for that head."""
    rows = (await tx.execute(text(_DUE), {"group": group, "limit": limit})).all()
    if rows:
        return [Head(*row) for row in rows], 0.0
    wait = (await tx.execute(text(_NEXT_DUE), {"group": group})).scalar_one()
    return [], None if wait is None else max(0.0, float(wait))


async def lock(tx: Transaction, group: str, event_id: UUID) -> Parked | None:
    """The row, ours until the transaction ends; None when it is gone or somebody else's."""
    row = (await tx.execute(text(_LOCK), {"group": group, "event": event_id})).one_or_none()
    return None if row is None else _parked(row)


async def runs(tx: Transaction, group: str, heads: Sequence[UUID], limit: int) -> list[Parked]:
    """What stands at the front of the heads' keys and never failed, in order, at most `limit` in all; the rows are
    ours until the transaction ends."""
    each = max(2, limit // len(heads))
    rows = await tx.execute(text(_RUNS), {"group": group, "heads": list(heads), "each": each})
    found, ended = [], set()
    for row in rows:
        if row.failed:
            ended.add((row.stream, row.key))
        if (row.stream, row.key) not in ended:
            found.append(_parked(row))
    return found[:limit]


async def remove_all(tx: Transaction, group: str, entries: Sequence[Envelope]) -> None:
    """The same as `remove` for many."""
    await tx.execute(text(_REMOVE_ALL), {"group": group, "events": [entry.id for entry in entries]})
    await promote_fronts(tx, group, entries)


async def promote_fronts(tx: Transaction, group: str, entries: Sequence[Envelope]) -> None:
    """What stands at the front of these events' keys now is due.

    Whoever took something from the front, and whoever parked something behind others, does this again after its
    commit: neither saw what the other did meanwhile."""
    values = {
        "group": group, "streams": [entry.stream for entry in entries], "keys": [entry.subject for entry in entries]
    }  # fmt: skip
    await tx.execute(text(_PROMOTE_FRONTS), values)


def _parked(row: Row[Any]) -> Parked:
    entry = msgspec.json.decode(row.envelope, type=Envelope)
    return Parked(entry, row.replay_id, row.failed, row.crashed, row.taken_over, row.first_failed_at,
                  tuple(row.history))  # fmt: skip


async def mark_started(tx: Transaction, group: str, event_id: UUID, kind: str, by: UUID) -> int:
    """Count an attempt of the consumer `by` as one that never ended, before it begins; how many there are now. `kind`
    is `crashed` or `taken_over`.

    Whoever begins again what it began itself did not die of it: a server failed, or the row was locked. That is not
    counted anew."""
    marked = await tx.execute(text(_MARK.format(kind=kind)), {"group": group, "event": event_id, "by": by})
    return int(marked.scalar_one())


async def unmark(tx: Transaction, group: str, event_id: UUID) -> tuple[int, int]:
    """The attempt ended: forget the marks; how many (crashed, taken over) there were."""
    row = (await tx.execute(text(_UNMARK), {"group": group, "event": event_id})).one_or_none()
    return (row[0], row[1]) if row else (0, 0)


def _pause(failed: int) -> float:
    longest = min(_CAP_SECONDS, _BASE_SECONDS * 2 ** (failed - 1))
    return random.uniform(0, longest)  # noqa: S311  # full jitter, not a secret


def _row(group: str, parked: Parked) -> dict[str, Any]:
    entry = parked.entry
    tick, seq = position(entry.entry_id)
    return {
        "group": group, "event": entry.id, "replay": parked.replay_id, "stream": entry.stream,
        "entry": entry.entry_id, "tick": tick, "seq": seq, "type": entry.type, "key": entry.subject,
        "envelope": msgspec.json.encode(entry).decode(), "failed": parked.failed, "crashed": parked.crashed,
        "taken_over": parked.taken_over, "first_failed_at": parked.first_failed_at, "error": None,
        "history": msgspec.json.encode(parked.history).decode(),
    }  # fmt: skip


_PARK = """
INSERT INTO parked_events (group_name, event_id, replay_id, stream, entry_id, tick, seq, type, key, envelope, failed,
                           crashed, taken_over, next_attempt_at, first_failed_at, error, history)
VALUES (:group, :event, :replay, :stream, :entry, :tick, :seq, :type, :key, CAST(CAST(:envelope AS text) AS jsonb),
        :failed, :crashed, :taken_over, coalesce(CAST(:due AS timestamptz), 'infinity'), :first_failed_at, :error,
        CAST(CAST(:history AS text) AS jsonb))
ON CONFLICT (group_name, event_id) DO UPDATE
SET failed = excluded.failed, crashed = excluded.crashed, taken_over = excluded.taken_over,
    next_attempt_at = excluded.next_attempt_at, first_failed_at = excluded.first_failed_at, error = excluded.error,
    history = excluded.history
"""

_BURY = """
INSERT INTO dead_letters (id, group_name, event_id, replay_id, stream, entry_id, tick, seq, type, key, envelope, failed,
                          crashed, taken_over, error_class, error, stack, history, release, first_failed_at)
VALUES (:id, :group, :event, :replay, :stream, :entry, :tick, :seq, :type, :key,
        CAST(CAST(:envelope AS text) AS jsonb), :failed, :crashed, :taken_over, :error_class, :error, :stack,
        CAST(CAST(:history AS text) AS jsonb), :release, :first_failed_at)
"""

_PROMOTE = """
UPDATE parked_events SET next_attempt_at = now()
WHERE group_name = :group AND next_attempt_at = 'infinity' AND event_id = (
    SELECT event_id FROM parked_events WHERE group_name = :group AND stream = :stream AND key = :key
    ORDER BY tick, seq LIMIT 1
)
"""

# Key by key through the index, for a million events may wait behind a few keys: each asked what stands before it would
# take half a minute, and the group tries nothing else meanwhile. Not finite is infinity, but of no use to the index of
# due times: without statistics a planner would read all that waits by it.
_PROMOTE_ORPHANS = """
WITH RECURSIVE fronts AS (
    (SELECT stream, key, event_id, next_attempt_at FROM parked_events WHERE group_name = :group
     ORDER BY stream, key, tick, seq LIMIT 1)
    UNION ALL
    SELECT later.* FROM fronts CROSS JOIN LATERAL (
        SELECT p.stream, p.key, p.event_id, p.next_attempt_at FROM parked_events p
        WHERE p.group_name = :group AND (p.stream, p.key) > (fronts.stream, fronts.key)
        ORDER BY p.stream, p.key, p.tick, p.seq LIMIT 1
    ) AS later
)
UPDATE parked_events SET next_attempt_at = now()
WHERE group_name = :group AND NOT isfinite(next_attempt_at)
  AND event_id = ANY (ARRAY(SELECT event_id FROM fronts WHERE next_attempt_at = 'infinity'))
"""

# now(): an index cannot be asked for a time that passes while it is read.
_DUE = """
SELECT p.event_id, p.failed FROM parked_events p
WHERE p.group_name = :group AND p.next_attempt_at <= now()
  AND NOT EXISTS (
      SELECT FROM parked_events e
      WHERE e.group_name = p.group_name AND e.stream = p.stream AND e.key = p.key AND (e.tick, e.seq) < (p.tick, p.seq)
  )
ORDER BY p.next_attempt_at, p.tick, p.seq
LIMIT :limit
"""

_NEXT_DUE = """
SELECT extract(epoch FROM min(next_attempt_at) - now())::float8 FROM parked_events
WHERE group_name = :group AND next_attempt_at < 'infinity' AND next_attempt_at > now()
"""

_LOCK = """
SELECT replay_id, failed, crashed, taken_over, first_failed_at, history, envelope::text AS envelope
FROM parked_events WHERE group_name = :group AND event_id = :event FOR UPDATE SKIP LOCKED
"""

# Each key's front by the index, so that a long queue behind one key costs nothing.
_RUNS = """
SELECT p.stream, p.key, p.replay_id, p.failed, p.crashed, p.taken_over, p.first_failed_at, p.history,
       p.envelope::text AS envelope
FROM (
    SELECT DISTINCT stream, key FROM parked_events WHERE group_name = :group AND event_id = ANY (CAST(:heads AS uuid[]))
) AS heads
CROSS JOIN LATERAL (
    SELECT * FROM parked_events f WHERE f.group_name = :group AND f.stream = heads.stream AND f.key = heads.key
    ORDER BY f.tick, f.seq LIMIT :each FOR UPDATE
) AS p
ORDER BY p.tick, p.seq
"""

_REMOVE_ALL = "DELETE FROM parked_events WHERE group_name = :group AND event_id = ANY (CAST(:events AS uuid[]))"

# The fronts are found first, by the index: joined to the rows that wait, a planner without statistics (the table is
# empty until something fails) looked for them once for each of those, seconds for some thousand.
_PROMOTE_FRONTS = """
UPDATE parked_events SET next_attempt_at = now()
WHERE group_name = :group AND NOT isfinite(next_attempt_at) AND event_id = ANY (ARRAY(
    SELECT front.event_id
    FROM (
        SELECT DISTINCT stream, key FROM unnest(CAST(:streams AS text[]), CAST(:keys AS text[])) AS given (stream, key)
    ) AS touched
    CROSS JOIN LATERAL (
        SELECT event_id FROM parked_events f
        WHERE f.group_name = :group AND f.stream = touched.stream AND f.key = touched.key
        ORDER BY f.tick, f.seq LIMIT 1
    ) AS front
))
"""

_MARK = """
INSERT INTO delivery_attempts AS a (group_name, event_id, {kind}, started_by) VALUES (:group, :event, 1, :by)
ON CONFLICT (group_name, event_id) DO UPDATE
SET {kind} = a.{kind} + CAST(a.started_by IS DISTINCT FROM excluded.started_by AS int), last_started_at = now(),
    started_by = excluded.started_by
RETURNING crashed + taken_over
"""

_UNMARK = """
DELETE FROM delivery_attempts WHERE group_name = :group AND event_id = :event RETURNING crashed, taken_over
"""
