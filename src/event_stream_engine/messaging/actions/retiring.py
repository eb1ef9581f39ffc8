"""Retention: a campaign that ended long ago loses its messages, and its report keeps its totals."""

from datetime import timedelta
from uuid import UUID

import structlog

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.messages import STATUSES
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.store import counting
from event_stream_engine.messaging.store import retiring as store

log = structlog.get_logger()


async def retire(tx: Transaction, campaign_id: UUID) -> bool:
    """From now on the report of an ended campaign is read from its counters alone, and its messages may be removed.

    False when its counters differ from its messages: it stays as it is, because removing them would lose the right
    figures."""
    totals = (await reports.counts(tx, [campaign_id]))[campaign_id]
    found = await counting.tally(tx, campaign_id)
    if any(totals[status] != found.get(status, 0) for status in STATUSES):
        return False
    report = await reports.summary(tx, campaign_id, "completed", None)
    if await store.retire(tx, campaign_id, clock.now(), report["seconds_to_deliver"]):
        tomorrow = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        await store.merge_counters(tx, campaign_id, "day", tomorrow)
        await audit.record(tx, None, "campaign.retire", campaign_id, {"messages": sum(found.values())})
        log.info("campaign retired", campaign_id=str(campaign_id), messages=sum(found.values()))
    return True
