"""Redis that dies, comes back older than they were, refuse, or cannot be reached: afterwards every committed event is
in its stream once and in order, and took effect once.

Each test has durable servers of its own, because it kills them."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database, Transaction
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.embedded.valkey import Valkey
from tests.backbone.conftest import SETTINGS, STREAM, ProofFact, facts
from tests.faults.proxy import Fault, proxied
from tests.faults.scene import EFFECTS, durable, execute, flowing, in_step, kill, platform, reasons
from tests.waiting import until

__all__ = ["durable", "facts"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WHILE_SECONDS = 1.5
ALL = os.environ.get("ESE_TEST_FAULTS") == "all"
"""Every variant of each fault: `make faults` asks for them, `make test` for the tellingest, to end in time."""


LOST = {"the last 2,000 bytes lost": 2000, **({"nothing lost": 0, "a torn end": 1} if ALL else {})}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
async def test_redis_killed_under_load_and_its_log_cut_short(durable: Servers, lost: int) -> None:
    async with platform(durable) as scene:
        kill(durable.valkey.process)
        if lost:
            cut_short(durable.valkey, lost)
        await asyncio.sleep(WHILE_SECONDS)
        await durable.valkey.start()
        await flowing(scene, 50)


def cut_short(valkey: Valkey, size: int) -> None:
    log = max((valkey.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    os.truncate(log, max(0, log.stat().st_size - size))


async def a_replica(first: Servers, second: Servers) -> "Redis":
    """The second Redis follows the first, and takes its password."""
    replica = connect(second.redis_url)
    await replica.config_set("masterauth", first.valkey.password)
    await replica.config_set("requirepass", first.valkey.password)
    await replica.execute_command("REPLICAOF", "127.0.0.1", str(first.valkey.port))
    return replica


async def test_a_stale_replica_is_promoted(durable: Servers) -> None:
    """It no longer hears its primary, which goes on and dies; then the replica is all there is."""
    async with throwaway_servers() as second, proxied(durable.redis_url) as proxy:
        replica = await a_replica(durable, second)
        async with platform(durable, proxy.address(durable.redis_url)) as scene:
            await in_step(replica)
            await replica.execute_command("CONFIG", "SET", "primaryauth", "wrong")
            await replica.execute_command("REPLICAOF", "127.0.0.1", "1")
            await flowing(scene, 100)
            kill(durable.valkey.process)
            await replica.execute_command("REPLICAOF", "NO", "ONE")
            behind = await replica.xlen(STREAM)
            proxy.target = ("127.0.0.1", second.valkey.port)
            scene.redis = replica
            proxy.cut()
            assert behind

            async def put_there_again() -> bool:
                return bool(await replica.xlen(STREAM) > behind + 100)

            await until(put_there_again)  # what the replica never heard
            await flowing(scene, 50)
        await replica.aclose()


async def test_a_split_network(durable: Servers) -> None:
    """The relay goes on writing to the old primary while the consumers read from the replica that was promoted. When
    all are on one side again, the replica is given what it missed."""
    async with (
        throwaway_servers() as second,
        proxied(durable.redis_url) as relays,
        proxied(durable.redis_url) as consumers,
    ):
        replica = await a_replica(durable, second)
        there = relays.address(durable.redis_url), consumers.address(durable.redis_url)
        async with platform(durable, there[0], consumers=there[1]) as scene:
            await in_step(replica)
            await replica.execute_command("REPLICAOF", "NO", "ONE")
            consumers.target = ("127.0.0.1", second.valkey.port)
            consumers.cut()
            written, heard = await scene.redis.xlen(STREAM), await replica.xlen(STREAM)

            async def went_on() -> bool:
                return bool(await scene.redis.xlen(STREAM) > written + 200)

            await until(went_on)
            assert await replica.xlen(STREAM) <= heard + 1, "the other side hears nothing of it"
            kill(durable.valkey.process)
            relays.target = consumers.target
            scene.redis = replica
            relays.cut()
            await flowing(scene, 250)
        await replica.aclose()


NETWORK: tuple[Fault, ...] = ("replies lost", "half open", "reset in the middle")
NETWORK += ("one byte at a time", "late") if ALL else ()


@pytest.mark.parametrize("fault", NETWORK)
async def test_a_network_that_fails(durable: Servers, fault: Fault) -> None:
    async with proxied(durable.redis_url) as proxy, platform(durable, proxy.address(durable.redis_url)) as scene:
        for _ in range(2):
            proxy.fault = fault
            await asyncio.sleep(2 * WHILE_SECONDS)
            proxy.fault = "none"
            proxy.cut()
            await flowing(scene, 20)


REFUSALS = {
    "readonly": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "noreplicas": (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    "oom": (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0")),
    "noperm": (("ACL", "SETUSER", "default", "-xadd"), ("ACL", "SETUSER", "default", "+xadd")),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_server_that_refuses_for_a_while(durable: Servers, refusal: str) -> None:
    """Classified, tried again, and the reason is shown."""
    begin, end = REFUSALS[refusal]
    async with platform(durable) as scene:
        await scene.redis.execute_command(*begin)

        codes = {refusal, "memory"} if refusal == "oom" else {refusal}  # the guard may look before an append fails

        async def shown() -> bool:
            return not codes.isdisjoint(await reasons(scene))

        await until(shown)
        await scene.redis.execute_command(*end)
        await flowing(scene, 20)


async def test_a_redis_that_cannot_write_its_disk(durable: Servers) -> None:
    """It says so (MISCONF) and refuses; when it can again, everything goes on."""
    folder = durable.valkey.folder
    async with platform(durable) as scene:
        await scene.redis.config_set("appendonly", "no")
        await scene.redis.config_set("save", "3600 1")  # who does not mean to save is not stopped by not being able to
        folder.chmod(0o500)
        await scene.redis.bgsave()

        async def shown() -> bool:
            return "misconf" in await reasons(scene)

        await until(shown)
        folder.chmod(0o700)
        await scene.redis.bgsave()
        await flowing(scene, 20)


async def test_a_clock_that_was_an_hour_ahead_and_went_back(durable: Servers) -> None:
    """Ticks taken since stay behind those taken meanwhile: ids only grow, and nothing waits for an hour."""
    async with platform(durable) as scene:
        for name in ("relay 1", "relay 2"):
            await scene.stop(name)
        await execute(scene.database, _AHEAD)
        before = await scene.redis.xlen(STREAM)
        for name in ("relay 1", "relay 2"):
            scene.start(name)

        async def published() -> bool:
            return bool(await scene.redis.xlen(STREAM) > before + 100)

        await until(published)
        await flowing(scene, 100)
        ids = [position(str(entry_id)) for entry_id, _ in await scene.redis.xrange(STREAM)]
    assert ids == sorted(set(ids))
    assert ids[-1][0] - ids[before - 1][0] > 3_000_000, "they follow the tick from the future"


# An empty tick from the future: what the relay stores when the server's clock is ahead.
_AHEAD = """
INSERT INTO outbox_ticks (id, snapshot, generation)
SELECT id + 3600000, snapshot, generation FROM outbox_ticks ORDER BY id DESC LIMIT 1
"""


BACKLOG = int(os.environ.get("ESE_TEST_FAULT_BACKLOG", "60000"))
GROWTH_BYTES_MAX = 250 * 2**20


@pytest.mark.timeout(600)
async def test_a_large_backlog_is_published_and_applied_in_bounded_memory(durable: Servers) -> None:
    """A relay and a group meet what was written while they were away; neither holds more of it than a few batches."""
    database = Database(durable.database_url, pool_size=8)
    await execute(database, EFFECTS)
    await execute(database, _BACKLOG.format(count=BACKLOG))
    client = connect(durable.redis_url)
    stop = asyncio.Event()
    group = Group("proof.backlog", {"ProofFact": Reaction(ProofFact, "batch", keep)})
    settings = SETTINGS.model_copy(update={"batch_size": 500, "consume_batch": 200})
    before = psutil.Process().memory_info().rss
    work = [
        asyncio.create_task(Relay(database, RedisStreams(client), settings, stop).run()),
        asyncio.create_task(Consumer(group, database, RedisStreams(connect(durable.redis_url)), settings, stop).run()),
    ]
    most = 0

    async def applied() -> bool:
        nonlocal most
        most = max(most, psutil.Process().memory_info().rss - before)
        async with database.transaction() as tx:
            return bool((await tx.execute(text("SELECT count(*) FROM proof_effects"))).scalar_one() == BACKLOG)

    await until(applied, seconds=500)
    stop.set()
    await asyncio.gather(*work)
    assert (await verify(database, RedisStreams(client), [group])).holds
    assert most < GROWTH_BYTES_MAX
    await client.aclose()
    await database.close()


async def keep(tx: Transaction, events: Sequence[Any]) -> None:
    rows = [{"entity": event.entity, "version": event.version} for event in events]
    await tx.execute(text("INSERT INTO proof_effects (entity, version) VALUES (:entity, :version)"), rows)


_BACKLOG = """
INSERT INTO outbox (stream, key, event_id, type, time, correlation_id, data)
SELECT 'proof.fact.v1', 'k' || n % 500, gen_random_uuid(), 'ProofFact', now(), gen_random_uuid(),
       jsonb_build_object('entity', 'k' || n % 500, 'version', n / 500 + 1)
FROM generate_series(0, {count} - 1) AS n
"""
