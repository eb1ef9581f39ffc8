"""Tasks that remove old messages and receipts (`ESE_MESSAGE_RETENTION_DAYS`) and merge old counters."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from prometheus_client import Counter

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.jobs import Runtime, every, task
from event_stream_engine.messaging.actions import retiring
from event_stream_engine.messaging.reports.timeline import HOURS_FROM
from event_stream_engine.messaging.store import retiring as store

log = structlog.get_logger()

REMOVED = Counter("ese_messaging_retired_rows_total", "Rows that retention removed", ["table"])

CHUNK = 5000
"""Rows of a transaction: it takes a fraction of a second, so that nothing waits for it."""
SLICE_SECONDS = 60
"""How long a run goes on; the next one continues."""

PER_MINUTE_FOR = timedelta(days=2)
"""Younger counters stay as they are: the overview shows the last day per minute."""


@every(300)
@task("messaging.retire")
async def retire(runtime: Runtime) -> None:
    """Retire campaigns, then remove their messages, old test messages and old receipts."""
    days = runtime.settings.messaging.retention_days
    if days is not None:
        await remove_old(runtime.database, clock.now() - timedelta(days=days))


async def remove_old(database: Database, before: datetime) -> None:
    """Retire and remove what ended before that moment, for at most `SLICE_SECONDS`."""
    ends = time.monotonic() + SLICE_SECONDS
    async with database.transaction() as tx:
        ended = await store.ended(tx, before)
    differing = []
    for campaign_id in ended:
        async with database.transaction() as tx:
            if not await retiring.retire(tx, campaign_id):
                differing.append(str(campaign_id))
    if differing:
        log.error("campaigns not retired, counters differ", count=len(differing), campaign_ids=differing[:10])
    async with database.transaction() as tx:
        retired = await store.with_messages(tx)
    for campaign_id in retired:
        await _remove_in_chunks(database, "messages", partial(store.remove_messages, campaign_id=campaign_id), ends)
    await _remove_in_chunks(database, "messages", partial(store.remove_tests, before=before), ends)
    await _remove_in_chunks(database, "delivery_receipts", partial(store.remove_receipts, before=before), ends)


@every(3600)
@task("messaging.merge_counters")
async def merge_counters(runtime: Runtime) -> None:
    """Counters per hour instead of per minute for campaigns that took weeks: no chart shows them finer."""
    await merge_old_counters(runtime.database)


async def merge_old_counters(database: Database) -> None:
    """At most `store.CANDIDATES_MAX` campaigns a run, each in a transaction of its own."""
    before = clock.now().replace(minute=0, second=0, microsecond=0) - PER_MINUTE_FOR
    async with database.transaction() as tx:
        long = await store.of_weeks(tx, HOURS_FROM, before)
    for campaign_id in long:
        async with database.transaction() as tx:
            await store.merge_counters(tx, campaign_id, "hour", before)


async def _remove_in_chunks(database: Database, table: str, remove: Callable[..., Awaitable[int]], ends: float) -> None:
    """Chunk by chunk, until one is not full or the time is up."""
    while time.monotonic() < ends:
        async with database.transaction() as tx:
            removed = await remove(tx, most=CHUNK)
        REMOVED.labels(table).inc(removed)
        if removed < CHUNK:
            return
