"""Alerts in this process: the judge beside the API, and `ese alerts …`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
import typer

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store
from event_stream_engine.alerts.actions import Mailer
from event_stream_engine.alerts.judging import Judge
from event_stream_engine.alerts.mailing import AlertMails, Outgoing
from event_stream_engine.alerts.model import Alert, State
from event_stream_engine.alerts.routes import OPEN
from event_stream_engine.backbone.supervising import end, holder_name
from event_stream_engine.database import Database, Transaction
from event_stream_engine.entrypoints.health.monitor import HealthMonitor
from event_stream_engine.entrypoints.metrics import gathering
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import Settings, load_settings
from event_stream_engine.web.platform import Platform

log = structlog.get_logger()

SHOWN = 200
_TIME = "%Y-%m-%d %H:%M:%SZ"

T = TypeVar("T")


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
    await monitor.look()
    tasks = [monitor.run(), monitor.watch_loop(), *([judge.run()] if platform.settings.alerts.judge else [])]
    running = [asyncio.create_task(task) for task in tasks]
    for task in running:
        task.add_done_callback(_tell_of_end)
    try:
        yield judge
    finally:
        await end(*running)
        await judge.release()


def mailer_of(settings: Settings, outgoing: Outgoing | None) -> Mailer | None:
    """Who mails, where there is mail and somebody to be told."""
    recipients = settings.alerts.recipients
    if recipients and outgoing is None:
        log.warning("nobody is mailed about alerts: ESE_ALERT_EMAILS is set, and there is no mail")
    return AlertMails(outgoing, recipients, settings.http.origin) if recipients and outgoing else None


def _tell_of_end(task: "asyncio.Task[None]") -> None:
    """They go on until canceled; an error nobody foresaw must not pass in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the platform is no longer watched by this process", exc_info=error)


def list_alerts(state: str) -> None:
    """Print alerts, the newest first; `open`: all that are not resolved."""
    for alert in asyncio.run(_in_transaction(lambda tx: store.page(tx, _states(state), None, SHOWN))):
        typer.echo(line(alert))


def line(alert: Alert) -> str:
    ended = f" until {alert.resolved_at:{_TIME}}" if alert.resolved_at else ""
    told = f"{alert.state}  {alert.severity}  {alert.started_at:{_TIME}}{ended}"
    return f"{alert.id}  {told}  {alert.rule}: {alert.summary}"


def acknowledge(alert_id: str, by: str) -> None:
    done = asyncio.run(_in_transaction(lambda tx: actions.acknowledge(tx, _id(alert_id), by=None, via=by)))
    typer.echo(line(done))


def silence(alert_id: str, reason: str, hours: float) -> None:
    until = clock.now() + timedelta(hours=hours)
    done = asyncio.run(
        _in_transaction(lambda tx: actions.silence(tx, _id(alert_id), reason=reason, ends_at=until, by=None))
    )
    typer.echo(f"{line(done)} (silent until {until:{_TIME}})")


def _states(said: str) -> tuple[State, ...]:
    if said == "open":
        return OPEN
    known: dict[str, State] = {state: state for state in (*OPEN, "resolved")}
    if said not in known:
        raise Invalid(f"{said} is no state of an alert: write open, {', '.join(known)}.")
    return (known[said],)


def _id(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise Invalid(f"{said} is no alert's id: `ese alerts list` prints them.") from None


async def _in_transaction(act: Callable[[Transaction], Awaitable[T]]) -> T:
    database = Database(load_settings().database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            return await act(tx)
    finally:
        await database.close()
