"""Random faults under load, from a seed: whatever was killed, flushed, trimmed, paused or refused meanwhile, afterwards
every committed event is in its stream once and in order, and took effect once, in the order of its key.

`make faults` runs many seeds; `ESE_TEST_FAULT_SEEDS` and `ESE_TEST_FAULT_SECONDS` choose. A failure names its seed."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.database import DATABASE_ERRORS, Database
from tests.backbone.conftest import STREAM, facts, redis
from tests.faults.scene import CALM_SECONDS, GROUP, KEYS, Scene, at_work, execute

__all__ = ["facts", "redis"]  # fixtures

SEEDS = [int(seed) for seed in os.environ.get("ESE_TEST_FAULT_SEEDS", "1 3").split()]
SECONDS = float(os.environ.get("ESE_TEST_FAULT_SECONDS", "8"))


async def flush(scene: Scene) -> None:
    await scene.redis.flushdb()


async def delete(scene: Scene) -> None:
    await scene.redis.delete(STREAM)


async def lose_tail(scene: Scene) -> None:
    """A stale replica is promoted: the last entries, and what the group had acknowledged of them, are gone."""
    entries = await scene.redis.xrange(STREAM)
    keep = entries[: max(1, len(entries) - scene.chance.randint(1, 40))]
    async with scene.redis.pipeline(transaction=True) as pipe:
        pipe.delete(STREAM)
        for entry_id, fields in keep:
            pipe.xadd(STREAM, fields, id=entry_id)
        await pipe.execute()


async def trim(scene: Scene) -> None:
    await scene.redis.xtrim(STREAM, maxlen=scene.chance.choice([0, 1, 5]), approximate=False)


async def stray(scene: Scene) -> None:
    await scene.redis.xadd(STREAM, {"stray": "1"})


async def destroy_group(scene: Scene) -> None:
    await scene.redis.xgroup_destroy(STREAM, GROUP)


async def wrong_type(scene: Scene) -> None:
    await scene.redis.set(STREAM, "a string")
    await asyncio.sleep(0.3)
    await scene.redis.delete(STREAM)


async def cut_redis(scene: Scene) -> None:
    await scene.redis.client_kill_filter(_type="normal", skipme=True)


async def pause_redis(scene: Scene) -> None:
    await scene.redis.client_pause(500, all=True)


async def fill_memory(scene: Scene) -> None:
    await scene.redis.config_set("maxmemory", "1mb")
    await asyncio.sleep(0.3)
    await scene.redis.config_set("maxmemory", "0")


async def cut_postgresql(scene: Scene) -> None:
    async with scene.database.driver() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


async def kill_relay(scene: Scene) -> None:
    await scene.kill(scene.chance.choice(["relay 1", "relay 2"]))


async def kill_consumer(scene: Scene) -> None:
    await scene.kill(scene.chance.choice(["consumer 1", "consumer 2"]))


async def steal_relay_lease(scene: Scene) -> None:
    await execute(scene.database, "UPDATE relay_lease SET expires_at = clock_timestamp()")


async def steal_group_lease(scene: Scene) -> None:
    await execute(scene.database, "UPDATE consumer_groups SET expires_at = clock_timestamp()")


FAULTS: tuple[Callable[[Scene], Awaitable[None]], ...] = (
    flush, delete, lose_tail, trim, stray, destroy_group, wrong_type, cut_redis, pause_redis, fill_memory,
    cut_postgresql, kill_relay, kill_relay, kill_consumer, kill_consumer, steal_relay_lease, steal_group_lease,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(6 * SECONDS + 2 * CALM_SECONDS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_doubled_or_inverted_under_random_faults(
    database: Database, redis_url: str, redis: "Redis", seed: int
) -> None:
    chance = random.Random(seed)  # a schedule that can be repeated
    scene = Scene(database, redis_url, redis, chance, expected=int(KEYS * SECONDS))
    try:
        async with at_work(scene):
            await break_at_random(scene)
    except Exception as error:
        error.add_note(f"seed {seed}: {' '.join(scene.done)}")
        raise


async def break_at_random(scene: Scene) -> None:
    ends = asyncio.get_running_loop().time() + SECONDS
    while asyncio.get_running_loop().time() < ends:
        fault = scene.chance.choice(FAULTS)
        scene.done.append(fault.__name__)
        try:
            await fault(scene)
        except (RedisError, *DATABASE_ERRORS):
            scene.done.append("(refused)")
        await asyncio.sleep(scene.chance.uniform(0.05, 0.8))
