"""PostgreSQL that dies, comes back older than it was, has no room, or loses a part: afterwards every committed event
is in its stream once and in order, and took effect once.

Each test has durable servers of its own, because it kills them."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import life
from event_stream_engine.backbone.relay import housekeeping
from event_stream_engine.backbone.relay.generation import accept
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.database import DATABASE_ERRORS, Database, migrate
from event_stream_engine.embedded import ports, throwaway_servers
from event_stream_engine.embedded.postgres import SUPERUSER, Postgres
from event_stream_engine.embedded.throwaway import Servers
from tests.backbone.conftest import OTHER_STREAM, SETTINGS, STREAM, facts, held_back
from tests.faults.proxy import proxied
from tests.faults.scene import (
    GROUP,
    PROCESSES,
    Scene,
    answering,
    durable,
    execute,
    flowing,
    kill,
    platform,
    refusal,
    until,
)

__all__ = ["durable", "facts"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WHILE_SECONDS = 1.5


async def test_postgresql_killed_under_load(durable: Servers) -> None:
    async with platform(durable) as scene:
        for _ in range(2):
            kill(durable.postgres.process)
            await asyncio.sleep(WHILE_SECONDS)
            await durable.postgres.start()
            await answering(scene)
            await flowing(scene, 50)


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
        before = held_back(GROUP)
        for name in PROCESSES:
            scene.start(name)
        refused = await refusal(scene)
        assert RESTORED[restored] in refused
        assert "accept-generation" in refused
        await until(lambda: held_back(GROUP) > before)  # nobody reacts to what this database never published
        held = await scene.redis.xlen(STREAM)
        for name in PROCESSES:
            await scene.stop(name)
        assert await scene.redis.xlen(STREAM) == held
        await lease_over(scene)
        async with scene.database.transaction() as tx:
            await accept(tx, "ana", "the copy is the one to go on with")
            await life.release(tx)  # nothing was sent from here
        go_on(scene)
        await flowing(scene, 50)


async def lease_over(scene: Scene) -> None:
    """Here a process is stopped without a goodbye: one that had just tried again leaves its lease to expire."""

    async def is_over() -> bool:
        async with scene.database.transaction() as tx:
            held = text("SELECT EXISTS (SELECT FROM relay_lease WHERE expires_at > clock_timestamp())")
            return not (await tx.execute(held)).scalar_one()

    await until(is_over)


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


async def test_a_standby_that_lagged_behind_nothing_is_promoted(durable: Servers) -> None:
    """Each commit waits for it. The primary dies under load; the standby holds all that was committed, so nobody has
    to be asked: everything goes on, on the new timeline."""
    standby = await a_synchronous_standby(durable.postgres)
    starting = asyncio.create_task(standby.start())  # "started" is when it takes writes
    async with proxied(durable.database_url) as proxy:
        await until(lambda: in_synchrony(durable.postgres))
        async with platform(durable, database_url=proxy.address(durable.database_url)) as scene:
            await flowing(scene, 100)
            kill(durable.postgres.process)
            reached = await scene.redis.xlen(STREAM)
            await superuser(standby, "SELECT pg_promote()")
            await starting
            proxy.target = (ports.LOOPBACK, standby.port)
            proxy.cut()
            await answering(scene)
            assert await one(scene, "SELECT count(*) FROM outbox") >= reached, "what was published is there"
            await flowing(scene, 50)
            assert await one(scene, "SELECT max(timeline) FROM outbox_generations") == 2
    await standby.stop()


async def a_synchronous_standby(primary: Postgres) -> Postgres:
    """A copy that follows, without which nothing commits; not started yet."""
    await primary.stop()
    standby = Postgres(
        replace(primary.place, data=primary.place.folder("standby")),
        primary.password, primary.superuser_password, ports.any_free(),
    )  # fmt: skip
    await (await asyncio.create_subprocess_exec("cp", "-a", str(primary.data), str(standby.data))).wait()
    await primary.start()
    with (standby.data / "postgresql.auto.conf").open("a") as settings:
        settings.write(
            f"primary_conninfo = 'host={ports.LOOPBACK} port={primary.port} user={SUPERUSER} "
            f"password={primary.superuser_password}'\n"
        )
    (standby.data / "standby.signal").touch()
    shutil.chown(standby.data / "standby.signal", standby.data.owner())
    return standby


async def in_synchrony(primary: Postgres) -> bool:
    """Whether the standby follows; from then on each commit waits for it."""
    if not await superuser(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"):
        return False
    await superuser(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await superuser(primary, "SELECT pg_reload_conf()")
    return bool(await superuser(primary, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"))


async def superuser(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(
        host=ports.LOOPBACK, port=server.port, user=SUPERUSER, password=server.superuser_password, database="postgres"
    )
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def one(scene: Scene, statement: str) -> int:
    async with scene.database.transaction() as tx:
        return int((await tx.execute(text(statement))).scalar_one())


DISK_BYTES = 400 * 2**20


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, so that nothing else meets its end."""
    folder = Path(tempfile.mkdtemp(prefix="ese-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0711", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("no small file system can be mounted here: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("full", ["for rows", "for its log"])
async def test_a_disk_that_is_full_under_both_servers(small_disk: Path, full: str) -> None:
    """Rows that do not fit fail alone; a log that does not fit ends PostgreSQL, which is started again when there is
    room. Redis finds none for its own log either."""
    async with throwaway_servers(durable=True, inside=small_disk) as servers:
        await migrate(servers.database_url)
        async with platform(servers) as scene:
            fill(small_disk / "filler")
            with pytest.raises(DATABASE_ERRORS):
                await execute(scene.database, _TOO_MANY_ROWS)
            if full == "for its log":
                await use_up_the_log(servers.postgres)
            await asyncio.sleep(WHILE_SECONDS)
            (small_disk / "filler").unlink()
            if not servers.postgres.is_running():
                await servers.postgres.start()
            await answering(scene)
            await flowing(scene, 50)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for piece in (2**20, 2**12):
            with contextlib.suppress(OSError):
                while file.write(bytes(piece)):
                    pass


_TOO_MANY_ROWS = "CREATE TABLE too_many AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 50000)"


async def use_up_the_log(server: Postgres) -> None:
    """Segments lie ready for some time; the first that does not ends the server."""
    async with asyncio.timeout(60):
        while True:
            try:
                await superuser(server, "SELECT pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()")
            except DATABASE_ERRORS:
                return


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
