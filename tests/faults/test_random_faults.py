"""Random faults under load, from a seed: whatever was killed, flushed, trimmed, paused or refused meanwhile, afterwards
every committed event is in its stream once and in order, and took effect once, in the order of its key.

`make faults` runs many seeds; `ESE_TEST_FAULT_SEEDS` and `ESE_TEST_FAULT_SECONDS` choose. A failure names its seed."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.backbone.verify import Proof, verify
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from tests.backbone.conftest import SETTINGS, STREAM, ProofFact, facts, redis, streams

__all__ = ["facts", "redis", "streams"]  # fixtures

GROUP = "proof.faults"
KEYS = 12
SEEDS = [int(seed) for seed in os.environ.get("ESE_TEST_FAULT_SEEDS", "1 3").split()]
SECONDS = float(os.environ.get("ESE_TEST_FAULT_SECONDS", "8"))
CALM_SECONDS = 60
FAST = SETTINGS.model_copy(update={"consume_lease_seconds": 1, "consume_batch": 20})


@dataclass
class Scene:
    """A relay, consumers and writers at work, and hands that hurt them."""

    database: Database
    redis_url: str
    redis: "Redis"
    chance: random.Random
    applied: list[tuple[str, int]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    clients: list["Redis"] = field(default_factory=list)
    starts: int = 0

    def start(self, name: str) -> None:
        """A process is a task with connections of its own; killing it is cancelling it: no goodbye."""
        client = connect(self.redis_url, timeout_seconds=3)
        self.clients.append(client)
        self.starts += 1
        holder = f"host:{name}:{self.starts}"
        if name.startswith("relay"):
            work = Relay(self.database, RedisStreams(client), FAST, holder=holder).run()
        else:
            group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", self.apply)})
            work = Consumer(group, self.database, RedisStreams(client), FAST, name=holder).run()
        self.tasks[name] = asyncio.create_task(work)

    async def apply(self, tx: Transaction, event: Any) -> None:
        if self.chance.random() < 0.01:
            raise ValueError("a failure that passes")
        query = "INSERT INTO proof_effects (entity, version) VALUES (:entity, :version)"
        await tx.execute(text(query), {"entity": event.entity, "version": event.version})

    async def kill(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.wait({self.tasks[name]})
        self.start(name)

    async def write(self, key: int) -> None:
        """One writer a key: each version in a transaction, some rolled back, some slow, some interrupted."""
        version = 1
        while "stop" not in self.done:
            try:
                async with self.database.transaction() as tx:
                    await outbox.record(tx, ProofFact(entity=f"k{key}", version=version))
                    if self.chance.random() < 0.1:
                        await tx.execute(text("SELECT pg_sleep(0.05)"))
                    if self.chance.random() < 0.1:
                        raise Undone
            except (Undone, *DATABASE_ERRORS):
                version = await self.committed(key) + 1
                continue
            version += 1
            await asyncio.sleep(0.01)

    async def committed(self, key: int) -> int:
        """After an interruption nobody knows whether the commit arrived: the outbox does."""
        query = "SELECT coalesce(max((data ->> 'version')::int), 0) FROM outbox WHERE key = :key"
        while True:
            try:
                async with self.database.transaction() as tx:
                    return int((await tx.execute(text(query), {"key": f"k{key}"})).scalar_one())
            except DATABASE_ERRORS:
                await asyncio.sleep(0.05)


class Undone(Exception):
    pass


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


async def execute(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement))


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 2 * CALM_SECONDS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_doubled_or_inverted_under_random_faults(
    database: Database, redis_url: str, redis: "Redis", seed: int
) -> None:
    chance = random.Random(seed)  # a schedule that can be repeated
    await execute(database, _EFFECTS)
    scene = Scene(database, redis_url, redis, chance)
    for name in ("relay 1", "relay 2", "consumer 1", "consumer 2"):
        scene.start(name)
    writers = [asyncio.create_task(scene.write(key)) for key in range(KEYS)]
    ends = asyncio.get_running_loop().time() + SECONDS
    while asyncio.get_running_loop().time() < ends:
        fault = chance.choice(FAULTS)
        scene.done.append(fault.__name__)
        try:
            await fault(scene)
        except (RedisError, *DATABASE_ERRORS):
            scene.done.append("(refused)")
        await asyncio.sleep(chance.uniform(0.05, 0.8))
    scene.done.append("stop")
    await asyncio.gather(*writers)
    try:
        await assert_oracles(scene)
    except Exception as error:
        error.add_note(f"seed {seed}: {' '.join(scene.done)}")
        raise
    finally:
        for task in scene.tasks.values():
            task.cancel()
        await asyncio.wait(scene.tasks.values())
        for client in scene.clients:
            await client.aclose()


_EFFECTS = """
CREATE TABLE proof_effects (id bigint GENERATED ALWAYS AS IDENTITY, entity text NOT NULL, version int NOT NULL)
"""


async def assert_oracles(scene: Scene) -> None:
    """After the storm: O1-O5 by the proof, O3 and O6 by the ledger of effects."""
    proof = await calm(scene)
    assert proof.holds, [one for one in (*proof.streams, *proof.groups) if not one.holds]
    async with scene.database.transaction() as tx:
        committed = (await tx.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        rows = (await tx.execute(text("SELECT entity, version FROM proof_effects ORDER BY id"))).all()
        dead = (await tx.execute(text("SELECT count(*) FROM dead_letters"))).scalar_one()
    assert (len(rows), dead) == (committed, 0), "each committed event took effect once"
    versions: dict[str, int] = {}
    for entity, version in rows:
        assert version == versions.get(entity, 0) + 1, f"{entity}: {version} came after {versions.get(entity, 0)}"
        versions[entity] = version
    assert committed > KEYS * SECONDS, "the writers were not held up"


async def calm(scene: Scene) -> Proof:
    """Until nothing waits any more and the proof holds, or time is up."""
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", scene.apply)})
    ends = asyncio.get_running_loop().time() + CALM_SECONDS
    while True:
        await execute(scene.database, _DUE_NOW)
        proof = await verify(scene.database, RedisStreams(scene.redis), [group])
        settled = all(not one.waiting for one in proof.streams) and all(
            not one.waiting and not one.parked for one in proof.groups
        )
        if (proof.holds and settled) or asyncio.get_running_loop().time() > ends:
            assert settled, f"not settled: {proof}"
            return proof
        await asyncio.sleep(0.2)


_DUE_NOW = "UPDATE parked_events SET next_attempt_at = now() WHERE next_attempt_at < 'infinity'"
