"""Replay: a part of the log once more, for one group, while everything else goes on.

A replay applies nothing itself. The group's owner feeds it, a chunk at a time, into the group's parked events, from
where it is applied like anything that was parked: in the order of its keys, once, tried again, given up in the end.
The chunk and the replay's own place move in one transaction, so a crash repeats nothing. Live events of a key that is
being replayed wait behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.backbone.ticks import HISTORY_ROWS
from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Conflict, Invalid, NotFound
from event_stream_engine.ids import new_id

CHUNK = 500
WAITING_MAX = 500
TICKS = 500
TICKS_MAX = 32_000
"""Ticks looked through at once, so that a chunk costs the same however long the range is."""
WHOLE = 2**62
"""The number in a tick after which nothing of it comes."""


@dataclass(frozen=True)
class Range:
    """What is replayed: events the group hears, after and up to (inclusive) a time or an entry id."""

    group: str
    stream: str | None = None
    types: Sequence[str] | None = None
    key: str | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    from_entry_id: str | None = None
    to_entry_id: str | None = None
    per_second: int | None = field(default=None, kw_only=True)


async def matching(tx: Transaction, wanted: Range) -> int:
    """How many events a replay of this range would apply. Raises `Invalid`."""
    return await _count(tx, await _values(tx, wanted))


async def request(tx: Transaction, wanted: Range, *, by: str) -> UUID:
    """Ask for a replay; the group's owner begins within a second. Its id. Raises `Invalid` when nothing matches."""
    values = await _values(tx, wanted)  # once: its end is now, and what is counted is what will be replayed
    matched = await _count(tx, values)
    if not matched:
        raise Invalid("No event matches: nothing would be replayed. Widen the range or the filter.")
    replay_id = new_id()
    order = {"id": replay_id, "matched": matched, "by": by, "per_second": wanted.per_second}
    await tx.execute(text(_REQUEST), {**values, **order})
    return replay_id


async def feed(database: Database, group: str) -> int:
    """Put the next chunk of the group's oldest unfinished replay among its parked events; how many. Called by the
    group's owner."""
    async with database.transaction() as tx:
        row = (await tx.execute(text(_CLAIM), {"group": group})).mappings().one_or_none()
        if row is None:
            return 0
        waiting = (await tx.execute(text(_WAITING), {"id": row["id"]})).scalar_one()
        if waiting >= (1 if row["per_second"] else WAITING_MAX):  # at a rate, one chunk after the other
            return 0
        return await _feed(tx, dict(row), is_last=not waiting)


async def _feed(tx: Transaction, replay: dict[str, Any], *, is_last: bool) -> int:
    """From the next ticks, and from more of them at a time where nothing matches."""
    ticks = TICKS
    while ticks <= TICKS_MAX:
        end = (await tx.execute(text(_NEXT_TICKS), {**replay, "ticks": ticks, "whole": WHOLE})).scalar_one()
        if end is None:
            if is_last:
                await tx.execute(text(_COMPLETE), {"id": replay["id"]})
            return 0
        upto = {"upto_tick": end, "upto_seq": replay["upto_seq"] if end == replay["upto_tick"] else WHOLE}
        fed = (await tx.execute(text(_FEED), {**replay, **upto, "replay": replay["id"], "chunk": CHUNK})).one()
        at = (fed.tick, fed.seq) if fed.read == CHUNK else (end, WHOLE)
        replay |= {"at_tick": at[0], "at_seq": at[1]}
        await tx.execute(text(_ADVANCE), {"id": replay["id"], "tick": at[0], "seq": at[1], "done": fed.read})
        if fed.read:
            return int(fed.read)
        ticks *= 4
    return 0


async def cancel(tx: Transaction, replay_id: UUID) -> None:
    """Stop a replay; what it has not applied yet is taken back. Raises `NotFound` or `Conflict`."""
    found = await one(tx, replay_id)
    canceled = await tx.execute(text(_CANCEL), {"id": replay_id})
    if canceled.rowcount == 0:
        raise Conflict(f"This replay is {found['status']} already.")
    await tx.execute(text(_TAKE_BACK), {"id": replay_id})


