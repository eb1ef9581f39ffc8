"""Tasks: long, scheduled or rate-limited work on Celery, written as coroutines.

    @task("messaging.send_campaign", queue="sending")
    async def send_campaign(runtime: Runtime, campaign_id: str) -> None: ...

A task gets ids, opens its own transactions (each step is one), and is idempotent: it may run twice, or stop in the
middle and run again. `await start(send_campaign, "…")` hands it to a worker; if that message is lost, the schedule
finds the work again.
"""

from event_stream_engine.jobs.app import CELERY, Schedule, configure, every, start, task
from event_stream_engine.jobs.runtime import Runtime
from event_stream_engine.jobs.scheduling import Scheduler

__all__ = ["CELERY", "Runtime", "Schedule", "Scheduler", "configure", "every", "start", "task"]
