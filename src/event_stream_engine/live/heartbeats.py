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

import psutil
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
_CHILDREN_KEY = "ese:heartbeats:work"

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


@dataclass(frozen=True)
class Children:
    """The processes in which living workers do tasks, as each was heard last. A worker that lives takes out those that
    ended, so one that is silent is stopped, or hangs."""

    processes: tuple[Process, ...]

    @property
    def silent(self) -> tuple[Process, ...]:
        return tuple(process for process in self.processes if not process.is_alive)


async def keep_child(redis: "Redis") -> None:
    """Say that this process of a worker is alive, until canceled. While Redis does not answer it is tried again."""
    member = f"{os.getppid()} {socket.gethostname()} {os.getpid()} {clock.now().timestamp()}"
    while True:
        with suppress(RedisError, OSError):
            await cast("Awaitable[None]", redis.eval(_BEAT, 1, _CHILDREN_KEY, member, FORGOTTEN_SECONDS))
        await asyncio.sleep(EVERY_SECONDS)


async def keep_children(redis: "Redis") -> None:
    """Take out the processes of this worker that ended, until canceled. While Redis does not answer it is tried
    again."""
    while True:
        with suppress(RedisError, OSError):
            await forget_ended_children(redis)
        await asyncio.sleep(EVERY_SECONDS)


async def forget_ended_children(redis: "Redis") -> None:
    """Once. Raises `RedisError`."""
    own, host = str(os.getpid()), socket.gethostname()
    for member in cast("Iterable[bytes | str]", await redis.zrange(_CHILDREN_KEY, 0, -1)):
        parent, where, pid, _ = _fields(member)
        if (parent, where) == (own, host) and not _is_child(int(pid)):
            await redis.zrem(_CHILDREN_KEY, member)


async def children(redis: "Redis", workers: Iterable[Process]) -> Children:
    """Those whose worker is one of these that are alive. Raises `RedisError`."""
    alive = {(str(worker.pid), worker.host) for worker in workers if worker.is_alive and worker.name == "work"}
    now = await _now(redis)
    found = cast("Iterable[tuple[Any, float]]", await redis.zrevrange(_CHILDREN_KEY, 0, 999, withscores=True))
    wanted = [(member, seen) for member, seen in found if _fields(member)[:2] in alive]
    return Children(tuple(_processes(wanted, now)))


def _is_child(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.ppid() == os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


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
        name, host, pid, started = _fields(member)
        started_at, seen_at = (datetime.fromtimestamp(float(at), UTC) for at in (started, seen))
        yield Process(name, host, int(pid), started_at, seen_at, is_alive=now - seen < SILENT_SECONDS)


def _fields(member: Any) -> tuple[str, str, str, str]:
    name, host, pid, started = (member.decode() if isinstance(member, bytes) else str(member)).split(" ")
    return name, host, pid, started


async def _now(redis: "Redis") -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000
