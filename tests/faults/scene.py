"""A relay, consumers and writers at work, hands that hurt them, and what must hold afterwards."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.relay.positions import ask_to_rebuild
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.backbone.supervising import end
from event_stream_engine.backbone.verify import Proof, verify
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from tests.backbone.conftest import SETTINGS, ProofFact
from tests.waiting import until

GROUP = "proof.faults"
KEYS = 12
CALM_SECONDS = 60
FAST = SETTINGS.model_copy(update={"consume_lease_seconds": 1, "consume_batch": 20})
PROCESSES = ("relay 1", "relay 2", "consumer 1", "consumer 2")


@dataclass
class Scene:
    """A relay, consumers and writers at work, and hands that hurt them."""

    database: Database
    redis_url: str
    redis: "Redis"
    chance: random.Random
    failing: dict[tuple[str, int], int] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    clients: list["Redis"] = field(default_factory=list)
    starts: int = 0
    writing: asyncio.Event = field(default_factory=asyncio.Event)
    standing: int = 0
    expected: int = KEYS
    """At least so many events must have been committed."""
    consumers_redis_url: str | None = None
    """Where the consumers read, if elsewhere than where the relays write."""

    def start(self, name: str) -> None:
        """A process is a task with connections of its own; killing it is cancelling it: no goodbye."""
        url = self.consumers_redis_url if name.startswith("consumer") else None
        client = connect(url or self.redis_url, timeout_seconds=3)
        self.clients.append(client)
        self.starts += 1
        holder = f"host:{name}:{self.starts}"
        if name.startswith("relay"):
            work = Relay(self.database, RedisStreams(client, bulk_from=3), FAST, holder=holder).run()
        else:
            group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", self.apply)})
            work = Consumer(group, self.database, RedisStreams(client, bulk_from=3), FAST, name=holder).run()
        self.tasks[name] = asyncio.create_task(work)

    async def apply(self, tx: Transaction, event: Any) -> None:
        fact = (event.entity, event.version)
        if (left := self.failing.get(fact, 2 if self.chance.random() < 0.01 else 0)) > 0:
            self.failing[fact] = left - 1  # twice: once as one of many, once by itself
            raise ValueError("a failure that passes")
        query = "INSERT INTO proof_effects (entity, version) VALUES (:entity, :version)"
        await tx.execute(text(query), {"entity": event.entity, "version": event.version})

    async def kill(self, name: str) -> None:
        await end(self.tasks[name])
        self.start(name)

    async def stop(self, name: str) -> None:
        await end(self.tasks[name])

    async def pause_writers(self) -> None:
        """Until all of them stand still between two transactions."""
        self.writing.clear()
        await until(lambda: self.standing == KEYS)

    def go_on(self) -> None:
        self.writing.set()

    async def write(self, key: int) -> None:
        """One writer a key: each version in a transaction, some rolled back, some slow, some interrupted."""
        version = 1
        while "stop" not in self.done:
            if not self.writing.is_set():
                self.standing += 1
                await self.writing.wait()
                self.standing -= 1
                version = await self.committed(key) + 1
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


@asynccontextmanager
async def at_work(scene: Scene) -> AsyncIterator[Scene]:
    """Processes and writers for the length of the block; then everything is finished, and the oracles asked."""
    await execute(scene.database, EFFECTS)
    scene.go_on()
    for name in PROCESSES:
        scene.start(name)
    writers = [asyncio.create_task(scene.write(key)) for key in range(KEYS)]
    try:
        yield scene
        scene.done.append("stop")
        await asyncio.gather(*writers)
        await assert_oracles(scene)
    finally:
        await end(*writers, *scene.tasks.values())
        for client in scene.clients:
            await client.aclose()


async def execute(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement))


EFFECTS = """
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
    assert committed >= scene.expected, "the writers were held up"


def standing() -> str:
    """Where every task waits."""
    return "\n".join(f"{task.get_name()}: {' < '.join(frames(task.get_coro()))}" for task in asyncio.all_tasks())


def frames(coroutine: Any) -> list[str]:
    found: list[str] = []
    while coroutine is not None and len(found) < 30:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            found.insert(0, f"{frame.f_code.co_name}:{frame.f_lineno}")
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return found


async def calm(scene: Scene) -> Proof:
    """Until nothing waits any more and the proof holds, or no effect came for CALM_SECONDS: a backlog takes the longer
    the longer it grew. The proof reads everything, so it waits for what
    is cheap to ask: it would take the processor from those who are still at work."""
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", scene.apply)})
    time = asyncio.get_running_loop().time
    ends, seen = time() + CALM_SECONDS, 0
    while True:
        await execute(scene.database, _DUE_NOW)
        if "foreign" in await reasons(scene):  # twice within ten minutes: a person has to ask for it
            async with scene.database.transaction() as tx:
                await ask_to_rebuild(tx)
        recorded, applied = await counted(scene)
        if applied > seen:
            ends, seen = time() + CALM_SECONDS, applied
        is_over = time() > ends
        if is_over or recorded == applied:
            proof = await verify(scene.database, RedisStreams(scene.redis), [group])
            settled = all(not one.waiting for one in proof.streams) and all(
                not one.waiting and not one.parked for one in proof.groups
            )
            if (proof.holds and settled) or is_over:
                assert settled, f"not settled: {proof}\n{standing()}"
                return proof
        await asyncio.sleep(0.2)


async def counted(scene: Scene) -> tuple[int, int]:
    """Events recorded, and effects."""
    async with scene.database.transaction() as tx:
        found = await tx.execute(text("SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM proof_effects)"))
        events, effects = found.one()
        return events, effects


_DUE_NOW = """
UPDATE parked_events SET next_attempt_at = now() WHERE event_id = ANY (ARRAY(
    SELECT event_id FROM parked_events WHERE next_attempt_at < 'infinity' FOR UPDATE SKIP LOCKED
))
"""


@pytest.fixture
async def durable() -> AsyncIterator[Servers]:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        yield servers


@asynccontextmanager
async def platform(
    servers: Servers, redis_url: str | None = None, *, consumers: str | None = None, database_url: str | None = None
) -> AsyncIterator[Scene]:
    """The scene on these servers; all reach PostgreSQL by `database_url`, the processes Redis by `redis_url` (the
    consumers by an address of their own), the oracles Redis directly."""
    database = Database(database_url or servers.database_url, pool_size=20)
    client = connect(servers.redis_url)
    scene = Scene(database, redis_url or servers.redis_url, client, random.Random(1), consumers_redis_url=consumers)
    try:
        async with at_work(scene):
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


async def answering(scene: Scene) -> None:
    """A pool learns only by failing that its connections are gone."""

    async def answers() -> bool:
        try:
            await scene.database.ping()
        except DATABASE_ERRORS:
            return False
        return True

    await until(answers)


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


async def reasons(scene: Scene) -> set[str]:
    async with scene.database.transaction() as tx:
        return set((await tx.execute(text("SELECT code FROM relay_positions WHERE code IS NOT NULL"))).scalars())


async def in_step(replica: "Redis") -> None:
    """Until it has taken over all of its primary, and follows. (The primary counts it as online while it still
    loads.)"""

    async def follows() -> bool:
        return bool((await replica.info("replication"))["master_link_status"] == "up")

    await until(follows)
