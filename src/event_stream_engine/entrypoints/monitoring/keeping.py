"""A process's broadcaster: made, installed, kept going, and closed without losing what waits."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.backbone.streams.redis_watched import watched as watched_redis
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.monitoring.counters import tell_counts
from event_stream_engine.flags.api import Flags
from event_stream_engine.live import Hub, redis_channel
from event_stream_engine.live.channel import Channel, new_epoch
from event_stream_engine.live.circuits import keep_telling
from event_stream_engine.monitoring import table_channel
from event_stream_engine.monitoring.adapters import Adapter, RealtimeAdapter, RedisAdapter
from event_stream_engine.monitoring.api import Broadcaster, install
from event_stream_engine.monitoring.circuits import Obedience
from event_stream_engine.monitoring.persisting import Persister
from event_stream_engine.monitoring.spool import Spool
from event_stream_engine.resilience import Circuits
from event_stream_engine.settings import Settings

log = structlog.get_logger()

DRAIN_SECONDS = 2.0
FLUSH_SECONDS = 3.0
"""Together, and with the spooling of the rest, within the patience that the supervisor has with a process."""
LOOK_SECONDS = 1.0
SPOOL = "monitoring-spool"

Follow = Callable[[Channel, asyncio.Event], Awaitable[None]]


@asynccontextmanager
async def kept(
    settings: Settings,
    database: Database,
    flags: Flags,
    process: str,
    hub: Hub | None = None,
    watched: Mapping[str, Counter] | None = None,
    circuits: Circuits | None = None,
) -> AsyncIterator[Broadcaster]:
    """The process's broadcaster for the length of the block. With a `hub` its clients follow whichever channel the
    flags name; without one the process only publishes. `watched`: counters that are told when they rise, by the type
    of the event. `circuits`: the process's breakers; how they are is told to everybody, and orders are obeyed."""
    circuits = circuits or Circuits()
    redis = watched_redis(circuits, settings.redis_url)
    instance = f"{process}-{os.getpid()}"
    broadcaster = install(_made(settings, database, redis, flags, instance, hub, circuits))
    persister, adapter = broadcaster.persister, broadcaster.redis_adapter
    assert persister is not None, "made with one"
    assert adapter is not None, "made with one"
    await persister.open()
    publishing, persisting = asyncio.create_task(adapter.run()), asyncio.create_task(persister.run())
    beside = [
        asyncio.create_task(tell_counts(broadcaster, watched or {})),
        asyncio.create_task(keep_telling(redis, process, circuits)),
        asyncio.create_task(Obedience(circuits, database, redis, process).run()),
    ]
    if hub is not None:
        beside.append(asyncio.create_task(_follow(settings, database, broadcaster)))
    broadcaster.tell("process_started", {"process": process, "pid": os.getpid()})
    try:
        yield broadcaster
    finally:
        broadcaster.tell("process_stopped", {"process": process, "pid": os.getpid()})
        for task in beside:
            await end(task)
        await adapter.drain(DRAIN_SECONDS)
        await end(publishing)
        await persister.close(FLUSH_SECONDS)
        await persisting
        await redis.aclose()


def _made(
    settings: Settings,
    database: Database,
    redis: "Redis",
    flags: Flags,
    instance: str,
    hub: Hub | None,
    circuits: Circuits,
) -> Broadcaster:
    spool = Spool(settings.home / SPOOL, f"{instance}-{new_epoch()}")
    persister = Persister(database, flags, instance, spool=spool)
    sender = f"{instance}-{new_epoch()}"
    adapter = RedisAdapter(lambda number, messages: redis_channel.append(redis, sender, number, messages))
    adapters: list[Adapter] = [adapter, RealtimeAdapter(persister)]
    return Broadcaster(
        flags, hub or Hub(None), adapters=adapters, persister=persister, source=instance, circuits=circuits
    )


async def _follow(settings: Settings, database: Database, broadcaster: Broadcaster) -> None:
    """Keep the clients' channel as the one that is published to; when the flags change it, it begins anew."""
    redis = connect(settings.redis_url)
    ways: dict[str, Follow] = {
        "websocket": lambda channel, stop: redis_channel.follow(redis, channel, stop),
        "realtime": lambda channel, stop: table_channel.follow(database, channel, stop),
        "direct": lambda _, stop: _wait(stop),
    }
    channel = broadcaster.hub.channel
    try:
        while True:
            chosen, stop = broadcaster.followed, asyncio.Event()
            following = asyncio.create_task(_of(ways[chosen], channel, stop))
            try:
                while broadcaster.followed == chosen:  # noqa: ASYNC110  # flags tell nobody
                    await asyncio.sleep(LOOK_SECONDS)
            finally:
                stop.set()
                await end(following)
            log.info("monitoring channel switched", before=chosen, after=broadcaster.followed)
            channel.restart(new_epoch())
    finally:
        await redis.aclose()


async def _of(way: Follow, channel: Channel, stop: asyncio.Event) -> None:
    await way(channel, stop)


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
