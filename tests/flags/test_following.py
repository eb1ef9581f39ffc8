"""A change reaches every process: by a nudge within a second, by the poll without Redis; an outage leaves the last
good flags in force, and they say so."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.following import CHANNEL, Follower, nudge
from event_stream_engine.flags.last_good import FILE, LastGood
from event_stream_engine.flags.model import Change
from tests.flags.test_storing import change, new

BY_HAND = """
UPDATE feature_flags SET definition = jsonb_set(definition, '{value}', '"realtime"')
WHERE name = 'MONITORING_ADAPTER_TYPE'
"""
NOBODY = "postgresql://ese@127.0.0.1:1/ese"

WATCH = """
import asyncio, sys, time
from event_stream_engine.entrypoints.flags.keeping import follow_flags
from event_stream_engine.flags.api import get_flag_manager
from event_stream_engine.settings import load_settings

follow_flags(load_settings(), "test")

async def watch():
    seen = None
    while True:
        answer = get_flag_manager().evaluate("a")
        if (answer.version, answer.value) != seen:
            seen = (answer.version, answer.value)
            print(*seen, time.time(), flush=True)
        await asyncio.sleep(0.002)

asyncio.run(watch())
"""


@asynccontextmanager
async def following(
    database: Database, redis_url: str, home: Path | None = None, *, poll_seconds: float = 60
) -> AsyncIterator[tuple[Flags, Follower]]:
    flags, client = Flags(), connect(redis_url)
    follower = Follower(flags, database, client, LastGood(home), poll_seconds=poll_seconds)
    await follower.start()
    task = asyncio.create_task(follower.run())
    try:
        yield flags, follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await client.aclose()


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_kill_reaches_two_other_processes_within_a_second(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await change(database, new("a", value=True))
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ESE_HOME": str(tmp_path)}
    others = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WATCH, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    try:
        async with connect(redis_url) as redis:
            for other in others:
                while (await _line(other))[0] != "1":
                    pass
            while (await redis.pubsub_numsub(CHANNEL))[0][1] < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await change(database, Change("a", {"killed": True}, "kill"))
            killed_at = time.time()
            await nudge(redis)
        seen = [await _line(other) for other in others]
    finally:
        for other in others:
            other.kill()
            await other.wait()
    assert [(version, value) for version, value, _ in seen] == [("2", "False")] * 2
    assert max(float(at) for _, _, at in seen) - killed_at <= 1.0


async def _line(process: "asyncio.subprocess.Process") -> list[str]:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()


async def test_without_redis_the_poll_brings_the_change(database: Database) -> None:
    async with following(database, "redis://127.0.0.1:1/0", poll_seconds=0.05) as (flags, _):
        await change(database, new("a", value=True))
        await until(lambda: flags.boolean("a"))


async def test_a_nudge_brings_the_change_before_the_poll(database: Database, redis_url: str) -> None:
    async with following(database, redis_url) as (flags, follower), connect(redis_url) as redis:
        await asyncio.wait_for(follower.listening.wait(), 10)
        await change(database, new("a", value=True))
        await nudge(redis)
        await until(lambda: flags.boolean("a"))


async def test_a_nudge_that_cannot_be_sent_is_no_error() -> None:
    async with connect("redis://127.0.0.1:1/0") as redis:
        await nudge(redis)


async def test_started_without_a_database_the_last_good_flags_come_from_the_file_and_are_stale(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    await change(database, new("a", value=True))
    async with following(database, redis_url, tmp_path) as (flags, _):
        assert (flags.evaluate("a").reason, flags.status().source) == ("STATIC", "database")
    confirmed = time.time() - 90
    os.utime(tmp_path / FILE, (confirmed, confirmed))
    down = Database(NOBODY, pool_size=1)
    async with following(down, redis_url, tmp_path) as (flags, _):
        answer, status = flags.evaluate("a"), flags.status()
    await down.close()
    assert (answer.value, answer.reason, answer.detail) == (True, "STALE", "STATIC")
    assert (status.source, status.is_stale, status.health) == ("file", True, "degraded")
    assert status.age_seconds is not None
    assert 90 <= status.age_seconds < 120
    assert oct((tmp_path / FILE).stat().st_mode)[-3:] == "600"


async def test_an_outage_leaves_the_flags_in_force_marked_stale_and_ends_by_itself(
    database: Database, redis_url: str
) -> None:
    await change(database, new("a", value=True))
    async with following(database, redis_url, poll_seconds=0.05) as (flags, _):
        async with database.transaction() as tx:
            await tx.execute(text("ALTER TABLE feature_flags RENAME TO moved"))
        await until(lambda: flags.status().is_stale)
        assert (flags.evaluate("a").value, flags.evaluate("a").reason) == (True, "STALE")
        async with database.transaction() as tx:
            await tx.execute(text("ALTER TABLE moved RENAME TO feature_flags"))
        await until(lambda: not flags.status().is_stale)
        assert flags.evaluate("a").reason == "STATIC"


@pytest.mark.parametrize("content", [None, "", "{", '{"revision": 1}', json.dumps({"revision": 1, "flags": {"a": 1}})])
async def test_without_database_and_file_the_declared_flags_are_in_force(
    redis_url: str, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    down = Database(NOBODY, pool_size=1)
    async with AsyncExitStack() as stack:
        flags, _ = await stack.enter_async_context(following(down, redis_url, tmp_path))
        assert flags.integer("MONITORING_BATCH_SIZE", 0) == 100
        assert (flags.status().source, flags.status().is_stale) == ("declared", True)
    await down.close()


async def test_a_home_that_cannot_be_written_is_no_outage(database: Database, redis_url: str, tmp_path: Path) -> None:
    async with following(database, redis_url, tmp_path / "missing") as (flags, _):
        assert flags.status().source == "database"


async def test_a_hand_made_contradiction_is_not_put_in_force(database: Database, redis_url: str) -> None:
    adapter = Change("MONITORING_ADAPTER_TYPE", {"value": "dual"})
    await change(database, Change("MONITORING_DUAL_MODE", {"value": True}), adapter)
    async with following(database, redis_url, poll_seconds=0.05) as (flags, _):
        async with database.transaction() as tx:
            await tx.execute(text(BY_HAND))
        await until(lambda: bool(flags.issues()))
        assert flags.string("MONITORING_ADAPTER_TYPE", "") == "dual"
        assert flags.status().health == "degraded"
