"""An event's effect is applied exactly once per group, in order, whatever dies and whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay, generation
from event_stream_engine.backbone.streams import Read, StreamBusy
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Kind, Reaction
from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.base import Event
from event_stream_engine.settings import BackboneSettings
from tests.backbone.conftest import (
    SETTINGS,
    STREAM,
    WAIT_SECONDS,
    Log,
    OtherFact,
    ProofFact,
    Record,
    die,
    held_back,
    working,
)

GROUP = "proof.apply"


class Crashed(Exception):
    """Stands for the end of the process: nothing catches it but the test."""


@dataclass
class Ledger:
    """The effects, in a table: one row per application, so that a second one is seen."""

    database: Database
    failing: set[str] = field(default_factory=set)
    calls: list[tuple[str, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    failures: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    applied: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, tx: Transaction, event: Any) -> None:
        self._call(event)
        await self._insert(tx, event)

    async def apply_batch(self, tx: Transaction, events: Sequence[Any]) -> None:
        self.batches.append(len(events))
        for event in events:
            await self._insert(tx, event)
            self._call(event)

    async def start_task(self, event: Any) -> None:
        self._call(event)

    def _call(self, event: Any) -> None:
        self.calls.append((event.entity, event.version))
        if event.entity in self.failing:
            self.failures.put_nowait(event.entity)
            raise ValueError(f"{event.entity} cannot be applied")
        self.applied.set()

    async def _insert(self, tx: Transaction, event: Any) -> None:
        query = "INSERT INTO proof_effects (entity, version) VALUES (:entity, :version)"
        await tx.execute(text(query), {"entity": event.entity, "version": event.version})

    async def effects(self) -> list[tuple[str, int]]:
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("SELECT entity, version FROM proof_effects ORDER BY id"))
            return [(row[0], row[1]) for row in rows]

    async def wait_effects(self, count: int) -> list[tuple[str, int]]:
        async with asyncio.timeout(WAIT_SECONDS):
            while len(found := await self.effects()) < count:
                self.applied.clear()
                try:
                    await asyncio.wait_for(self.applied.wait(), 0.1)  # the commit follows the call
                except TimeoutError:
                    continue
            return found


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "CREATE TABLE proof_effects (id bigint GENERATED ALWAYS AS IDENTITY, entity text NOT NULL, "
                "version int NOT NULL)"
            )
        )
    return Ledger(database)


def group_of(ledger: Ledger, kind: Kind = "single", *events: type[Event]) -> Group:
    function = {"single": ledger.apply, "batch": ledger.apply_batch, "task": ledger.start_task}[kind]
    return Group(GROUP, {e.__name__: Reaction(e, kind, function) for e in events or (ProofFact,)})


@pytest.fixture
async def consumer_of(database: Database, redis_url: str) -> AsyncIterator[Any]:
    """Makes consumers, each on a connection of its own as in `ese consume`."""
    clients: list[Redis] = []

    def make(
        group: Group, *, name: str = "one", settings: BackboneSettings = SETTINGS, streams: Any = None
    ) -> Consumer:
        clients.append(connect(redis_url))
        return Consumer(group, database, streams or RedisStreams(clients[-1]), settings, name=name)

    yield make
    for client in clients:
        await client.aclose()


@asynccontextmanager
async def consuming(consumer: Consumer) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        consumer.stop.set()
        await asyncio.wait({task}, timeout=WAIT_SECONDS)
        if task.done() and not task.cancelled() and not isinstance(task.exception(), Crashed | None):
            task.result()


@pytest.fixture
async def publish(database: Database, streams: RedisStreams, log: Log, record: Record) -> Any:
    """Commit one event per name (each a transaction) and publish them through the relay."""

    async def act(*names: str, kind: Any = ProofFact) -> None:
        counted = Log(log.database, log.redis, kind.stream)
        before = len(await counted.published())
        async with working(Relay(database, streams, SETTINGS)):
            for name in names:
                await record(name, kind=kind)
            await counted.wait_published(before + len(names))

    return act


async def pending(redis: "Redis") -> int:
    found: int = (await redis.xpending(STREAM, GROUP))["pending"]
    return found


async def wait_acknowledged(redis: "Redis") -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while await pending(redis):  # noqa: ASYNC110  # Redis has no event for it
            await asyncio.sleep(0)


class CrashingStreams(RedisStreams):
    """The process dies at a named point: after the read, or after the commit and before the acknowledgement."""

    def __init__(self, client: "Redis", point: str) -> None:
        super().__init__(client)
        self.point = point
        self.reached = asyncio.Event()

    async def read(self, group: str, consumer: str, streams: Sequence[str], count: int, block_ms: int) -> Read:
        found = await super().read(group, consumer, streams, count, block_ms)
        if found.entries and self.point == "after read":
            self.reached.set()
            raise Crashed
        return found

    async def acknowledge(self, group: str, ends: Mapping[tuple[str, int], str]) -> None:
        if self.point == "before acknowledging":
            self.reached.set()
            raise Crashed
        await super().acknowledge(group, ends)
        if self.point == "after acknowledging":
            self.reached.set()
            raise Crashed


@pytest.mark.parametrize("kind", ["single", "batch"])
@pytest.mark.parametrize("point", ["after read", "before acknowledging", "after acknowledging"])
async def test_a_consumer_killed_at_each_step_applies_each_event_once(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, kind: Kind, point: str
) -> None:
    await publish("a", "b", "a", "c")
    dying = CrashingStreams(redis, point)
    task = asyncio.create_task(consumer_of(group_of(ledger, kind), streams=dying).run())
    await asyncio.wait({task}, timeout=WAIT_SECONDS)
    assert isinstance(task.exception(), Crashed)
    async with consuming(consumer_of(group_of(ledger, kind))):
        await publish("b", "d")
        await ledger.wait_effects(6)
        await wait_acknowledged(redis)
    assert await ledger.effects() == [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2), ("d", 1)]


@pytest.mark.parametrize("kind", ["single", "batch", "task"])
async def test_what_this_database_never_published_is_not_applied(
    database: Database, log: Log, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, record: Record,
    kind: Kind,
) -> None:  # fmt: skip
    """A backup was restored: the stream holds a later event. It goes when an operator has accepted the backup."""
    await publish("a", "b")
    last_id, fields = (await log.published())[-1]
    lost = {**fields, "id": str(uuid4()), "subject": "lost", "data": '{"entity": "lost", "version": 1}'}
    await redis.xadd(STREAM, lost, id=f"{int(last_id.split('-')[0]) + 1}-1")
    before = held_back(GROUP)
    async with consuming(consumer_of(group_of(ledger, kind))), asyncio.timeout(WAIT_SECONDS):
        while held_back(GROUP) == before:
            assert await ledger.effects() == []  # a figure wakes nobody: look again
        assert ledger.calls == []
        async with database.transaction() as tx:
            await generation.accept(tx, "ana", "the backup is right")
        async with working(Relay(database, RedisStreams(redis), SETTINGS)):
            await record("c")
            while len(ledger.calls) < 3:
                ledger.applied.clear()
                await ledger.applied.wait()
    assert ledger.calls == [("a", 1), ("b", 1), ("c", 1)]


async def test_a_consumer_killed_before_the_commit_leaves_no_half_effect(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "b")
    inside = asyncio.Event()

    async def hang(tx: Transaction, event: Any) -> None:
        await ledger.apply(tx, event)
        if event.entity == "b":
            inside.set()
            await asyncio.Event().wait()

    hanging = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", hang)})
    task = asyncio.create_task(consumer_of(hanging).run())
    await asyncio.wait_for(inside.wait(), WAIT_SECONDS)
    await die(task)
    assert await ledger.effects() == []
    async with consuming(consumer_of(group_of(ledger))):
        assert await ledger.wait_effects(2) == [("a", 1), ("b", 1)]


async def test_the_same_entries_delivered_again_are_recognised(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """The group is set back to the start of the stream."""
    await publish("a", "b", "a")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(3)
        await wait_acknowledged(redis)
    async with ledger.database.transaction() as tx:
        await tx.execute(text("UPDATE group_positions SET entry_id = '0-0'"))
    async with consuming(consumer_of(group_of(ledger))):
        await publish("b")
        await ledger.wait_effects(4)
        await wait_acknowledged(redis)
    assert await ledger.effects() == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


async def test_each_group_gets_every_event(ledger: Ledger, consumer_of: Any, publish: Any) -> None:
    one, two = group_of(ledger), group_of(ledger)
    two.name = "proof.other"
    await publish("a", "b")
    async with consuming(consumer_of(one)), consuming(consumer_of(two)):
        await ledger.wait_effects(4)
    assert sorted(await ledger.effects()) == [("a", 1), ("a", 1), ("b", 1), ("b", 1)]


async def test_a_failing_event_holds_up_its_key_and_nothing_else(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    ledger.failing = {"bad"}
    await publish("a", "bad", "a", "b", "bad")
    async with consuming(consumer_of(group_of(ledger))):
        assert await ledger.wait_effects(3) == [("a", 1), ("a", 2), ("b", 1)]
        await wait_acknowledged(redis)
        for _ in range(2):  # the first of its key is tried again, the second waits for it
            assert await asyncio.wait_for(ledger.failures.get(), WAIT_SECONDS) == "bad"
        assert ("bad", 2) not in ledger.calls
        await publish("bad", "c")
        await ledger.wait_effects(4)
        ledger.failing = set()
        await ledger.wait_effects(7)
    assert [effect for effect in await ledger.effects() if effect[0] == "bad"] == [("bad", 1), ("bad", 2), ("bad", 3)]


async def test_a_failing_group_does_not_hold_up_another(ledger: Ledger, consumer_of: Any, publish: Any) -> None:
    ledger.failing = {"bad"}
    other = Ledger(ledger.database)
    healthy = Group("proof.healthy", {"ProofFact": Reaction(ProofFact, "single", other.apply)})
    await publish("bad", "a")
    async with consuming(consumer_of(group_of(ledger))), consuming(consumer_of(healthy)):
        await ledger.failures.get()
        assert sorted(await other.wait_effects(3)) == [("a", 1), ("a", 1), ("bad", 1)]


async def test_a_batch_that_fails_is_applied_one_by_one_without_the_culprit(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "b", "bad", "c")
    ledger.failing = {"bad"}
    async with consuming(consumer_of(group_of(ledger, "batch"))):
        assert await ledger.wait_effects(3) == [("a", 1), ("b", 1), ("c", 1)]
        ledger.failing = set()
        await ledger.wait_effects(4)
        await wait_acknowledged(redis)
    assert ledger.batches[0] == 4, "a batch is applied at once first"
    assert await ledger.effects() == [("a", 1), ("b", 1), ("c", 1), ("bad", 1)]


async def test_what_a_failing_event_wrote_is_undone(ledger: Ledger, consumer_of: Any, publish: Any) -> None:
    async def write_and_fail(tx: Transaction, event: Any) -> None:
        await ledger._insert(tx, event)
        ledger._call(event)

    await publish("a", "bad")
    ledger.failing = {"bad"}
    async with consuming(consumer_of(Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", write_and_fail)}))):
        await asyncio.wait_for(ledger.failures.get(), WAIT_SECONDS)
        assert await ledger.wait_effects(1) == [("a", 1)]


async def test_entries_of_a_consumer_that_never_comes_back_are_claimed(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "b", "a")
    gone = RedisStreams(redis)
    await gone.seek(GROUP, "gone", {(STREAM, 0): "0-0"})
    assert len((await gone.read(GROUP, "gone", [STREAM], 10, 100)).entries) == 3
    async with consuming(consumer_of(group_of(ledger), name="other")):
        assert await ledger.wait_effects(3) == [("a", 1), ("b", 1), ("a", 2)]
        await wait_acknowledged(redis)


async def test_a_task_runs_again_after_a_failure_and_after_a_crash_but_never_not(
    redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "bad", "b")
    ledger.failing = {"bad"}
    dying = CrashingStreams(redis, "before acknowledging")
    task = asyncio.create_task(consumer_of(group_of(ledger, "task"), streams=dying).run())
    await asyncio.wait({task}, timeout=WAIT_SECONDS)
    assert ledger.calls == [("a", 1), ("bad", 1), ("b", 1)]
    ledger.failing = set()
    async with consuming(consumer_of(group_of(ledger, "task"))):
        await wait_acknowledged(redis)
        async with asyncio.timeout(WAIT_SECONDS):
            while ledger.calls.count(("bad", 1)) < 2:
                ledger.applied.clear()
                await ledger.applied.wait()
    assert ledger.calls[3:] == [("bad", 1)], "what was done before the crash is in the inbox"


async def test_events_that_a_group_does_not_react_to_are_passed(
    redis: "Redis", database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """A release that does not know a type yet must not stand still before it."""
    await publish("a")
    await redis.xadd(STREAM, {"id": "0" * 32, "type": "Unheard", "subject": "x", "time": "now", "data": "{}"})
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(1)
        await wait_acknowledged(redis)
    assert ledger.calls == [("a", 1)]


async def test_a_group_on_two_streams_gets_both(redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any) -> None:
    await publish("a", "b")
    await publish("x", "y", kind=OtherFact)
    async with consuming(consumer_of(group_of(ledger, "batch", ProofFact, OtherFact))):
        await ledger.wait_effects(4)
    assert sorted(await ledger.effects()) == [("a", 1), ("b", 1), ("x", 1), ("y", 1)]


async def test_an_interrupted_server_is_waited_for(
    ledger: Ledger, consumer_of: Any, publish: Any, redis: "Redis"
) -> None:
    class Flaky(RedisStreams):
        reads = 0

        async def read(self, *arguments: Any) -> Read:
            self.reads += 1
            if self.reads in (1, 3):
                raise StreamBusy(STREAM, "connection", "the server went away")
            return await super().read(*arguments)

    flaky = Flaky(redis)
    await publish("a")
    async with consuming(consumer_of(group_of(ledger), streams=flaky)):
        await ledger.wait_effects(1)
        await publish("b")
        assert await ledger.wait_effects(2) == [("a", 1), ("b", 1)]
    assert flaky.reads >= 3


async def test_what_an_event_leads_to_carries_its_correlation_and_names_it_as_the_cause(
    database: Database, consumer_of: Any, publish: Any, log: Log
) -> None:
    done = asyncio.Event()

    async def go_on(tx: Transaction, event: Any) -> None:
        await outbox.record(tx, OtherFact(entity=event.entity, version=1))
        done.set()

    await publish("a")
    async with consuming(consumer_of(Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", go_on)}))):
        await asyncio.wait_for(done.wait(), WAIT_SECONDS)
    async with database.transaction() as tx:
        query = "SELECT event_id, correlation_id, causation_id FROM outbox ORDER BY seq"
        cause, effect = (await tx.execute(text(query))).all()
    assert effect.causation_id == cause.event_id
    assert effect.correlation_id == cause.correlation_id == cause.event_id


async def test_entries_trimmed_before_and_put_back_after_a_read_are_not_missed(
    ledger: Ledger, consumer_of: Any, publish: Any, redis: "Redis"
) -> None:
    """What the stream held when it was read is what counts, not what it holds when the batch is applied."""

    class Refilled(RedisStreams):
        first = True
        published = asyncio.Event()

        async def read(self, *arguments: Any) -> Read:
            if self.first:
                found = await super().read(*arguments)
                self.first = not found.entries
                return found
            await self.published.wait()
            held = await redis.xrange(STREAM)
            await redis.xtrim(STREAM, maxlen=2, approximate=False)
            found = await super().read(*arguments)
            await redis.delete(STREAM)
            for entry_id, fields in held:
                await redis.xadd(STREAM, fields, id=entry_id)
            return found

    refilled = Refilled(redis)
    await publish("a")
    async with consuming(consumer_of(group_of(ledger), streams=refilled)):
        await ledger.wait_effects(1)
        await publish("b", "c", "d", "e", "f")
        refilled.published.set()
        await ledger.wait_effects(6)
    assert await ledger.effects() == [(entity, 1) for entity in "abcdef"]
