"""Each process's figures into Redis, and everybody's out of it."""

import asyncio
import os
import socket
import threading
from collections.abc import Mapping
from typing import cast

import msgspec
import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.entrypoints.metrics.families import Family, own
from event_stream_engine.flags.api import get_flag_manager
from event_stream_engine.live import heartbeats
from event_stream_engine.settings import Settings

log = structlog.get_logger()

KEY = "ese:metrics"
EVERY_SECONDS = 5.0
SILENT_SECONDS = 20.0
BYTES_MAX = 400_000

FLAGS_AGE = Gauge("ese_flags_age_seconds", "Since the source of this process's flags last agreed")
TOO_LARGE = Counter("ese_metrics_too_large_total", "Times that this process's figures were too many to be shown")
FAILED = Counter("ese_metrics_failed_total", "Times that this process's figures could not be had")


class Published(msgspec.Struct, frozen=True, array_like=True):
    """`at`: seconds of Redis's own clock."""

    at: float
    families: list[Family]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Published)


def name_of(process: str) -> str:
    """`<process> <host>:<process id>`, by which its figures are kept."""
    return f"{process} {socket.gethostname()}:{os.getpid()}"


async def keep_publishing(redis: "Redis", process: str) -> None:
    """Every five seconds, until canceled. While Redis does not answer, or a figure cannot be had, it is tried again."""
    while True:
        try:
            await publish(redis, process)
        except (RedisError, OSError):
            pass  # who is not heard is not shown, and `ese_process_alive` tells
        except (AttributeError, LookupError, RuntimeError):  # asked of something that another thread still changes
            FAILED.inc()
            log.exception("figures not published")
        await asyncio.sleep(EVERY_SECONDS)


async def publish(redis: "Redis", process: str) -> None:
    """Once. Raises `RedisError`."""
    note_flags_age()
    content = _ENCODER.encode(Published(await _now(redis), own()))
    if len(content) > BYTES_MAX:
        TOO_LARGE.inc()
        return
    await redis.hset(KEY, name_of(process), content)


def note_flags_age() -> None:
    age = get_flag_manager().status().age_seconds
    if age is not None:
        FLAGS_AGE.set(age)


async def heard(redis: "Redis", *, but: str) -> list[Family]:
    """What all other processes published lately; those that fell silent are forgotten. Raises `RedisError`."""
    now = await _now(redis)
    found = cast("Mapping[str, str]", await redis.hgetall(KEY))
    shown: list[Family] = []
    gone: list[str] = []
    for name, content in found.items():
        published = _DECODER.decode(content)
        if now - published.at > SILENT_SECONDS:
            gone.append(name)
        elif name != but:
            process, _, pid = name.partition(" ")
            shown += [family.of(process, pid) for family in published.families]
    if gone:
        await redis.hdel(KEY, *gone)
    return shown


async def _now(redis: "Redis") -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000


def publish_beside(settings: Settings, process: str) -> None:
    """Publish, and say that this process of a worker is alive, from a thread with a loop of its own, where the main one
    is not ours."""

    async def work() -> None:
        client = connect(settings.redis_url)
        try:
            await asyncio.gather(keep_publishing(client, process), heartbeats.keep_child(client))
        finally:
            await client.aclose()

    threading.Thread(target=lambda: asyncio.run(work()), name="metrics", daemon=True).start()
