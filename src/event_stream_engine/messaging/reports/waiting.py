"""Who waits for the end of quiet hours, and when a running campaign is through with them too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.database import Transaction

ENDS_MAX = 2000
"""Distinct minutes at which quiet hours end; a campaign over all time zones has some dozens."""

# Half a minute of jitter keeps those of one zone from being due at the same moment.
_ENDS = f"""
SELECT date_trunc('minute', due_at) AS until, min(due_at) AS first, max(due_at) AS last, count(*) AS people
FROM messages WHERE campaign_id = :campaign_id AND status = 'deferred' AND due_at IS NOT NULL
GROUP BY 1 ORDER BY 1 LIMIT {ENDS_MAX}
"""  # noqa: S608
_UNTIL = """
SELECT k.campaign_id, (SELECT min(m.due_at) FROM messages m
                       WHERE m.campaign_id = k.campaign_id AND m.status = 'deferred') AS until
FROM campaign_counts k JOIN campaigns c ON c.id = k.campaign_id
WHERE k.campaign_id = ANY (CAST(:ids AS uuid[])) AND c.status = 'running'
  AND k.deferred > 0 AND k.queued + k.sending + k.unknown = 0
"""


@dataclass(frozen=True)
class QuietEnd:
    """`people` may be sent to from `first` on, the last of them from `last` on."""

    first: datetime
    last: datetime
    people: int


async def quiet_ends(tx: Transaction, campaign_id: UUID) -> list[QuietEnd]:
    """The ends of quiet hours that a campaign's people wait for, the earliest first."""
    rows = await tx.execute(text(_ENDS), {"campaign_id": campaign_id})
    return [QuietEnd(row.first, row.last, row.people) for row in rows]


async def quiet_until(tx: Transaction, campaign_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When the first quiet hours end, for those running campaigns of which everybody left waits for that."""
    rows: Any = await tx.execute(text(_UNTIL), {"ids": list(campaign_ids)})
    return {row.campaign_id: row.until for row in rows if row.until is not None}


def sent_by(sending: int, ends: Sequence[QuietEnd], rate: float | None, now: datetime) -> datetime | None:
    """When the last message leaves: `sending` from now on, then the people of each end of quiet hours, at `rate` a
    second. None while no rate is known, unless nobody waits."""
    if not rate:
        return None
    at = now + timedelta(seconds=sending / rate)
    for end in ends:
        at = max(at, end.first) + timedelta(seconds=end.people / rate)
        at = max(at, end.last)
    return at
