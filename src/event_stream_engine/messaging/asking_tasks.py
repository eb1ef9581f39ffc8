"""Asking Twilio about messages whose receipts do not come."""

import time
from datetime import datetime

import structlog

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.jobs import Runtime, every, start, task
from event_stream_engine.messaging.actions import reconciling
from event_stream_engine.messaging.gateway import MessageGateway
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.settings import MessagingSettings

log = structlog.get_logger()

ASKING_SECONDS = 20.0
_ASK_BATCH = 50


@every(30)
@task("messaging.ask_silent")
async def ask_silent(runtime: Runtime) -> None:
    """Ask about messages that have been silent for `ESE_STALE_MINUTES`."""
    await _ask(runtime, None)


@task("messaging.ask_refused")
async def ask_refused(runtime: Runtime, before: str) -> None:
    """Ask about every message that is on its way and has been silent since `before` (ISO 8601), when callbacks were
    refused last: Twilio sends most of them once."""
    if not await _ask(runtime, datetime.fromisoformat(before)):
        await start(ask_refused, before)


async def _ask(runtime: Runtime, before: datetime | None) -> bool:
    """For `ASKING_SECONDS`; whether all were asked about."""
    gateway, settings = gateway_of(runtime.settings, runtime.shared), runtime.settings.messaging
    ends = time.monotonic() + ASKING_SECONDS
    while time.monotonic() < ends:
        asked, unanswered = await ask_about_silent(runtime.database, gateway, settings, _ASK_BATCH, before)
        if unanswered:
            log.warning("Twilio does not answer, silent messages wait", count=unanswered)
        if asked == 0:
            return True
        log.info("asked Twilio about silent messages", count=asked)
    return False


async def ask_about_silent(
    database: Database, gateway: MessageGateway, settings: MessagingSettings, limit: int, before: datetime | None = None
) -> tuple[int, int]:
    """Ask Twilio about messages that have been silent since `before`, or for `ESE_STALE_MINUTES`: how many it answered
    for, and how many not."""
    since = before or reconciling.silent_before(settings, clock.now())
    async with database.transaction() as tx:
        silent = await reconciling.take_silent(tx, since, limit)
    if not silent:
        return 0, 0
    fetched = await reconciling.fetch_all(gateway, silent)
    async with database.transaction() as tx:
        await reconciling.settle_silent(tx, fetched, settings)
    return len(fetched.answers), len(fetched.unanswered)
