"""Campaigns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, tuple_, update

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.campaigns import Campaign
from event_stream_engine.messaging.store import searching
from event_stream_engine.messaging.tables import campaign_counts, campaigns


async def campaign(tx: Transaction, campaign_id: UUID) -> Campaign | None:
    row = (await tx.execute(select(campaigns).where(campaigns.c.id == campaign_id))).one_or_none()
    return Campaign(**row._mapping) if row else None


async def campaign_for_update(tx: Transaction, campaign_id: UUID) -> Campaign | None:
    query = select(campaigns).where(campaigns.c.id == campaign_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return Campaign(**row._mapping) if row else None


async def page(
    tx: Transaction,
    *,
    statuses: list[str],
    search: str | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Campaign]:
    """Newest first."""
    key = tuple_(campaigns.c.created_at, campaigns.c.id)
    query = select(campaigns).order_by(campaigns.c.created_at.desc(), campaigns.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(campaigns.c.status.in_(statuses))
    if search:
        query = query.where(searching.contains(campaigns.c.name, search))
    if after is not None:
        query = query.where(key < after)
    return [Campaign(**row._mapping) for row in await tx.execute(query)]


async def add(tx: Transaction, new: Campaign) -> None:
    await tx.execute(insert(campaigns).values(**vars(new)))
    await tx.execute(insert(campaign_counts).values(campaign_id=new.id))


async def save(tx: Transaction, changed: Campaign) -> None:
    values = {name: value for name, value in vars(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(campaigns).where(campaigns.c.id == changed.id).values(**values))


async def remove(tx: Transaction, campaign_id: UUID) -> None:
    await tx.execute(delete(campaigns).where(campaigns.c.id == campaign_id))


async def due(tx: Transaction, now: datetime) -> list[UUID]:
    """Scheduled campaigns whose time has come; locked, so that two schedulers do not launch one twice."""
    query = (
        select(campaigns.c.id)
        .where(campaigns.c.status == "scheduled", campaigns.c.scheduled_at <= now)
        .order_by(campaigns.c.scheduled_at)
        .limit(50)
        .with_for_update(skip_locked=True)
    )
    return [row[0] for row in await tx.execute(query)]


async def running(tx: Transaction) -> list[UUID]:
    query = select(campaigns.c.id).where(campaigns.c.status == "running").order_by(campaigns.c.id)
    return [row[0] for row in await tx.execute(query)]


async def sending_now(tx: Transaction, now: datetime) -> list[UUID]:
    """Running campaigns that have a message due."""
    rows = await tx.execute(text(_SENDING_NOW), {"now": now})
    return [row[0] for row in rows]


_STATUSES = "SELECT id, status FROM campaigns WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR KEY SHARE"


async def canceled(tx: Transaction, campaign_ids: list[UUID]) -> set[UUID]:
    """Those that are canceled; the others are held from being canceled until `tx` commits."""
    rows = await tx.execute(text(_STATUSES), {"ids": campaign_ids})
    return {row[0] for row in rows if row[1] == "canceled"}


async def ask_before_sending(tx: Transaction, since: datetime) -> int:
    """From now on Twilio is asked before a message of any campaign that is not over is sent; how many campaigns. Drafts
    too: they may have been launched since."""
    done = await tx.execute(text(_ASK), {"since": since})
    return done.rowcount


_ASK = """
UPDATE campaigns SET ask_since = CAST(:since AS timestamptz), version = version + 1
WHERE status IN ('draft', 'scheduled', 'running', 'paused')
"""

_SENDING_NOW = """
SELECT c.id FROM campaigns c
WHERE c.status = 'running' AND EXISTS (
    SELECT FROM messages m WHERE m.campaign_id = c.id AND m.status IN ('queued', 'deferred')
      AND (m.due_at IS NULL OR m.due_at <= :now))
ORDER BY c.launched_at
"""

_PARTS = """
SELECT c.id, t.name AS template_name, t.channel, g.name AS segment_name, s.name AS sender_name,
    s.address AS sender_address, least(c.messages_per_second, s.messages_per_second) AS rate
FROM campaigns c JOIN templates t ON t.id = c.template_id LEFT JOIN segments g ON g.id = c.segment_id
LEFT JOIN senders s ON s.id = c.sender_id
WHERE c.id = ANY (CAST(:ids AS uuid[]))
"""


async def parts(tx: Transaction, campaign_ids: list[UUID]) -> dict[UUID, Any]:
    """The names of each campaign's template, segment and sender."""
    rows = await tx.execute(text(_PARTS), {"ids": campaign_ids})
    return {row.id: row for row in rows}
