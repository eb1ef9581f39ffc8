"""Consumer groups as an operator sees and steers them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Transaction
from event_stream_engine.errors import NotFound

HISTORY = 60


async def reports(tx: Transaction, name: str | None = None) -> list[dict[str, Any]]:
    """Every group that reacts in this release or ever consumed, by name."""
    rows = (await tx.execute(text(_REPORTS), {"names": sorted(GROUPS), "name": name, "history": HISTORY})).mappings()
    return [{**row, "streams": _streams(row)} for row in rows]


async def check(tx: Transaction, name: str) -> None:
    """Raises `NotFound`, naming the groups there are: that nothing of a mistyped group is found says nothing."""
    ever = text("SELECT 1 FROM consumer_groups WHERE group_name = :name")
    if name not in GROUPS and (await tx.execute(ever, {"name": name})).first() is None:
        raise NotFound(f"There is no group {name}. There are: {', '.join(sorted(GROUPS))}.")


async def report(tx: Transaction, name: str) -> dict[str, Any]:
    """Raises `NotFound`."""
    await check(tx, name)
    return (await reports(tx, name))[0]


async def pause(tx: Transaction, name: str, *, by: str, reason: str) -> None:
    """The owner stops within a second, after the batch in hand. Raises `NotFound`."""
    await check(tx, name)
    await tx.execute(text(_PAUSE), {"group": name, "by": by, "reason": reason})


async def resume(tx: Transaction, name: str) -> None:
    """Raises `NotFound`."""
    await check(tx, name)
    await tx.execute(text(_RESUME), {"group": name})


async def paused(tx: Transaction) -> list[dict[str, Any]]:
    """The groups that somebody paused, by name, with `paused_by`, `paused_at` and `pause_reason`."""
    return [dict(row) for row in (await tx.execute(text(_PAUSED))).mappings()]


async def paused_of(tx: Transaction, names: Sequence[str]) -> list[str]:
    """Those of these groups that somebody paused."""
    return [row["group_name"] for row in await paused(tx) if row["group_name"] in names]


async def parked(tx: Transaction, name: str, limit: int) -> list[dict[str, Any]]:
    """What waits, in the order of the log; `next_attempt_at` is None for what waits behind another."""
    await check(tx, name)
    return [dict(row) for row in (await tx.execute(text(_PARKED), {"group": name, "limit": limit})).mappings()]


async def retry_now(tx: Transaction, name: str) -> int:
    """Make every head of a parked key due; how many."""
    await check(tx, name)
    return (await tx.execute(text(_RETRY), {"group": name})).rowcount


def _streams(row: Any) -> list[str]:
    known = GROUPS.get(row["group"])
    return known.streams if known else sorted(row["streams"] or ())


_REPORTS = """
SELECT n.name AS "group", g.holder,
       CASE WHEN g.paused_at IS NOT NULL THEN 'paused'
            WHEN g.group_name IS NULL OR g.released OR g.expires_at <= clock_timestamp() THEN 'no_consumer'
            WHEN l.events > 0 AND coalesce(g.last_consumed_at, 'epoch') < clock_timestamp() - interval '30 s'
            THEN 'waiting' ELSE 'running' END AS state,
       coalesce(l.events, 0) AS lag_events, coalesce(l.seconds, 0) AS lag_seconds,
       coalesce(g.consumed_total, 0) AS consumed_total, g.last_consumed_at, g.paused_by, g.paused_at, g.pause_reason,
       p.keys AS parked_keys, p.events AS parked_events,
       (SELECT count(*) FROM dead_letters d WHERE d.group_name = n.name AND d.status = 'open') AS dead_letters,
       (SELECT array_agg(DISTINCT s.stream) FROM group_positions s WHERE s.group_name = n.name) AS streams,
       coalesce((SELECT jsonb_agg(to_jsonb(h) - 'group_name' ORDER BY h.at)
                 FROM (SELECT * FROM group_lag WHERE group_name = n.name ORDER BY at DESC LIMIT :history) h), '[]')
           AS lag_history
FROM (SELECT unnest(CAST(:names AS text[])) UNION SELECT group_name FROM consumer_groups) AS n (name)
LEFT JOIN consumer_groups g ON g.group_name = n.name
LEFT JOIN LATERAL (
    SELECT events, seconds FROM group_lag WHERE group_name = n.name ORDER BY at DESC LIMIT 1
) AS l ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS keys, coalesce(sum(k.events), 0)::bigint AS events
    FROM (SELECT count(*) AS events FROM parked_events WHERE group_name = n.name GROUP BY stream, key) AS k
) AS p
WHERE CAST(:name AS text) IS NULL OR n.name = :name
ORDER BY n.name
"""

_PAUSE = """
INSERT INTO consumer_groups (group_name, paused_at, paused_by, pause_reason) VALUES (:group, now(), :by, :reason)
ON CONFLICT (group_name) DO UPDATE SET paused_at = now(), paused_by = :by, pause_reason = :reason
"""

_RESUME = """
UPDATE consumer_groups SET paused_at = NULL, paused_by = NULL, pause_reason = NULL WHERE group_name = :group
"""

_PAUSED = """
SELECT group_name, paused_by, paused_at, pause_reason FROM consumer_groups
WHERE paused_at IS NOT NULL ORDER BY group_name
"""

_PARKED = """
SELECT event_id, stream, entry_id, type, key, failed, crashed, taken_over, first_failed_at, error, replay_id,
       nullif(next_attempt_at, 'infinity') AS next_attempt_at
FROM parked_events WHERE group_name = :group ORDER BY tick, seq LIMIT :limit
"""

# What is locked is being tried now; waiting for it, in another order than its owner's, would be a deadlock.
_RETRY = """
UPDATE parked_events SET next_attempt_at = now()
WHERE group_name = :group AND event_id = ANY (ARRAY(
    SELECT event_id FROM parked_events WHERE group_name = :group AND next_attempt_at < 'infinity' FOR UPDATE SKIP LOCKED
))
"""
