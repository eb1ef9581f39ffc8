"""The relay loses nothing and publishes nothing twice, wherever it or its servers break off."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone import relay as relay_module
from event_stream_engine.backbone.packing import take
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.relay.lease import LeaseLost
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, Packed
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.database import Database
from tests.backbone.conftest import (
    OTHER_STREAM,
    SETTINGS,
    STREAM,
    WAIT_SECONDS,
    Interrupted,
    Log,
    OtherFact,
    Record,
    die,
    working,
)

NAMES = ("a", "b", "a", "c", "b", "a", "d", "a", "b", "c", "a", "d", "c", "b", "a", "a")


async def free_lease(database: Database) -> None:
    """As if the lease of a killed relay had expired."""
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE relay_lease SET expires_at = clock_timestamp()"))


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 5])
async def test_a_relay_killed_around_an_append_is_continued_by_the_next(
    database: Database, streams: RedisStreams, log: Log, record: Record, moment: str, number: int
) -> None:
    """`before` the script: the entries never arrived. `after` it: they did, and nobody heard of it."""
    broken = asyncio.Event()
    transport = Interrupted(streams, **{moment: frozenset({number})}, on_break=broken.set)
    task = asyncio.create_task(Relay(database, transport, SETTINGS).run())
    for name in NAMES * 3:
        await record(name)
    await asyncio.wait_for(broken.wait(), WAIT_SECONDS)
    await die(task)
    await record(*NAMES)
    await free_lease(database)
    async with working(Relay(database, streams, SETTINGS)):
        await log.wait_published(len(NAMES) * 4)
    await log.assert_oracles()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_relay_whose_appends_fail_again_and_again_goes_on_by_itself(
    database: Database, streams: RedisStreams, log: Log, record: Record, moment: str
) -> None:
    transport = Interrupted(streams, **{moment: frozenset({2, 3, 5})})
    async with working(Relay(database, transport, SETTINGS)):
        recorded = 0
        while transport.appends <= 5:  # until all three are behind it
            await record(NAMES[recorded % len(NAMES)])
            recorded += 1
            await log.wait_published(recorded)
    await log.assert_oracles()


async def test_a_crash_between_the_commit_of_a_tick_and_its_publication_loses_nothing(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record("a", "b")
        await log.wait_published(2)
    await free_lease(database)
    async with database.driver() as connection:
        relay = Relay(database, streams, SETTINGS)
        relay._connection = connection
        await relay.lease.take()
        previous = await relay.resume()
        await record("a", "a", "b")
        assert await take(connection, previous, relay.lease.epoch, 500) is not None  # and here it is killed
    await record("b")
    await free_lease(database)
    async with working(Relay(database, streams, SETTINGS)):
        await log.wait_published(6)
    await log.assert_oracles()


async def test_a_relay_started_again_publishes_nothing_again(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    for round_ in range(1, 4):
        await record(*NAMES)
        async with working(Relay(database, streams, SETTINGS)):
            await log.wait_published(len(NAMES) * round_)
    await log.assert_oracles()


@pytest.mark.parametrize("loss", ["flushed", "deleted", "tail cut"])
async def test_a_stream_that_lost_entries_is_completed_byte_for_byte(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record, loss: str
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record(*NAMES)
        await record(*NAMES)
        whole = await log.wait_published(len(NAMES) * 2)
    if loss == "flushed":
        await redis.flushdb()
    elif loss == "deleted":
        await redis.delete(STREAM)
    else:
        await restore(redis, whole[:9])
    async with working(Relay(database, streams, SETTINGS)):
        assert await log.wait_published(len(whole)) == whole
        await record("a")
        await log.wait_published(len(whole) + 1)
    await log.assert_oracles()


async def restore(redis: "Redis", entries: list[tuple[str, dict[str, str]]]) -> None:
    """The stream as a replica had it that did not get the last entries."""
    await redis.delete(STREAM)
    for entry_id, fields in entries:
        await redis.xadd(STREAM, fields, id=entry_id)


async def test_a_trimmed_stream_that_lost_its_tail_is_completed_and_not_taken_for_somebody_elses(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record
) -> None:
    await record(*"abcdefghij")
    async with working(Relay(database, streams, SETTINGS)):
        before = await log.wait_published(10)
    await redis.delete(STREAM)
    for entry_id, fields in before[6:8]:  # neither its beginning nor its end is there any more
        await redis.xadd(STREAM, fields, id=entry_id)  # type: ignore[arg-type]
    async with working(Relay(database, streams, SETTINGS)):
        await record("k")
        after = await log.wait_published(5)
    assert after[:4] == before[6:]
    assert [fields["subject"] for _, fields in after] == list("ghijk")


async def test_a_relay_that_takes_over_in_the_middle_of_filling_a_stream_from_its_beginning_leaves_no_gap(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record
) -> None:
    """Nobody knows then up to which tick the stream is complete: its own end tells."""
    for entity in "abcdef":
        await record(entity)
        async with working(Relay(database, streams, SETTINGS)):
            before = await log.wait_published("abcdef".index(entity) + 1)
    await redis.delete(STREAM)
    await redis.xadd(STREAM, before[0][1], id=before[0][0])  # type: ignore[arg-type]
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE relay_positions SET entry_id = :at, tick = 0"), {"at": before[0][0]})
    async with working(Relay(database, streams, SETTINGS)):
        await record("g")
        published = await log.wait_published(7)
    assert [fields["subject"] for _, fields in published] == list("abcdefg")


async def test_a_stream_flushed_under_a_working_relay_is_completed(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record(*NAMES)
        await log.wait_published(len(NAMES))
        await wait_saved(database)
        await redis.flushdb()
        await record("a")
        await log.wait_published(len(NAMES) + 1)
    await log.assert_oracles()


async def wait_saved(database: Database) -> None:
    """Until the relay noted how far it came, which it does once a second."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            async with database.transaction() as tx:
                saved = (await tx.execute(text("SELECT count(*) FROM relay_positions"))).scalar_one()
                if saved:
                    return
                await tx.execute(text("SELECT pg_sleep(0.05)"))


