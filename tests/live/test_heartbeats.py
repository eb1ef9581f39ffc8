"""A process that lives is heard; one that stopped is missed within ten seconds, and remembered for an hour."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.live import heartbeats
from event_stream_engine.live.heartbeats import NEEDED, heard, keep


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def say(redis: "Redis", name: str, *, seconds_ago: float = 0.0) -> None:
    """As `keep` does, at a time of choice."""
    seconds, _ = await redis.time()
    await redis.zadd(heartbeats._KEY, {f"{name} host 1 1700000000.0": float(seconds) - seconds_ago})


async def test_a_process_that_says_nothing_is_missing(redis: "Redis") -> None:
    assert (await heard(redis)).missing() == list(NEEDED)
    for name in NEEDED:
        await say(redis, name)
    assert (await heard(redis)).missing() == []
    await say(redis, "work", seconds_ago=heartbeats.SILENT_SECONDS + 1)
    found = await heard(redis)
    assert found.missing() == ["work"]
    assert found.last_seen("work") is not None


async def test_one_of_two_workers_is_enough(redis: "Redis") -> None:
    for name in NEEDED:
        await say(redis, name)
    seconds, _ = await redis.time()
    await redis.zadd(heartbeats._KEY, {"work other 2 1700000000.0": float(seconds) - 60})
    assert (await heard(redis)).missing() == []


async def test_a_living_process_is_heard_and_the_long_gone_are_forgotten(redis: "Redis") -> None:
    await say(redis, "relay", seconds_ago=heartbeats.FORGOTTEN_SECONDS + 60)
    living = asyncio.create_task(keep(redis, "work"))
    async with asyncio.timeout(20):
        while [process.name for process in (await heard(redis)).processes] != ["work"]:
            pass  # each look waits for Redis, and lets the other task speak
    living.cancel()
    await asyncio.wait({living})
    (process,) = (await heard(redis)).processes
    assert process.is_alive
