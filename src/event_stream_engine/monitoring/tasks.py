"""Monitoring's tasks: metrics are added up per minute and hour, and what is old is removed."""

from datetime import timedelta

from event_stream_engine import clock
from event_stream_engine.jobs import Runtime, every, task
from event_stream_engine.monitoring import store

ROLLED_UP_AGAIN = timedelta(minutes=10)
"""Rows written within this time are added up at each run: a run that was missed is made up for."""
KEPT = {
    "monitoring_metrics_raw": timedelta(days=2),
    "monitoring_flushes": timedelta(days=2),
    "monitoring_metrics_minutes": timedelta(days=30),
    "monitoring_metrics_hours": timedelta(days=400),
    "monitoring_dead_letters": timedelta(days=30),
}


@every(60)
@task("monitoring.roll_up")
async def roll_up(runtime: Runtime) -> None:
    """Metrics per minute and per hour, from the raw rows."""
    async with runtime.database.transaction() as tx:
        await store.roll_up(tx, clock.now() - ROLLED_UP_AGAIN)


@every(600)
@task("monitoring.forget")
async def forget(runtime: Runtime) -> None:
    """Remove what is older than its time; events after ESE_MONITORING_RETENTION_DAYS."""
    events = timedelta(days=runtime.settings.monitoring.retention_days)
    async with runtime.database.transaction() as tx:
        await store.forget(tx, clock.now(), {**KEPT, "monitoring_events": events})
