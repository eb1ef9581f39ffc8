"""Every commit is published once and in the order of its key, whatever the writers do meanwhile."""

import asyncio
import random
from uuid import UUID

import pytest
from sqlalchemy import text

from event_stream_engine.backbone import outbox, packing, ticks
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.ticks import BEFORE_ALL
from event_stream_engine.database import Database, Transaction
from tests.backbone.conftest import SETTINGS, STREAM, Log, ProofFact, Record, working

ENTITIES = 6
WRITERS = 6
TRANSACTIONS = 25


class Undo(Exception):
    """A writer changes its mind."""


async def create_entities(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE proof_entities (id text PRIMARY KEY, version int NOT NULL)"))
        await tx.execute(
            text("INSERT INTO proof_entities SELECT 'entity-' || n, 0 FROM generate_series(1, :n) n"),
            {"n": ENTITIES},
        )


async def change(tx: Transaction, entity: str) -> None:
    """As a feature does it: the entity's row lock first, then the fact."""
    query = "UPDATE proof_entities SET version = version + 1 WHERE id = :id RETURNING version"
    version = (await tx.execute(text(query), {"id": entity})).scalar_one()
    await outbox.record(tx, ProofFact(entity=entity, version=version))


async def write(database: Database, chance: random.Random) -> None:
    """Transactions of one to three changes; some with a savepoint that is undone, some undone as a whole."""
    for _ in range(TRANSACTIONS):
        entities = sorted(chance.sample([f"entity-{n + 1}" for n in range(ENTITIES)], chance.randint(1, 3)))
        undo_savepoint, undo_all = chance.random() < 0.2, chance.random() < 0.2
        try:
            async with database.transaction() as tx:
                for entity in entities:
                    await change(tx, entity)
                    for _ in range(chance.randint(0, 5)):
                        await asyncio.sleep(0)
                if undo_savepoint:
                    await change_and_undo(tx, entities[0])
                if undo_all:
                    raise Undo
        except Undo:
            continue


async def change_and_undo(tx: Transaction, entity: str) -> None:
    try:
        async with tx.begin_nested():
            await change(tx, entity)
            raise Undo
    except Undo:
        return


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_skipped_doubled_or_inverted_under_concurrent_writers(
    database: Database, streams: RedisStreams, log: Log, seed: int
) -> None:
    """A long transaction, begun before all others and committed after them, holds nobody up and is not lost."""
    chance = random.Random(seed)
    await create_entities(database)
    begun, others_done = asyncio.Event(), asyncio.Event()

    async def slow_writer() -> None:
        async with database.transaction() as tx:
            await outbox.record(tx, ProofFact(entity="slow", version=1))
            begun.set()
            await others_done.wait()

    async with working(Relay(database, streams, SETTINGS)):
        slow = asyncio.create_task(slow_writer())
        await begun.wait()
        await asyncio.gather(*(write(database, random.Random(chance.random())) for _ in range(WRITERS)))
        before = await log.committed()
        await log.wait_published(len(before))
        others_done.set()
        await slow
        await log.wait_published(len(before) + 1)
    assert len(before) > WRITERS * TRANSACTIONS
    await log.assert_oracles()


async def record_and_undo(database: Database) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, ProofFact(entity="gone", version=1))
        raise Undo


async def test_a_rolled_back_change_is_never_published(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        with pytest.raises(Undo):
            await record_and_undo(database)
        await record("kept")
        published = await log.wait_published(1)
    assert [fields["subject"] for _, fields in published] == ["kept"]


async def test_an_event_committed_after_a_later_sequence_number_falls_in_the_next_tick(database: Database) -> None:
    """The hole of `seq > last`: the lower number commits second."""
    await hold_lease(database)
    async with database.transaction() as first_tx:
        early = await outbox.record(first_tx, ProofFact(entity="early", version=1))
        async with database.transaction() as second_tx:
            late = await outbox.record(second_tx, ProofFact(entity="late", version=1))
        one = await take(database, BEFORE_ALL)
    assert one is not None
    two = await take(database, one)
    assert two is not None
    assert await ids_in(database, BEFORE_ALL, one) == [late]
    assert await ids_in(database, one, two) == [early]


async def test_a_batch_read_again_later_is_the_same_batch(database: Database, record: Record) -> None:
    await hold_lease(database)
    expected = await record("a", "b", "a")
    tick = await take(database, BEFORE_ALL)
    assert tick is not None
    await record("c")
    assert await ids_in(database, BEFORE_ALL, tick) == expected
    assert await ids_in(database, BEFORE_ALL, tick) == expected


async def test_no_tick_is_stored_when_nothing_was_written(database: Database, record: Record) -> None:
    await hold_lease(database)
    await record("a")
    tick = await take(database, BEFORE_ALL)
    assert tick is not None
    assert await take(database, tick) is None


@pytest.mark.parametrize("character", ["x", "é", "😀"])
async def test_an_event_that_is_too_large_is_refused_and_nothing_is_recorded(
    database: Database, log: Log, character: str
) -> None:
    entity = character * (outbox.PAYLOAD_BYTES_MAX // len(character.encode()) + 1)
    with pytest.raises(ValueError, match="at most"):
        async with database.transaction() as tx:
            await outbox.record(tx, ProofFact(entity=entity, version=1))
    assert await log.committed() == []


async def test_many_events_recorded_at_once_keep_their_order(
    database: Database, streams: RedisStreams, log: Log
) -> None:
    async with database.transaction() as tx:
        assert await outbox.record_many(tx, (ProofFact(entity="bulk", version=n) for n in range(1, 301))) == 300
    async with working(Relay(database, streams, SETTINGS)):
        await log.wait_published(300)
    await log.assert_oracles()


async def hold_lease(database: Database) -> None:
    statement = (
        "INSERT INTO relay_lease (name, holder, epoch, expires_at) "
        "VALUES ('relay', 'test', 1, clock_timestamp() + interval '1 hour')"
    )
    async with database.transaction() as tx:
        await tx.execute(text(statement))


async def take(database: Database, previous: ticks.Tick) -> ticks.Tick | None:
    async with database.driver() as connection:
        taken = await packing.take(connection, previous, 1, 500)
    return taken.tick if taken else None


async def ids_in(database: Database, previous: ticks.Tick, tick: ticks.Tick) -> list[UUID]:
    async with database.driver() as connection:
        return [
            UUID(entry.fields["id"])
            async for slice_ in ticks.batches(connection, previous, tick, 2, STREAM)
            for _, entry in slice_
        ]
