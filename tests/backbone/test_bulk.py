"""Batches that PostgreSQL wrote: the same as entry by entry, and all or none of them."""

import asyncio

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import text

from event_stream_engine.backbone import outbox, packing, ticks
from event_stream_engine.backbone.packing import Taken, packed
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, Packed
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.streams.redis_bulk import append_bulk
from event_stream_engine.database import Database
from tests.backbone.conftest import OTHER_STREAM, STREAM, Log, OtherFact, ProofFact, Record
from tests.backbone.test_order import hold_lease, take

SIZE = 60


def nobody(_: Packed) -> None:
    """Who does not ask what went in."""


async def written(database: Database, record: Record) -> tuple[list[Packed], dict[str, list[Entry]]]:
    """One tick with two streams and every kind of field, as packed slices and as entries."""
    await hold_lease(database)
    await record(*(f'käy \r\n"{number}\u2028' for number in range(100)))
    await record("x", "y", kind=OtherFact)
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET key_version = 7, causation_id = event_id WHERE seq % 3 = 0"))
        await tx.execute(text("UPDATE outbox SET traceparent = 'dé', schema_version = 2 WHERE seq % 5 = 0"))
    tick = await take(database, ticks.BEFORE_ALL)
    assert tick is not None
    entries: dict[str, list[Entry]] = {}
    async with database.driver() as connection:
        slices = [one async for some in packed(connection, ticks.BEFORE_ALL, tick, SIZE) for one in some]
        async for rows in ticks.batches(connection, ticks.BEFORE_ALL, tick, 1000):
            for stream, entry in rows:
                entries.setdefault(stream, []).append(entry)
    return slices, entries


async def test_a_small_batch_comes_along_with_its_tick_and_is_the_one_that_is_read_later(
    database: Database, record: Record
) -> None:
    """Also where transactions were open at the tick before, as seen by the statement that takes the tick."""
    await hold_lease(database)
    previous, seen = ticks.BEFORE_ALL, 0
    async with database.driver() as connection:
        for round_ in range(5):
            async with database.transaction() as late:
                await outbox.record(late, ProofFact(entity=f"late {round_}", version=1))
                await record("x", "y", kind=OtherFact)
                await record(f"early {round_}")
                taken = await packing.take(connection, previous, 1, SIZE)
            assert taken is not None
            assert taken.batch is not None
            assert await read_later(database, previous, taken) == taken.batch
            seen += sum(one.events for one in taken.batch)
            previous = taken.tick
    assert seen == 5 * 4 - 1, "all but the last that was late"


@pytest.mark.parametrize(("count", "along"), [(SIZE, True), (SIZE + 1, False)])
async def test_a_batch_larger_than_asked_for_does_not_come_along(
    database: Database, record: Record, count: int, along: bool
) -> None:
    await hold_lease(database)
    await record(*("a" for _ in range(count)))
    async with database.driver() as connection:
        taken = await packing.take(connection, ticks.BEFORE_ALL, 1, SIZE)
    assert taken is not None
    assert (taken.batch is not None) == along
    assert sum(one.events for one in await read_later(database, ticks.BEFORE_ALL, taken)) == count


async def read_later(database: Database, previous: ticks.Tick, taken: Taken) -> list[Packed]:
    async with database.driver() as connection:
        return [one async for some in packed(connection, previous, taken.tick, SIZE) for one in some]


async def test_packed_slices_hold_the_same_entries_in_the_same_order(database: Database, record: Record) -> None:
    slices, entries = await written(database, record)
    for stream, expected in entries.items():
        own = [one for one in slices if one.stream == stream]
        assert [entry for one in own for entry in one.entries()] == expected
        assert all(len(one.entries()) == one.events <= SIZE for one in own)
        assert own[0].first_id == expected[0].entry_id
        assert own[-1].last_id == expected[-1].entry_id
    assert entries.keys() == {STREAM, OTHER_STREAM}


