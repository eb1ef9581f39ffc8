"""A process that lives is heard; one that stopped is missed within ten seconds, and remembered for an hour."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.entrypoints.health.probes import _children
from event_stream_engine.live import heartbeats
from event_stream_engine.live.heartbeats import NEEDED, heard, keep
from tests.waiting import until


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


CHILD = """
import asyncio, sys
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.live import heartbeats

asyncio.run(heartbeats.keep_child(connect(sys.argv[1])))
"""


async def test_a_stopped_process_of_a_worker_is_named_and_one_that_ended_is_not(
    redis: "Redis", redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process is the worker, and has two that do tasks."""
    monkeypatch.setattr(heartbeats, "SILENT_SECONDS", 4.0)
    living = asyncio.create_task(keep(redis, "work"))
    doing = [subprocess.Popen([sys.executable, "-c", CHILD, redis_url]) for _ in range(2)]
    try:

        async def look(alive: int, silent: int) -> heartbeats.Children:
            found = heartbeats.Children(())

            async def are() -> bool:
                nonlocal found
                await heartbeats.forget_ended_children(redis)
                found = await heartbeats.children(redis, (await heard(redis)).processes)
                return (len(found.processes) - len(found.silent), len(found.silent)) == (alive, silent)

            await until(are, 30)
            return found

        await look(2, 0)
        (reading,) = _children(await look(2, 0))
        assert (reading.key, reading.status, reading.observed) == ("work:children", "pass", 2.0)
        doing[0].send_signal(signal.SIGSTOP)
        (reading,) = _children(await look(1, 1))
        assert reading.status == "warn"
        assert f"process {doing[0].pid} on {socket.gethostname()}" in str(reading.output)
        doing[1].send_signal(signal.SIGSTOP)
        (reading,) = _children(await look(0, 2))
        assert reading.status == "fail"
        doing[0].kill()
        await asyncio.to_thread(doing[0].wait, 10)
        await look(0, 1)
        doing[1].send_signal(signal.SIGCONT)
        await look(1, 0)
        assert all(process.name == str(os.getpid()) for process in (await look(1, 0)).processes)
    finally:
        for process in doing:
            process.kill()
            process.wait(10)
        living.cancel()
