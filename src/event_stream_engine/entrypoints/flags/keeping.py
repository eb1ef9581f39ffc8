"""A process's flags: made, installed and kept up to date, on its own loop or in a thread beside it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import Database
from event_stream_engine.flags.api import Facts, Flags, install
from event_stream_engine.flags.following import Follower
from event_stream_engine.flags.last_good import LastGood
from event_stream_engine.settings import Settings


@asynccontextmanager
async def kept(settings: Settings, database: Database, redis: "Redis") -> AsyncIterator[tuple[Flags, Follower]]:
    """The process's flags, loaded once and followed for the length of the block."""
    flags = install(Flags(facts_of(settings)))
    follower = Follower(flags, database, redis, LastGood(settings.home))
    await follower.start()
    following = asyncio.create_task(follower.run())
    try:
        yield flags, follower
    finally:
        await end(following)


def facts_of(settings: Settings) -> Facts:
    return Facts(has_database=settings.database.url is not None)


def follow_flags(settings: Settings, process: str) -> None:
    """Keep the process's flags in a thread with a loop and one connection of its own: the main loop may be busy, or
    not ours."""

    async def follow() -> None:
        database = Database(settings.database_url, pool_size=1, application=f"ese-{process}-flags")
        client = connect(settings.redis_url)
        try:
            async with kept(settings, database, client):
                await asyncio.Event().wait()
        finally:
            await client.aclose()
            await database.close()

    threading.Thread(target=lambda: asyncio.run(follow()), name="flags", daemon=True).start()
