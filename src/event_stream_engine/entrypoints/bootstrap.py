"""What every process does first: read the settings, set up logs, import the features it serves."""

import asyncio
import gc
import importlib
import pkgutil
import resource
import signal
import threading
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from event_stream_engine import encryption, events
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import refuse_older_schema
from event_stream_engine.entrypoints import pulse
from event_stream_engine.entrypoints.metrics.publishing import keep_publishing
from event_stream_engine.live import heartbeats
from event_stream_engine.settings import Settings, load_settings
from event_stream_engine.telemetry import configure_logging

log = structlog.get_logger()

FILES_MAX = 65_536
FEATURES_WITH_CONSUMERS = ("messaging", "monitoring")
FEATURES_WITH_TASKS = ("identity", "messaging", "monitoring")


def begin(process: str) -> Settings:
    """The settings, with logging set up; from now on the process says that it is alive. Raises `Invalid` naming what
    cannot be used, and `SchemaOlder`."""
    settings = load_settings()
    pulse.start(settings.supervision.address)
    configure_logging(process, level=settings.log.level, as_json=settings.log.format == "json")
    use_secret_key(settings)
    refuse_older_schema(settings.database_url)
    allow_connections()
    announce(settings, process)
    return settings


def allow_connections() -> None:
    """As many open files as the process may have, up to `FILES_MAX`: a connection is one, and the usual soft limit of
    1,024 is less than a worker that sends, or an API with as many browsers, may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def use_secret_key(settings: Settings) -> None:
    """Let this process read what is stored under the installation's secret key, where one is set."""
    if settings.identity.secret_key is not None:
        encryption.configure(settings.secret_key, *settings.former_secret_keys)


def announce(settings: Settings, process: str) -> None:
    """Keep the process's heartbeat, and publish its figures, in a thread with a loop of its own: Celery and Granian own
    the main one."""

    async def beat() -> None:
        client = connect(settings.redis_url)
        try:
            watching = [heartbeats.keep_children(client)] if process == "work" else []
            await asyncio.gather(heartbeats.keep(client, process), keep_publishing(client, process), *watching)
        finally:
            await client.aclose()

    threading.Thread(target=lambda: asyncio.run(beat()), name="heartbeat", daemon=True).start()


def import_reactions() -> None:
    """Register every `@subscribe`, and every event, those included that no group reacts to."""
    for module in pkgutil.iter_modules(events.__path__):
        importlib.import_module(f"{events.__name__}.{module.name}")
    for feature in FEATURES_WITH_CONSUMERS:
        importlib.import_module(f"event_stream_engine.{feature}.consumers")


def register_tasks() -> None:
    """Register every `@task` and `@every`."""
    for feature in FEATURES_WITH_TASKS:
        importlib.import_module(f"event_stream_engine.{feature}.tasks")


def collect_less_often() -> None:
    """Tell the garbage collector that what is loaded stays, and that a batch of events is no reason to run: they hold
    no cycles. A sixth of a consumer's time went there. Call it once everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def run_until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a process's one coroutine; SIGTERM and SIGINT set the event it is given."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with pulse.from_loop():
            await work(stop)

    collect_less_often()
    uvloop.run(main())
