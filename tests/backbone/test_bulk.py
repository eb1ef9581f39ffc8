"""Batches that PostgreSQL wrote: the same as entry by entry, and all or none of them."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from sqlalchemy import text

from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.packing import packed
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, Packed
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.streams.redis_bulk import append_bulk
from event_stream_engine.database import Database
from tests.backbone.conftest import OTHER_STREAM, STREAM, Log, OtherFact, Record
from tests.backbone.test_order import hold_lease, take

SIZE = 60


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
        await streams.append_packed(last, one)
        last = one.last_id
    assert [Entry(*pair) for pair in await log.published()] == entries[STREAM]


async def test_a_bulk_append_to_a_stream_that_ends_elsewhere_adds_nothing(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    streams = RedisStreams(redis, bulk_from=1)
    first, second = [one for one in (await written(database, record))[0] if one.stream == STREAM][:2]
    with pytest.raises(LastIdMismatch):
        await streams.append_packed(first.last_id, second)
    assert await log.published() == []
    await streams.append_packed("0-0", first)
    with pytest.raises(LastIdMismatch) as mismatch:
        await streams.append_packed("0-0", first)
    assert mismatch.value.actual == first.last_id
    assert len(await log.published()) == first.events


async def test_of_many_that_append_to_the_same_end_one_succeeds(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    first = (await written(database, record))[0][0]
    ends = await asyncio.gather(*(append_bulk(redis, "0-0", first) for _ in range(20)), return_exceptions=True)
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
            await append_bulk(redis, "0-0", first)
        assert await log.published() == []
    finally:
        await redis.config_set("maxmemory", "0")
    await append_bulk(redis, "0-0", first)
    assert len(await log.published()) == first.events


async def test_a_key_of_another_kind_is_refused_and_its_connection_works_on(
    database: Database, record: Record, redis: "Redis", log: Log
) -> None:
    first = (await written(database, record))[0][0]
    await redis.set(STREAM, "somebody's")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await append_bulk(redis, "0-0", first)
    assert await redis.get(STREAM) == "somebody's"
    await redis.delete(STREAM)
    await append_bulk(redis, "0-0", first)
    assert len(await log.published()) == first.events
