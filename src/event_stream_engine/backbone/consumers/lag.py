"""How far a group is behind: events it hears that are committed and not yet in its charge, and the oldest's age.

From our own positions and the outbox; what a transport says of its groups is wrong after trimming.
"""

from sqlalchemy import text

from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.database import Database

COUNTED_MAX = 100_000
SAMPLES_KEPT = 60


async def sample(database: Database, group: Group) -> None:
    """Store one sample, and forget the oldest."""
    async with database.transaction() as tx:
        rows = await tx.execute(
            text("SELECT stream, array_agg(entry_id) FROM group_positions WHERE group_name = :group GROUP BY stream"),
            {"group": group.name},
        )
        events, seconds = 0, 0.0
        for stream, entry_ids in rows.all():
            tick, seq = min(map(position, entry_ids))
            values = {
                "stream": stream, "tick": tick, "seq": seq, "types": sorted(group.reactions), "most": COUNTED_MAX,
                "group": group.name, "apart": len(set(entry_ids)) > 1,
            }  # fmt: skip
            behind = (await tx.execute(text(_BEHIND), values)).one()
            events += behind.events
            seconds = max(seconds, behind.seconds or 0.0)
        values = {"group": group.name, "events": events, "seconds": seconds, "kept": SAMPLES_KEPT}
        await tx.execute(text(_STORE), values)
        await tx.execute(text(_FORGET), values)


# From the slowest partition on. Where partitions stand apart, what the faster ones have taken charge of is left out.
_BEHIND = """
WITH here AS (
    SELECT snapshot, generation FROM outbox_ticks WHERE id <= :tick ORDER BY id DESC LIMIT 1
), before AS (
    SELECT snapshot FROM outbox_ticks WHERE id < :tick ORDER BY id DESC LIMIT 1
)
SELECT count(*) AS events, extract(epoch FROM clock_timestamp() - min(recorded_at))::float8 AS seconds FROM (
    SELECT o.recorded_at FROM (
        SELECT o.* FROM here h LEFT JOIN before b ON true
        JOIN outbox o ON o.generation = h.generation
            AND o.xid >= coalesce(pg_snapshot_xmin(b.snapshot), '0') AND o.xid <= '18446744073709551615'
        WHERE NOT pg_visible_in_snapshot(o.xid, h.snapshot)
            OR (o.seq > :seq AND NOT pg_visible_in_snapshot(o.xid, coalesce(b.snapshot, '1:1:')))
        UNION ALL
        SELECT o.* FROM here h JOIN outbox o ON o.generation > h.generation
        WHERE h.generation < (SELECT max(generation) FROM outbox_generations)
        UNION ALL
        SELECT o.* FROM outbox o WHERE NOT EXISTS (SELECT FROM here)
    ) AS o
    WHERE o.stream = :stream AND o.type = ANY (CAST(:types AS text[]))
      AND (NOT :apart OR NOT EXISTS (
          SELECT FROM inbox i WHERE i.group_name = :group AND i.event_id = o.event_id))
    LIMIT :most
) AS behind
"""

_STORE = """
INSERT INTO group_lag (group_name, events, seconds) VALUES (:group, :events, :seconds) ON CONFLICT DO NOTHING
"""

_FORGET = """
DELETE FROM group_lag WHERE group_name = :group AND at < (
    SELECT at FROM group_lag WHERE group_name = :group ORDER BY at DESC OFFSET :kept LIMIT 1
)
"""
