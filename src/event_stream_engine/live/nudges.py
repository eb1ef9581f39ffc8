"""A nudge over Redis: "look again". Best effort, so whoever listens looks by itself now and then, too."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

_RECONNECT_SECONDS = 1.0


async def nudge(redis: "Redis", channel: str) -> None:
    """Tell everybody who listens there."""
    with suppress(RedisError, OSError, TimeoutError):
        await redis.publish(channel, "changed")


async def listen(redis: "Redis", channel: str, wanted: asyncio.Event, listening: asyncio.Event) -> None:
    """Set `wanted` at each nudge, until canceled. `listening` is set while nudges arrive."""
    while True:
        with suppress(RedisError, OSError, TimeoutError):
            await _hear(redis, channel, wanted, listening)
        listening.clear()
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _hear(redis: "Redis", channel: str, wanted: asyncio.Event, listening: asyncio.Event) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(channel)
        while True:
            message = await heard.get_message(timeout=5.0)
            if message is not None:
                listening.set()
                wanted.set()  # also at the subscription itself: something may have been said before it
