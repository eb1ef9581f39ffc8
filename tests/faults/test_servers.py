"""Servers that die, come back older than they were, refuse, or cannot be reached: afterwards every committed event is
in its stream once and in order, and took effect once.

Each test has durable servers of its own, because it kills them."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay, housekeeping
from event_stream_engine.backbone.relay.generation import accept
from event_stream_engine.backbone.streams import position
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.embedded.valkey import Valkey
from tests.backbone.conftest import OTHER_STREAM, SETTINGS, STREAM, ProofFact, facts
from tests.faults.proxy import Fault, proxied
from tests.faults.scene import EFFECTS, PROCESSES, Scene, at_work, execute, until

__all__ = ["facts"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WHILE_SECONDS = 1.5
ALL = os.environ.get("ESE_TEST_FAULTS") == "all"
"""Every variant of each fault: `make faults` asks for them, `make test` for the tellingest, to end in time."""


@pytest.fixture
async def durable() -> AsyncIterator[Servers]:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        yield servers


@asynccontextmanager
async def platform(servers: Servers, redis_url: str | None = None) -> AsyncIterator[Scene]:
    """The scene on these servers; the processes reach Redis by `redis_url`, the oracles directly."""
    database = Database(servers.database_url, pool_size=20)
    client = connect(servers.redis_url)
    try:
        async with at_work(Scene(database, redis_url or servers.redis_url, client, random.Random(1))) as scene:
            await flowing(scene, 50)
            yield scene
    finally:
        await client.aclose()
        await database.close()


async def flowing(scene: Scene, more: int) -> int:
    """Until `more` further events took effect; how many there are. Only looking again tells."""
    before = await effects(scene)

    async def arrived() -> bool:
        return await effects(scene) >= before + more

    await until(arrived)
    return before + more


async def effects(scene: Scene) -> int:
    async with scene.database.transaction() as tx:
        return int((await tx.execute(text("SELECT count(*) FROM proof_effects"))).scalar_one())


def kill(process: "object") -> None:
    """kill -9, of all that belongs to it."""
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    process.wait()  # type: ignore[attr-defined]


async def test_postgresql_killed_under_load(durable: Servers) -> None:
    async with platform(durable) as scene:
        for _ in range(2):
            kill(durable.postgres.process)
            await asyncio.sleep(WHILE_SECONDS)
            await durable.postgres.start()
            await answering(scene)
            await flowing(scene, 50)


async def answering(scene: Scene) -> None:
    """A pool learns only by failing that its connections are gone."""

    async def answers() -> bool:
        try:
            await scene.database.ping()
        except DATABASE_ERRORS:
            return False
        return True

    await until(answers)


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


async def test_a_stale_replica_is_promoted(durable: Servers) -> None:
    """It no longer hears its primary, which goes on and dies; then the replica is all there is."""
    async with throwaway_servers() as second, proxied(durable.redis_url) as proxy:
        replica = connect(second.redis_url)
        await replica.config_set("masterauth", durable.valkey.password)
        await replica.config_set("requirepass", durable.valkey.password)
        await replica.execute_command("REPLICAOF", "127.0.0.1", str(durable.valkey.port))
        async with platform(durable, proxy.address(durable.redis_url)) as scene:
            await in_step(scene.redis)
            await replica.execute_command("CONFIG", "SET", "primaryauth", "wrong")
            await replica.execute_command("REPLICAOF", "127.0.0.1", "1")
            await flowing(scene, 100)
            kill(durable.valkey.process)
            await replica.execute_command("REPLICAOF", "NO", "ONE")
            behind = await replica.xlen(STREAM)
            proxy.target = ("127.0.0.1", second.valkey.port)
            scene.redis = replica
            proxy.cut()
            await flowing(scene, 50)
            assert await replica.xlen(STREAM) > behind + 100, "what the replica never heard was put there again"
        await replica.aclose()


async def in_step(primary: "Redis") -> None:
    """Until the replica has everything."""

    async def online() -> bool:
        replicas = (await primary.info("replication")).values()
        return any(isinstance(one, dict) and one.get("state") == "online" for one in replicas)

    await until(online)


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

        async def shown() -> bool:
            return refusal in await reasons(scene)

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


async def test_partitions_that_go_while_it_flows(durable: Servers) -> None:
    """Detached and dropped under writers, a relay and a group at work."""
    async with writing(durable) as database:
        for days in (3, 2, 1):
            day = clock.now().date() - timedelta(days=SETTINGS.retention_days + days)
            await execute(database, f"SELECT ese_outbox_partitions('{day}', '{day}')")
            await execute(database, _LONG_AGO.format(day=day, stream=OTHER_STREAM))
    async with platform(durable) as scene:
        await until(lambda: trimmed_to_nothing(scene))

        async def gone() -> bool:
            await housekeeping.keep_house(scene.database, RedisStreams(scene.redis), SETTINGS)
            async with scene.database.transaction() as tx:
                return bool((await tx.execute(text(_OLD_PARTITIONS))).scalar_one() == 0)

        await until(gone)
        await flowing(scene, 50)


@asynccontextmanager
async def writing(servers: Servers) -> AsyncIterator[Database]:
    database = Database(servers.database_url, pool_size=1)
    yield database
    await database.close()


async def trimmed_to_nothing(scene: Scene) -> bool:
    """Whether the entries of long ago were published and left the stream, as their age would have it."""
    return bool(await RedisStreams(scene.redis).trim(OTHER_STREAM, "9999999999999-0"))


_OLD_PARTITIONS = f"""
SELECT count(*) FROM pg_tables
WHERE tablename ~ '^outbox_[0-9]{{8}}$'
  AND tablename < 'outbox_' || to_char(current_date - {SETTINGS.retention_days}, 'YYYYMMDD')
