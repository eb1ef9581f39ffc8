"""What age removes: messages of campaigns that ended long ago, delivery receipts, and the fineness of counters."""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text, update

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.store.counting import PER_MINUTE
from event_stream_engine.messaging.tables import campaign_counts

CANDIDATES_MAX = 100

_ENDED = """
SELECT c.id FROM campaigns c JOIN campaign_counts n ON n.campaign_id = c.id
WHERE c.status IN ('completed', 'canceled') AND c.completed_at < :before AND n.retired_at IS NULL
ORDER BY c.completed_at, c.id LIMIT :most
"""


async def ended(tx: Transaction, before: datetime) -> list[UUID]:
    """Campaigns that ended before that moment and are not retired, the earliest first; at most `CANDIDATES_MAX`."""
    found = await tx.execute(text(_ENDED), {"before": before, "most": CANDIDATES_MAX})
    return list(found.scalars())


_MERGE = f"""
WITH merged AS (DELETE FROM campaign_minutes WHERE campaign_id = :id AND minute < :before RETURNING *)
INSERT INTO campaign_minutes (campaign_id, minute, {", ".join(PER_MINUTE)})
SELECT :id, date_trunc(:unit, minute, 'UTC'), {", ".join(f"sum({name})::bigint" for name in PER_MINUTE)}
FROM merged GROUP BY 2
"""  # noqa: S608


async def retire(tx: Transaction, campaign_id: UUID, now: datetime, seconds: dict[str, float] | None) -> bool:
    """Mark a campaign as retired, and keep how long delivery took. False when it is retired already."""
    columns = campaign_counts.c
    this = update(campaign_counts).where(columns.campaign_id == campaign_id, columns.retired_at.is_(None))
    return (await tx.execute(this.values(retired_at=now, seconds_to_deliver=seconds))).rowcount == 1


_OF_WEEKS = """
SELECT c.id FROM campaigns c JOIN campaign_counts n ON n.campaign_id = c.id
CROSS JOIN LATERAL (SELECT min(m.minute) AS first, max(m.minute) AS last FROM campaign_minutes m
                    WHERE m.campaign_id = c.id) AS s
WHERE c.launched_at IS NOT NULL AND n.retired_at IS NULL AND s.last - s.first >= CAST(:span AS interval)
  AND EXISTS (SELECT FROM campaign_minutes m WHERE m.campaign_id = c.id AND m.minute < :before
              AND m.minute <> date_trunc('hour', m.minute, 'UTC'))
ORDER BY c.launched_at LIMIT :most
"""


async def of_weeks(tx: Transaction, span: timedelta, before: datetime) -> list[UUID]:
    """Campaigns whose messages moved over at least `span` and that have counters per minute before that moment; at most
    `CANDIDATES_MAX`."""
    values = {"span": span, "before": before, "most": CANDIDATES_MAX}
    return list((await tx.execute(text(_OF_WEEKS), values)).scalars())


async def merge_counters(tx: Transaction, campaign_id: UUID, unit: Literal["hour", "day"], before: datetime) -> None:
    """Replace a campaign's counters by one for each hour or day (UTC), at its first minute. `before` begins one."""
    await tx.execute(text(_MERGE), {"id": campaign_id, "unit": unit, "before": before})


_HAS_MESSAGES = """
SELECT n.campaign_id FROM campaign_counts n
WHERE n.retired_at IS NOT NULL AND EXISTS (SELECT FROM messages m WHERE m.campaign_id = n.campaign_id)
LIMIT :most
"""


async def with_messages(tx: Transaction) -> list[UUID]:
    """Retired campaigns that still have messages; at most `CANDIDATES_MAX`."""
    return list((await tx.execute(text(_HAS_MESSAGES), {"most": CANDIDATES_MAX})).scalars())


_REMOVE_MESSAGES = """
DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE campaign_id = :campaign_id LIMIT :most)
"""
_REMOVE_TESTS = """
DELETE FROM messages WHERE id IN (
    SELECT id FROM messages WHERE campaign_id IS NULL AND updated_at < :before
      AND status IN ('accepted', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'refused', 'canceled')
    LIMIT :most)
"""
# Receipts are numbered as they come; the first that is young enough to stay ends it.
_REMOVE_RECEIPTS = """
DELETE FROM delivery_receipts WHERE received_at < :before
  AND id IN (SELECT id FROM delivery_receipts ORDER BY id LIMIT :most)
"""


async def remove_messages(tx: Transaction, campaign_id: UUID, most: int) -> int:
    return await _removed(tx, _REMOVE_MESSAGES, campaign_id=campaign_id, most=most)


async def remove_tests(tx: Transaction, before: datetime, most: int) -> int:
    """Test messages that last changed before that moment."""
    return await _removed(tx, _REMOVE_TESTS, before=before, most=most)


async def remove_receipts(tx: Transaction, before: datetime, most: int) -> int:
    return await _removed(tx, _REMOVE_RECEIPTS, before=before, most=most)


async def _removed(tx: Transaction, statement: str, **values: Any) -> int:
    return (await tx.execute(text(statement), values)).rowcount