async def page(tx: Transaction, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""
    rows = await tx.execute(text(_PAGE), {"before": before, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def one(tx: Transaction, replay_id: UUID) -> dict[str, Any]:
    """Raises `NotFound`."""
    row = (await tx.execute(text(_ONE), {"id": replay_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such replay.")
    return dict(row)


async def _count(tx: Transaction, values: dict[str, Any]) -> int:
    return int((await tx.execute(text(f"SELECT count(*) FROM ({_ROWS}) AS rows"), values)).scalar_one())  # noqa: S608


async def _values(tx: Transaction, wanted: Range) -> dict[str, Any]:
    group = GROUPS.get(wanted.group)
    if group is None:
        raise Invalid.field("group", f"There is no group {wanted.group}. There are: {', '.join(sorted(GROUPS))}.")
    unheard = sorted(set(wanted.types or ()) - set(group.reactions))
    if unheard:
        raise Invalid.field("types", f"{wanted.group} does not hear {', '.join(unheard)}.")
    if wanted.stream is not None and wanted.stream not in group.streams:
        raise Invalid.field("stream", f"{wanted.group} does not read {wanted.stream}.")
    after, upto = _bounds(wanted)
    newest = (await tx.execute(text("SELECT coalesce(max(id), 0) FROM outbox_ticks"))).scalar_one()
    return {
        "group_name": wanted.group, "stream": wanted.stream, "key": wanted.key,
        "types": list(wanted.types or group.reactions), "after_tick": after[0], "after_seq": after[1],
        "upto_tick": min(upto[0], newest), "upto_seq": upto[1], "at_tick": 0, "at_seq": 0,
    }  # fmt: skip


def _bounds(wanted: Range) -> tuple[tuple[int, int], tuple[int, int]]:
    """Entries after the first and up to the second. A time is a tick: both are milliseconds."""
    after, upto = (0, 0), (WHOLE, WHOLE)
    try:
        if wanted.from_entry_id:
            tick, seq = position(wanted.from_entry_id)
            after = (tick, seq - 1)
        if wanted.to_entry_id:
            upto = position(wanted.to_entry_id)
        if max(*after, *upto) > WHOLE:
            raise ValueError("more than 63 bits")
    except ValueError:
        raise Invalid("An entry id is `<milliseconds>-<number>`, such as 1795231172902-17.") from None
    if wanted.from_time:
        after = max(after, (int(wanted.from_time.timestamp() * 1000) - 1, WHOLE))
    if wanted.to_time:
        upto = min(upto, (int(wanted.to_time.timestamp() * 1000), WHOLE))
    if after >= upto:
        raise Invalid("The range ends before it begins.")
    return after, upto


_ROWS = f"""
SELECT h.* FROM ({
    HISTORY_ROWS.replace("$1", "greatest(CAST(:after_tick AS bigint) - 1, CAST(:at_tick AS bigint) - 1, 0)")
    .replace("$2", "CAST(:upto_tick AS bigint)")
    .replace("$3::text", "CAST(:stream AS text)")
    .replace("$3", ":stream")
}) AS h
WHERE (h.tick, h.seq) > (:after_tick, :after_seq) AND (h.tick, h.seq) > (:at_tick, :at_seq)
  AND (h.tick, h.seq) <= (:upto_tick, :upto_seq)
  AND h.type = ANY (CAST(:types AS text[])) AND (CAST(:key AS text) IS NULL OR h.key = :key)
"""  # noqa: S608

_REQUEST = """
INSERT INTO replays (id, group_name, stream, types, key, after_tick, upto_tick, after_seq, upto_seq, per_second,
                     matched, requested_by)
VALUES (:id, :group_name, :stream, CAST(:types AS text[]), :key, :after_tick, :upto_tick, :after_seq, :upto_seq,
        :per_second, :matched, :by)
"""

_CLAIM = """
UPDATE replays SET status = 'running' WHERE id = (
    SELECT id FROM replays WHERE group_name = :group AND status IN ('pending', 'running')
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *
"""

_NEXT_TICKS = """
SELECT max(id) FROM (
    SELECT id FROM outbox_ticks
    WHERE id >= greatest(CAST(:after_tick AS bigint), CAST(:at_tick AS bigint)) AND id <= :upto_tick
      AND NOT (id = :at_tick AND CAST(:at_seq AS bigint) = CAST(:whole AS bigint))
    ORDER BY id LIMIT :ticks
) AS next
"""

_WAITING = "SELECT count(*) FROM parked_events WHERE replay_id = :id"

# The envelope as the consumer writes it. An event that the group holds already keeps its row.
_FEED = f"""
WITH chunk AS (
    SELECT *, row_number() OVER (ORDER BY tick, seq) AS n FROM (
        SELECT * FROM ({_ROWS}) AS rows ORDER BY tick, seq LIMIT :chunk
    ) AS first
), parked AS (
    INSERT INTO parked_events (group_name, event_id, replay_id, stream, entry_id, tick, seq, type, key, envelope,
                               next_attempt_at)
    SELECT :group_name, event_id, :replay, stream, tick || '-' || seq, tick, seq, type, key,
           jsonb_build_object(
               'id', event_id, 'type', type, 'subject', key, 'stream', stream, 'entry_id', tick || '-' || seq,
               'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'data', data,
               'correlationid', correlation_id, 'causationid', causation_id, 'traceparent', traceparent,
               'keyversion', key_version, 'schemaversion', schema_version, 'partition', 0),
           now() + CASE WHEN CAST(:per_second AS int) IS NULL THEN interval '0'
                        ELSE make_interval(secs => (n - 1)::float8 / :per_second) END
    FROM chunk
    ON CONFLICT DO NOTHING
)
SELECT count(*) AS read, (array_agg(tick ORDER BY n DESC))[1] AS tick, (array_agg(seq ORDER BY n DESC))[1] AS seq
FROM chunk
"""  # noqa: S608

_ADVANCE = "UPDATE replays SET at_tick = :tick, at_seq = :seq, done = done + :done WHERE id = :id"

_COMPLETE = "UPDATE replays SET status = 'completed', finished_at = now() WHERE id = :id"

_CANCEL = """
UPDATE replays SET status = 'canceled', finished_at = now() WHERE id = :id AND status IN ('pending', 'running')
"""

_TAKE_BACK = """
WITH taken AS (DELETE FROM parked_events WHERE replay_id = :id AND failed = 0 RETURNING 1)
UPDATE replays SET done = done - (SELECT count(*) FROM taken) WHERE id = :id
"""

_SHAPE = f"""
SELECT id, group_name AS "group", stream, types, key, status, matched,
       done - (SELECT count(*) FROM parked_events p WHERE p.replay_id = r.id) AS done,
       (SELECT count(*) FROM dead_letters d WHERE d.replay_id = r.id) AS failed,
       per_second, error, requested_by, requested_at, finished_at,
       CASE WHEN after_tick > 0 THEN to_timestamp((after_tick + (after_seq = {WHOLE})::int) / 1000.0) END AS from_time,
       to_timestamp(upto_tick / 1000.0) AS to_time,
       CASE WHEN after_tick > 0 AND after_seq < {WHOLE} THEN after_tick || '-' || after_seq + 1 END AS from_entry_id,
       CASE WHEN upto_seq < {WHOLE} THEN upto_tick || '-' || upto_seq END AS to_entry_id
FROM replays r
"""  # noqa: S608

_PAGE = f"{_SHAPE} WHERE CAST(:before AS uuid) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit"
_ONE = f"{_SHAPE} WHERE id = :id"