"""

_LONG_AGO = """
INSERT INTO outbox (recorded_at, stream, key, event_id, type, time, data)
SELECT '{day} 12:00+00', '{stream}', 'old', gen_random_uuid(), 'OtherFact', '{day} 12:00+00',
       '{{"entity": "old", "version": 1}}'
FROM generate_series(1, 100)
"""


async def reasons(scene: Scene) -> set[str]:
    async with scene.database.transaction() as tx:
        return set((await tx.execute(text("SELECT code FROM relay_positions WHERE code IS NOT NULL"))).scalars())


RESTORED = {"an older copy": "older than what was published", "a promoted copy": "timeline"}


@pytest.mark.parametrize("restored", RESTORED)
async def test_another_past_of_the_database_is_refused_until_accepted(durable: Servers, restored: str) -> None:
    """The streams hold what the restored log, or a standby that lagged behind, does not: nothing is published, and no
    id used again, until a person says that this database is the one."""
    older = durable.postgres.data.with_name("older")
    async with platform(durable) as scene:
        await stand_still(scene)
        await exchange(durable, scene, durable.postgres.data, older)
        go_on(scene)
        await flowing(scene, 100)
        await stand_still(scene)
        if restored == "a promoted copy":
            recover_to_a_new_timeline(older)
        await exchange(durable, scene, older, durable.postgres.data)
        await answering(scene)
        for name in PROCESSES:
            scene.start(name)
        refused = await refusal(scene)
        assert RESTORED[restored] in refused
        assert "accept-generation" in refused
        held = await scene.redis.xlen(STREAM)
        for name in PROCESSES:
            await scene.stop(name)
        assert await scene.redis.xlen(STREAM) == held
        await accept(scene.database, "ana", "the copy is the one to go on with")
        go_on(scene)
        await flowing(scene, 50)


async def stand_still(scene: Scene) -> None:
    await scene.pause_writers()
    for name in PROCESSES:
        await scene.stop(name)


def go_on(scene: Scene) -> None:
    for name in PROCESSES:
        scene.start(name)
    scene.go_on()


def recover_to_a_new_timeline(data: Path) -> None:
    """It starts as a standby whose primary is gone, replays what it has, and promotes itself."""
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = '/bin/false'\n")
    (data / "recovery.signal").touch()
    shutil.chown(data / "recovery.signal", data.owner())


async def exchange(servers: Servers, scene: Scene, source: Path, target: Path) -> None:
    """Stop the server, put a copy of `source` where `target` is, start it again."""
    await scene.database.close()
    await servers.postgres.stop()
    shutil.rmtree(target, ignore_errors=True)
    await (await asyncio.create_subprocess_exec("cp", "-a", str(source), str(target))).wait()
    await servers.postgres.start()


async def refusal(scene: Scene) -> str:
    """What the relay says that it waits for."""
    said: list[str] = []

    async def refused() -> bool:
        async with scene.database.transaction() as tx:
            said.extend(
                (await tx.execute(text("SELECT refused FROM relay_status WHERE refused IS NOT NULL"))).scalars()
            )
        return bool(said)

    await until(refused)
    return said[0]


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