async def test_a_bulk_append_is_read_back_byte_for_byte(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    streams = RedisStreams(redis, bulk_from=1)
    slices, entries = await written(database, record)
    last = "0-0"
    for one in (one for one in slices if one.stream == STREAM):
        await streams.append_packed(last, [one], nobody)
        last = one.last_id
    assert [Entry(*pair) for pair in await log.published()] == entries[STREAM]


async def test_a_bulk_append_to_a_stream_that_ends_elsewhere_adds_nothing(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    streams = RedisStreams(redis, bulk_from=1)
    first, second = [one for one in (await written(database, record))[0] if one.stream == STREAM][:2]
    with pytest.raises(LastIdMismatch):
        await streams.append_packed(first.last_id, [second], nobody)
    assert await log.published() == []
    await streams.append_packed("0-0", [first], nobody)
    with pytest.raises(LastIdMismatch) as mismatch:
        await streams.append_packed("0-0", [first], nobody)
    assert mismatch.value.actual == first.last_id
    assert len(await log.published()) == first.events


async def test_of_many_that_append_to_the_same_end_one_succeeds(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    first = (await written(database, record))[0][0]
    ends = await asyncio.gather(
        *(append_bulk(redis, "0-0", [first], nobody) for _ in range(20)), return_exceptions=True
    )
    assert None in ends
    assert all(end is None or (isinstance(end, LastIdMismatch) and end.actual == first.last_id) for end in ends)
    assert len(await log.published()) == first.events


async def test_a_server_without_memory_takes_none_and_its_connection_works_on(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    first = (await written(database, record))[0][0]
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(LastIdMismatch):
            await append_bulk(redis, "0-0", [first], nobody)
        assert await log.published() == []
    finally:
        await redis.config_set("maxmemory", "0")
    await append_bulk(redis, "0-0", [first], nobody)
    assert len(await log.published()) == first.events


async def test_a_key_of_another_kind_is_refused_and_its_connection_works_on(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    first = (await written(database, record))[0][0]
    await redis.set(STREAM, "somebody's")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await append_bulk(redis, "0-0", [first], nobody)
    assert await redis.get(STREAM) == "somebody's"
    await redis.delete(STREAM)
    await append_bulk(redis, "0-0", [first], nobody)
    assert len(await log.published()) == first.events


async def test_slices_go_in_one_after_the_other_and_each_is_told(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    slices = await own_slices(database, record)
    told: list[Packed] = []
    await append_bulk(redis, "0-0", slices, told.append)
    assert told == slices
    assert [entry_id for entry_id, _ in await log.published()] == [
        entry.entry_id for one in slices for entry in one.entries()
    ]


@pytest.mark.parametrize("meddles", ["adds", "deletes"])
async def test_who_meddles_between_two_slices_stops_the_next_whole(
    database: Database, record: Record, redis: "Redis", redis_url: str, log: Log, meddles: str
) -> None:
    """The second slice is at the server already when the first is known to be in."""
    slices = await own_slices(database, record)
    told: list[Packed] = []
    with BlockingRedis.from_url(redis_url) as other:

        def meddle(packed: Packed) -> None:
            told.append(packed)
            other.xadd(STREAM, {"a": "b"}) if meddles == "adds" else other.delete(STREAM)

        with pytest.raises(LastIdMismatch) as mismatch:
            await append_bulk(redis, "0-0", slices, meddle)
    assert told == slices[:1]
    left = await log.published()
    assert len(left) == (slices[0].events + 1 if meddles == "adds" else 0)
    assert mismatch.value.actual == (left[-1][0] if left else "0-0")
    await redis.delete(STREAM)
    await append_bulk(redis, "0-0", slices, nobody)  # on the same connection
    assert len(await log.published()) == sum(one.events for one in slices)


async def own_slices(database: Database, record: Record) -> list[Packed]:
    """Four slices of one stream."""
    await hold_lease(database)
    await record(*("a" for _ in range(100)))
    tick = await take(database, ticks.BEFORE_ALL)
    assert tick is not None
    async with database.driver() as connection:
        return [one async for some in packed(connection, ticks.BEFORE_ALL, tick, 30) for one in some]
