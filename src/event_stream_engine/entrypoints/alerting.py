"""Alerts in this process: the judge beside the API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from event_stream_engine.alerts.actions import Mailer, Several
from event_stream_engine.alerts.judging import Judge
from event_stream_engine.alerts.mailing import AlertMails, Outgoing
from event_stream_engine.alerts.webhooks import AlertWebhooks, Endpoint, Sender
from event_stream_engine.backbone.supervising import end, holder_name
from event_stream_engine.entrypoints.health.monitor import HealthMonitor
from event_stream_engine.entrypoints.metrics import gathering
from event_stream_engine.settings import Settings
from event_stream_engine.web.platform import Platform

log = structlog.get_logger()


@asynccontextmanager
async def watching(
    platform: Platform, monitor: HealthMonitor, outgoing: Outgoing | None = None
) -> AsyncIterator[Judge]:
    """Looks at the platform's health, and judges when it is this process's turn, for the length of the block.
    `outgoing` writes mails down; without it nobody is mailed."""
    judge = Judge(
        platform.database,
        lambda: gathering.samples(platform),
        holder_name(),
        every_seconds=platform.settings.alerts.every_seconds,
        mailer=mailer_of(platform.settings, outgoing),
    )
    endpoint = Endpoint.of(platform.settings.alerts)
    sender = Sender(platform.database, endpoint)
    await monitor.look()
    tasks = [monitor.run(), monitor.watch_loop()]
    if platform.settings.alerts.judge:
        tasks += [judge.run(), *([sender.run()] if endpoint else [])]
    running = [asyncio.create_task(task) for task in tasks]
    for task in running:
        task.add_done_callback(_tell_of_end)
    try:
        yield judge
    finally:
        await end(*running)
        await judge.release()
        await sender.close()


def mailer_of(settings: Settings, outgoing: Outgoing | None) -> Mailer | None:
    """Who tells of alerts: by mail, where there is mail and somebody to be told; by a webhook, where there is an
    address."""
    recipients = settings.alerts.recipients
    if recipients and outgoing is None:
        log.warning("alert emails off, mail is not configured")
    mailers: list[Mailer] = []
    if recipients and outgoing:
        mailers.append(AlertMails(outgoing, recipients, settings.http.origin))
    if Endpoint.of(settings.alerts) is not None:
        mailers.append(AlertWebhooks(settings.http.origin))
    return Several(mailers) if mailers else None


def _tell_of_end(task: "asyncio.Task[None]") -> None:
    """They go on until canceled; an error nobody foresaw must not pass in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("alert evaluation stopped", exc_info=error)
