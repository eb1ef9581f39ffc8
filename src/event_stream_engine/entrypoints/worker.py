"""`ese work`: Celery, started from our settings, and the schedule."""

import asyncio
import warnings
from contextlib import AsyncExitStack

from celery.exceptions import SecurityWarning
from celery.signals import worker_init, worker_process_init, worker_process_shutdown

from event_stream_engine import jobs
from event_stream_engine.backbone.effects import effects_of
from event_stream_engine.backbone.supervising import end
from event_stream_engine.entrypoints import pulse
from event_stream_engine.entrypoints.bootstrap import begin, collect_less_often, register_tasks
from event_stream_engine.entrypoints.flags.keeping import follow_flags
from event_stream_engine.entrypoints.metrics.publishing import publish_beside
from event_stream_engine.entrypoints.monitoring.keeping import kept
from event_stream_engine.flags.api import get_flag_manager
from event_stream_engine.identity.smtp import BREAKER as SMTP
from event_stream_engine.jobs import Runtime
from event_stream_engine.jobs.app import QUEUES
from event_stream_engine.jobs.runtime import run
from event_stream_engine.messaging.inbound_tasks import note_start
from event_stream_engine.messaging.twilio.guarded import ASKING, SENDING
from event_stream_engine.resilience import circuits_of


def main() -> None:
    """A worker for all queues. Its processes each run one event loop; tasks in them await as usual. There is one
    while little is to be done, and as many as `ESE_WORKER_PROCESSES` while tasks wait."""
    settings = begin("work")
    # The warning is about pickled messages; ours are JSON, the only content that the worker accepts.
    warnings.simplefilter("ignore", SecurityWarning)
    register_tasks()
    # Before the fork: what is loaded stays in memory that all processes share, as long as no collector writes to it.
    worker_init.connect(lambda **_: collect_less_often(), weak=False)
    # A thread does not outlive the fork: each process of the worker gives its own signs of life, follows the flags and
    # tells its figures itself.
    worker_process_init.connect(lambda **_: pulse.start(settings.supervision.address), weak=False)
    worker_process_init.connect(lambda **_: follow_flags(settings, "work"), weak=False)
    worker_process_init.connect(lambda **_: publish_beside(settings, "work"), weak=False)
    worker_process_init.connect(lambda **_: run(tell_beside), weak=False)
    worker_process_init.connect(lambda **_: collect_less_often(), weak=False)
    worker_process_shutdown.connect(lambda **_: run(tell_no_more), weak=False)
    celery = jobs.configure(settings)
    celery.start([
        "--quiet",
        "worker",
        f"--queues={','.join(QUEUES)}",
        f"--autoscale={settings.messaging.worker_processes},1",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--events",
        "--heartbeat-interval=10",
    ])  # fmt: skip


BESIDE = "monitoring"


async def tell_beside(runtime: Runtime) -> None:
    """What runs in this process of the worker beside its tasks: a broadcaster (its breakers' changes are events, their
    states are published, overrides take effect), the witness of its effects, and the schedule."""
    note_start(runtime)
    circuits = circuits_of(runtime.shared)
    for name in (SENDING, ASKING, SMTP):  # shown from the start, also before the first call
        circuits.breaker(name)
    opened = runtime.shared[BESIDE] = AsyncExitStack()
    keeping = kept(runtime.settings, runtime.database, get_flag_manager(), "work", circuits=circuits)
    await opened.enter_async_context(keeping)
    effects = effects_of(runtime.settings, runtime.database, runtime.redis, runtime.shared)
    scheduler = jobs.Scheduler(runtime.database, runtime.redis)
    opened.push_async_callback(end, asyncio.create_task(effects.keep()), asyncio.create_task(scheduler.run()))


async def tell_no_more(runtime: Runtime) -> None:
    """Write what waits, and say goodbye."""
    await runtime.shared[BESIDE].aclose()
