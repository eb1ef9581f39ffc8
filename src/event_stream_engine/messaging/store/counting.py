"""The campaign counters: deltas applied to one row per campaign, and to one per minute and per cause."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.database import Transaction, raw
from event_stream_engine.messaging.model.messages import STATUSES

MILESTONES = ("accepted", "sent", "delivered", "read")
COUNTED = (*STATUSES, *(f"reached_{name}" for name in MILESTONES), "audience")
PER_MINUTE = (*MILESTONES, "undelivered", "failed", "refused")

_ADD = f"""
UPDATE campaign_counts SET
    {", ".join(f"{name} = {name} + ${index}" for index, name in enumerate(COUNTED, 2))},
    is_frozen = is_frozen OR ${len(COUNTED) + 2}, version = version + 1, updated_at = now()
WHERE campaign_id = $1 RETURNING *
"""  # noqa: S608


async def add(tx: Transaction, campaign_id: UUID, deltas: Mapping[str, int], *, frozen: bool) -> dict[str, Any] | None:
    """Add to a campaign's counters; the row as it is then, None when the campaign is gone."""
    connection = await raw(tx)
    row = await connection.fetchrow(_ADD, campaign_id, *(deltas.get(name, 0) for name in COUNTED), frozen)
    return dict(row) if row else None


_ADD_MINUTES = f"""
INSERT INTO campaign_minutes (campaign_id, minute, {", ".join(PER_MINUTE)})
SELECT $1, * FROM unnest($2::timestamptz[], {", ".join(f"${i}::bigint[]" for i in range(3, 3 + len(PER_MINUTE)))})
ON CONFLICT (campaign_id, minute) DO UPDATE SET
    {", ".join(f"{name} = campaign_minutes.{name} + excluded.{name}" for name in PER_MINUTE)}
"""  # noqa: S608


async def add_minutes(tx: Transaction, campaign_id: UUID, minutes: Mapping[datetime, Mapping[str, int]]) -> None:
    connection = await raw(tx)
    ordered = sorted(minutes)
    columns = [[minutes[minute].get(name, 0) for minute in ordered] for name in PER_MINUTE]
    await connection.execute(_ADD_MINUTES, campaign_id, ordered, *columns)


_ADD_CAUSES = """
INSERT INTO campaign_causes (campaign_id, kind, code, count, last_at)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
ON CONFLICT (campaign_id, kind, code) DO UPDATE SET
    count = campaign_causes.count + excluded.count,
    last_at = greatest(campaign_causes.last_at, excluded.last_at)
"""


async def add_causes(tx: Transaction, campaign_id: UUID, causes: Sequence[tuple[str, str, int, datetime]]) -> None:
    """Add to the counts of errors and refusals: (kind, code, how many, last at)."""
    connection = await raw(tx)
    columns: list[list[Any]] = [list(column) for column in zip(*causes, strict=True)]
    await connection.execute(_ADD_CAUSES, campaign_id, *columns)


_TALLY = """
SELECT status, count(*) FROM messages WHERE campaign_id = :campaign_id GROUP BY status
"""


async def tally(tx: Transaction, campaign_id: UUID) -> dict[str, int]:
    """The counts as the ledger has them: what the counters must equal once every event is counted."""
    rows = await tx.execute(text(_TALLY), {"campaign_id": campaign_id})
    return {row[0]: row[1] for row in rows}
