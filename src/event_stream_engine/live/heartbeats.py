"""Who is alive: every process of the platform says so in Redis, and falls silent when it dies or is stopped.

One sorted set holds (process, host, pid, start) scored by Redis's own clock, so that machines whose clocks differ
agree. A process that was not heard for `SILENT_SECONDS` is not alive; one that was not heard for an hour is forgotten.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine import clock

EVERY_SECONDS = 3.0
SILENT_SECONDS = 10.0
FORGOTTEN_SECONDS = 3600.0
_KEY = "ese:heartbeats"
_BEAT = """
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, time[1] - ARGV[2])
"""

NEEDED = ("work", "relay", "consume")
"""The processes without which campaigns stand still, by their `ese` commands."""


@dataclass(frozen=True)
class Process:
    """A process as it was heard last."""

    name: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool


@dataclass(frozen=True)
class Heard:
    """Everybody who was heard within the hour, the last heard first."""

    processes: tuple[Process, ...]

    def missing(self) -> list[str]:
        """The needed processes of which none is alive."""
        alive = {process.name for process in self.processes if process.is_alive}
        return [name for name in NEEDED if name not in alive]

    def last_seen(self, name: str) -> datetime | None:
        return next((process.seen_at for process in self.processes if process.name == name), None)


async def keep(redis: "Redis", name: str) -> None:
    """Say that this process is alive, until canceled. While Redis does not answer it is tried again."""
    member = f"{name} {socket.gethostname()} {os.getpid()} {clock.now().timestamp()}"
    while True:
        with suppress(RedisError, OSError):  # silence is the message
            await cast("Awaitable[None]", redis.eval(_BEAT, 1, _KEY, member, FORGOTTEN_SECONDS))
        await asyncio.sleep(EVERY_SECONDS)


async def heard(redis: "Redis") -> Heard:
    """Raises `RedisError`."""
    now = await _now(redis)
    found = await redis.zrevrange(_KEY, 0, 199, withscores=True)
    return Heard(tuple(_processes(cast("Iterable[tuple[Any, float]]", found), now)))


def _processes(found: Iterable[tuple[Any, float]], now: float) -> Iterable[Process]:
    for member, seen in found:
        name, host, pid, started = (member.decode() if isinstance(member, bytes) else str(member)).split(" ")
        started_at, seen_at = (datetime.fromtimestamp(float(at), UTC) for at in (started, seen))
        yield Process(name, host, int(pid), started_at, seen_at, is_alive=now - seen < SILENT_SECONDS)


async def _now(redis: "Redis") -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000