async def test_a_stream_looked_at_while_an_append_is_under_way_is_not_taken_for_somebody_elses(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    """It ends further on than the relay knows, until the answer to the append is there."""
    looked: list[bool] = []

    class Looked(Interrupted):
        async def append_packed(
            self, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]
        ) -> None:
            await self.inner.append_packed(expected, slices, lambda _: None)
            lane = relay.lanes[STREAM]
            await lane.check()
            looked.append(lane.behind)
            for packed in slices:
                appended(packed)

    async with working(relay := Relay(database, Looked(streams), SETTINGS)):
        await record("a", "b")
        await log.wait_published(2)
        await record("a")
        await log.wait_published(3)
    assert len(looked) > 1
    assert not any(looked)
    await log.assert_oracles()


async def test_streams_are_completed_independently(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record
) -> None:
    other = Log(database, redis, OTHER_STREAM)
    async with working(Relay(database, streams, SETTINGS)):
        for _ in range(3):
            await record("a", "b")
            await record("x", "y", kind=OtherFact)
        await log.wait_published(6)
        before = await other.wait_published(6)
    await redis.delete(OTHER_STREAM)
    async with working(Relay(database, streams, SETTINGS)):
        assert await other.wait_published(6) == before
    await log.assert_oracles()
    await other.assert_oracles()


@pytest.mark.parametrize("fields", [{"id": "?"}, {b"x": b"\xff\xfe"}], ids=["text", "no text"])
@pytest.mark.parametrize("stray", ["99999999999999-1", "5-1"])
async def test_foreign_entries_leave_the_stream_and_ours_are_all_there(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record, stray: str, fields: Any
) -> None:
    """Somebody wrote to the stream: with an id that blocks all of ours, or one below them."""
    await redis.xadd(STREAM, fields, id=stray)
    await record("a", "b")
    async with working(Relay(database, streams, SETTINGS)):
        await log.wait_healed(stray, 2)
        await record("a")
        await log.wait_published(3)
    await log.assert_oracles()


