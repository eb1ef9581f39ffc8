"""A relay, a stream and consumers on real servers, with faults at the borders between them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from uuid import UUID

import msgspec
import pytest
from prometheus_client import REGISTRY as METRICS
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams import Entry, Packed, StreamBusy
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.database import Database
from event_stream_engine.events.base import REGISTRY, Event
from event_stream_engine.settings import BackboneSettings

STREAM = "proof.fact.v1"
OTHER_STREAM = "proof.other.v1"
WAIT_SECONDS = 30

SETTINGS = BackboneSettings(
    ESE_RELAY_BATCH_SIZE=7, ESE_RELAY_BUSY_POLL_MS=1, ESE_RELAY_IDLE_POLL_MS=2, ESE_RELAY_LEASE_SECONDS=1,
    ESE_CONSUME_BATCH=10,
)  # fmt: skip


class ProofFact(Event, frozen=True, kw_only=True):
    """Version `version` of the entity `entity`."""

    stream: ClassVar[str] = STREAM
    entity: str
    version: int

    @property
    def key(self) -> str:
        return self.entity


class OtherFact(Event, frozen=True, kw_only=True):
    stream: ClassVar[str] = OTHER_STREAM
    entity: str
    version: int

    @property
    def key(self) -> str:
        return self.entity


for _known in (ProofFact, OtherFact):
    REGISTRY.pop(_known.__name__)  # the rules about the project's own events do not concern these


@pytest.fixture(autouse=True)
def facts() -> Iterator[None]:
    """The proof's events are known for the length of one test."""
    REGISTRY.update({"ProofFact": ProofFact, "OtherFact": OtherFact})
    yield
    for name in ("ProofFact", "OtherFact"):
        del REGISTRY[name]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def streams(redis: "Redis") -> RedisStreams:
    """Full slices go in bulk, what is left of a tick by the script."""
    return RedisStreams(redis, bulk_from=SETTINGS.batch_size)


@dataclass
class Interrupted:
    """A transport that breaks where it is told to: `before` an append (it never arrives) or `after` it (the answer
    is lost), each on the numbered calls."""

    inner: RedisStreams
    before: frozenset[int] = frozenset()
    after: frozenset[int] = frozenset()
    appends: int = 0
    on_break: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        await self._broken(stream, self.inner.append(stream, expected, entries))

    async def append_packed(self, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]) -> None:
        for packed in slices:
            await self._broken(packed.stream, self.inner.append_packed(expected, [packed], appended))
            expected = packed.last_id

    async def _broken(self, stream: str, append: Coroutine[Any, Any, None]) -> None:
        self.appends += 1
        number = self.appends
        if number in self.before:
            append.close()
            self.on_break()
            raise StreamBusy(stream, "connection", "broken before the append")
        await append
        if number in self.after:
            self.on_break()
            raise StreamBusy(stream, "connection", "broken after the append")


@asynccontextmanager
async def working(relay: Relay) -> AsyncIterator[Relay]:
    """The relay works for the length of the block and is then asked to stop."""
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        relay.stop.set()
        await asyncio.wait_for(task, WAIT_SECONDS)


def held_back(group: str) -> float:
    """How often the group waited for a database that knows what the stream holds."""
    labels = {"group": group, "cause": "UnknownTicks"}
    return METRICS.get_sample_value("ese_consume_interruptions_total", labels) or 0.0


async def die(task: "asyncio.Task[None]") -> None:
    """The end of a process that gets no chance to say goodbye: no lease is released, no position saved."""
    task.cancel()
    await asyncio.wait({task})


@dataclass
class Log:
    """The outbox and the stream, read back from the servers."""

    database: Database
    redis: "Redis"
    stream: str = STREAM

    async def committed(self) -> list[UUID]:
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("SELECT event_id FROM outbox WHERE stream = :s"), {"s": self.stream})
            return [row[0] for row in rows]

    async def published(self) -> list[tuple[str, dict[str, str]]]:
        return cast("list[tuple[str, dict[str, str]]]", await self.redis.xrange(self.stream))

    async def wait_published(self, count: int, after: str = "0-0") -> list[tuple[str, dict[str, str]]]:
        """Until the stream holds `count` entries; it is the stream that wakes us."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found = await self.published()
                if len(found) >= count:
                    return found
                after = found[-1][0] if found else "0-0"
                await self.redis.xread({self.stream: after}, count=1, block=500)

    async def wait_healed(self, stray: str, count: int) -> None:
        """Until the stray entry is gone and `count` others are there."""
        await self.wait_until(lambda found: stray not in [entry_id for entry_id, _ in found] and len(found) >= count)

    async def wait_until(self, holds: Callable[[list[tuple[str, dict[str, str]]]], bool]) -> None:
        """Until the stream's entries are as wanted; only looking again tells."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not holds(await self.published()):
                async with self.database.transaction() as tx:
                    await tx.execute(text("SELECT pg_sleep(0.02)"))

    async def assert_oracles(self) -> None:
        """O1 nothing missing or invented; O2 nothing twice; O3 versions of a key rise by one; O4 order by id."""
        published = await self.published()
        ids = [UUID(fields["id"]) for _, fields in published]
        assert len(ids) == len(set(ids)), "an event is in the stream twice"
        assert set(ids) == set(await self.committed()), "the stream is not what was committed"
        positions = [tuple(int(part) for part in entry_id.split("-")) for entry_id, _ in published]
        assert positions == sorted(positions)
        versions: dict[str, int] = {}
        for _, fields in published:
            fact = msgspec.json.decode(fields["data"])
            assert fact["version"] == versions.get(fact["entity"], 0) + 1, f"{fact} follows {versions}"
            versions[fact["entity"]] = fact["version"]


@pytest.fixture
def log(database: Database, redis: "Redis") -> Log:
    return Log(database, redis)


Record = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture
def record(database: Database) -> Record:
    """Commit events, each version of its entity counted from 1 on, in one transaction."""
    versions: dict[str, int] = {}

    async def commit(*entities: str, kind: Any = ProofFact) -> list[UUID]:
        recorded = []
        async with database.transaction() as tx:
            for entity in entities:
                versions[entity] = versions.get(entity, 0) + 1
                recorded.append(await outbox.record(tx, kind(entity=entity, version=versions[entity])))
        return recorded

    return commit
