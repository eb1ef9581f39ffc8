"""What may have been sent while the database was further than it is now."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from event_stream_engine.database import Transaction

SHOWN = 100


@dataclass(frozen=True)
class OpenCampaign:
    """A campaign that is not over, and how many of its messages may have been sent. Of a draft and a scheduled one it
    is unknown whether it was launched in the gap."""

    id: UUID
    name: str
    status: str
    scheduled_at: datetime | None
    open_messages: int


async def open_campaigns(tx: Transaction) -> list[OpenCampaign]:
    """Running and paused campaigns first; at most `SHOWN`."""
    rows = await tx.execute(text(_OPEN), {"limit": SHOWN})
    return [OpenCampaign(*row) for row in rows]


_OPEN = """
SELECT c.id, c.name, c.status, c.scheduled_at,
       (SELECT count(*) FROM messages m
        WHERE m.campaign_id = c.id AND m.status IN ('queued', 'deferred', 'sending', 'unknown'))
FROM campaigns c WHERE c.status IN ('draft', 'scheduled', 'running', 'paused')
ORDER BY c.status IN ('running', 'paused') DESC, c.created_at DESC LIMIT :limit
"""