@pytest.mark.parametrize("fields", [{"id": "?"}, {b"x": b"\xff\xfe"}], ids=["text", "no text"])
async def test_an_entry_slipped_in_while_the_relay_works_is_taken_out_again(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record, fields: Any
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record("a", "b")
        before = await log.wait_published(2)
        stray = await redis.xadd(STREAM, fields)
        await record("a")
        await log.wait_healed(str(stray), 3)
    assert (await log.published())[:2] == before
    await log.assert_oracles()


class Surprising(RedisStreams):
    """Fails a few times as nobody has thought of."""

    surprises = 3

    async def first_id(self, stream: str, partition: int | None = None) -> str | None:
        return await super().first_id(self._surprised(stream), partition)

    async def last_id(self, stream: str) -> str:
        return await super().last_id(self._surprised(stream))

    def _surprised(self, stream: str) -> str:
        if self.surprises:
            self.surprises -= 1
            raise ArithmeticError("nobody has thought of this")
        return stream


async def test_a_lane_that_fails_as_nobody_has_thought_of_says_so_and_goes_on(
    database: Database, redis: "Redis", log: Log, record: Record
) -> None:
    surprising = Surprising(redis)
    with capture_logs() as logged:
        async with working(Relay(database, surprising, SETTINGS)) as relay:
            await record("a")
            await redis.xadd(STREAM, {"id": "?"})
            await record("b")
            await log.wait_published(2)
    assert relay is not None
    assert "lane failed unexpectedly" in [line["event"] for line in logged]
    assert surprising.surprises == 0
    await log.assert_oracles()


async def test_a_commit_wakes_a_relay_that_would_look_in_an_hour(
    database: Database, streams: RedisStreams, log: Log, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_STAYS_BUSY_SECONDS", 0)
    monkeypatch.setattr(relay_module, "_QUIET_SHARE", 1e9)
    patient = SETTINGS.model_copy(update={"idle_poll_ms": 3_600_000})
    async with working(Relay(database, streams, patient)):
        for count, name in enumerate(NAMES[:3], start=1):
            monkeypatch.setattr(outbox, "_hinted_at", 0.0)  # the last hint was long ago
            await record(name)
            await log.wait_published(count)
    await log.assert_oracles()


async def test_a_process_sends_few_hints_however_much_it_commits(
    database: Database, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints: list[object] = []
    async with database.driver() as listening:
        await listening.add_listener(outbox.HINTS, lambda *given: hints.append(given))
        monkeypatch.setattr(outbox, "_hinted_at", 0.0)
        started = time.monotonic()
        for _ in range(50):
            await record("a")
        allowed = 1 + (time.monotonic() - started) / outbox.HINT_SECONDS
        await listening.execute("SELECT 1")
    assert 1 <= len(hints) <= allowed


async def test_a_second_relay_waits_and_takes_over_when_the_first_stops(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    first, second = Relay(database, streams, SETTINGS, holder="one"), Relay(database, streams, SETTINGS, holder="two")
    async with working(first):
        await record("a")
        await log.wait_published(1)
        async with working(second):
            for name in NAMES:
                await record(name)
            await log.wait_published(1 + len(NAMES))
            assert second.lease.epoch == 0, "the second relay holds the lease beside the first"
            first.stop.set()
            await record("b")
            await log.wait_published(2 + len(NAMES))
            assert second.lease.epoch > first.lease.epoch
    await log.assert_oracles()


async def test_a_relay_that_lost_its_lease_can_neither_tick_nor_renew(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    """A process that was stopped past its lease and goes on as if nothing had happened."""
    zombie = Relay(database, streams, SETTINGS, holder="zombie")
    async with database.driver() as zombie._connection:
        await zombie.lease.take()
        previous = await zombie.resume()
        await free_lease(database)
        async with working(Relay(database, streams, SETTINGS, holder="successor")):
            await record("a", "b", "a")
            await log.wait_published(3)
            await record("c")
            assert await take(zombie._connection, previous, zombie.lease.epoch, 500) is None
            with pytest.raises(LeaseLost):
                await zombie.lease.renew()
            await log.wait_published(4)
    await log.assert_oracles()


async def test_a_zombies_append_is_refused_by_the_stream(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    """Its batch is the same as its successor's: whoever comes second finds the stream further on."""
    await record("a", "b")
    async with working(Relay(database, streams, SETTINGS)):
        published = await log.wait_published(2)
    entries = [Entry(entry_id, fields) for entry_id, fields in published]
    with pytest.raises(LastIdMismatch):
        await streams.append(STREAM, "0-0", entries)
    await log.assert_oracles()


async def test_two_relays_that_both_believe_to_work_publish_each_event_once(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    """The lease is taken away while the first is at work; both go on as fast as they can."""
    async with (
        working(Relay(database, streams, SETTINGS, holder="one")),
        working(Relay(database, streams, SETTINGS, holder="two")),
    ):
        for number, name in enumerate(NAMES * 6):
            await record(name)
            if number % 10 == 5:
                await free_lease(database)
        await log.wait_published(len(NAMES) * 6)
    await log.assert_oracles()
