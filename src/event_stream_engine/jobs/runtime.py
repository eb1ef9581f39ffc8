"""The bridge from Celery's threads and processes to the one async core.

Each worker process runs one event loop in a thread of its own, made on first use (that is, after the fork), with
one database pool and one Redis client for all its tasks.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis_watched import watched
from event_stream_engine.database import Database
from event_stream_engine.resilience import CIRCUITS, Circuits
from event_stream_engine.settings import Settings, load_settings

T = TypeVar("T")


@dataclass
class Runtime:
    """What a task may use. `shared` keeps a feature's own long-lived clients, by name."""

    settings: Settings
    database: Database
    redis: "Redis"
    shared: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, settings: Settings) -> "Runtime":
        circuits = Circuits()
        size = settings.database.pool_size
        database = Database.watched(circuits, settings.database_url, pool_size=size, application="ese-work")
        return cls(settings, database, watched(circuits, settings.redis_url), {CIRCUITS: circuits})


class _Process:
    """This process's loop and runtime."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self.thread = threading.Thread(target=self._serve, name="tasks", daemon=True)
        self.thread.start()
        self.runtime = asyncio.run_coroutine_threadsafe(self._create(), self.loop).result()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _create(self) -> Runtime:
        return Runtime.create(load_settings())


_process: _Process | None = None
_lock = threading.Lock()


def run(work: Callable[[Runtime], Awaitable[T]]) -> T:
    """Run a coroutine on this process's loop and wait for it."""
    global _process
    with _lock:
        if _process is None:
            _process = _Process()
    process = _process

    async def call() -> T:
        return await work(process.runtime)

    return asyncio.run_coroutine_threadsafe(call(), process.loop).result()
