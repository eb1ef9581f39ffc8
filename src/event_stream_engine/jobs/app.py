"""The Celery application, the decorator that makes a coroutine a task, and the schedule."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.signals import before_task_publish

from event_stream_engine import clock
from event_stream_engine.jobs.runtime import run
from event_stream_engine.settings import Settings

CELERY = Celery("ese")

QUEUES = ("sending", "imports", "default")
KEY_PREFIX = "ese:celery:"
BLOCK_SECONDS = 5
"""So long a worker waits in Redis for a task before it asks again; a task that arrives ends the wait."""
PUBLISHED_AT = "ese_published_at"
"""A header of every task: seconds since 1970, so that its age can be told while it waits."""

Coroutine = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Schedule:
    """A task that is started every so many seconds; with `when`, an SQL condition, only while it is true."""

    name: str
    seconds: float
    when: str | None = None


SCHEDULES: list[Schedule] = []
ROUTES: dict[str, dict[str, str]] = {}


def configure(settings: Settings) -> Celery:
    """Point the application at its broker. Call once in each process that starts or runs tasks."""
    if CELERY.conf.broker_url != settings.redis_url:
        _forget_broker()
    CELERY.conf.update(
        broker_url=settings.redis_url,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=5,
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 10,
            "global_keyprefix": KEY_PREFIX,
            "polling_interval": BLOCK_SECONDS,
        },
        accept_content=["json"],
        task_ignore_result=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a task ends by itself and is idempotent
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_default_queue="default",
        task_routes=ROUTES,
        worker_prefetch_multiplier=1,
        worker_autoscaler="event_stream_engine.jobs.scaling:Scaling",
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        task_send_sent_event=True,
        enable_utc=True,
    )
    return CELERY


def _forget_broker() -> None:
    """Celery keeps the connections to the first broker it published to, even after `broker_url` changes."""
    CELERY.amqp._producer_pool = None  # type: ignore[attr-defined]  # no public call resets it


def queue_key(queue: str) -> str:
    """The list in Redis that holds a queue; the oldest task is its last element."""
    return KEY_PREFIX + queue


@before_task_publish.connect(weak=False)
def _note_time(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers[PUBLISHED_AT] = clock.now().timestamp()


def task(name: str, *, queue: str = "default") -> Callable[[Coroutine], Any]:
    """Make `async def f(runtime, *ids)` a Celery task called `name`."""
    if queue not in QUEUES:
        raise ValueError(f"no worker listens to {queue}; use one of {', '.join(QUEUES)}")

    def register(function: Coroutine) -> Any:
        def run_function(*args: Any) -> None:
            run(lambda runtime: function(runtime, *args))

        run_function.__name__, run_function.__doc__ = function.__name__, function.__doc__
        run_function.__module__ = function.__module__
        ROUTES[name] = {"queue": queue}
        return CELERY.task(name=name)(run_function)

    return register


def every(seconds: float, *, when: str | None = None) -> Callable[[Any], Any]:
    """Let a worker start this task every `seconds`; stands above `@task`.

    `when`: an SQL condition that tells whether there is anything to do. It is asked instead of starting a task that
    would find nothing, together with all others, so it must be answered by an index.
    """

    def schedule(scheduled: Any) -> Any:
        SCHEDULES.append(Schedule(scheduled.name, seconds, when))
        return scheduled

    return schedule


async def start(started: Any, *args: str, delay: float = 0, expires: float | None = None) -> None:
    """Hand a task to the workers; `delay` and `expires` in seconds."""
    await asyncio.to_thread(started.apply_async, args, countdown=delay or None, expires=expires)
