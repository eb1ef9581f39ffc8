"""What is kept and what goes: lanes apart, partitions, trimming, memory, restored databases, parked rows; and that the
proof sees each kind of damage."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import life, outbox
from event_stream_engine.backbone.relay import Relay, generation, housekeeping
from event_stream_engine.backbone.streams import Memory
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.verify import Proof, verify
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
    working,
)
from tests.backbone.test_consumers import GROUP, Ledger, consumer_of, consuming, group_of, ledger, publish
from tests.backbone.test_failing_reactions import rows, wait_rows

__all__ = ["consumer_of", "ledger", "publish"]  # fixtures


async def execute(database: Database, statement: str, **values: object) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement), values)


async def test_a_broken_stream_holds_up_no_other_and_is_completed_when_it_is_mended(
    database: Database, streams: RedisStreams, redis: "Redis", log: Log, record: Record
) -> None:
    other = Log(database, redis, OTHER_STREAM)
    await redis.set(OTHER_STREAM, "a string under the stream's name")
    async with working(Relay(database, streams, SETTINGS)):
        await record("x", "y", kind=OtherFact)
        await record("a", "b")
        await log.wait_published(2)
        assert await wait_rows(database, "SELECT * FROM relay_positions WHERE state <> 'ok'")
        await redis.delete(OTHER_STREAM)
        await record("x", kind=OtherFact)
        await other.wait_published(3)
    await log.assert_oracles()
    await other.assert_oracles()


async def test_nothing_is_appended_while_the_servers_memory_is_nearly_full(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    class Filling(Interrupted):
        used = 95

        async def memory(self) -> Memory:
            return Memory(self.used, 100)

    transport = Filling(streams)
    relay = Relay(database, transport, SETTINGS)
    async with working(relay):
        await log.wait_until(lambda _: relay.course.full)
        await record("a")
        await wait_rows(database, "SELECT * FROM outbox_ticks")
        assert await log.published() == []
        transport.used = 50
        await log.wait_published(1)
    await log.assert_oracles()


async def test_an_event_no_stream_takes_is_parked_and_leaves_a_tombstone(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    small = SETTINGS.model_copy(update={"entry_bytes_max": 1024})
    async with working(Relay(database, streams, small)):
        await record("a")
        await record("b" * 100)
        large = (await record("c" * 511))[0]
        await record("a")
        published = await log.wait_published(4)
    parked = await rows(database, "SELECT * FROM outbox_parked")
    assert [row["event_id"] for row in parked] == [large]
    assert (published[2][1]["type"], published[2][1]["data"]) == ("Tombstone", "{}")
    proof = await verify(database, streams, [])
    assert (proof.holds, proof.streams[0].parked) == (True, 1)


async def proved(database: Database, streams: RedisStreams, ledger: Ledger) -> Proof:
    return await verify(database, streams, [group_of(ledger)])


async def test_the_proof_holds_and_sees_each_kind_of_damage(
    database: Database, streams: RedisStreams, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "b", "a", "c")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(4)
    proof = await proved(database, streams, ledger)
    assert proof.holds
    assert (proof.streams[0].committed, proof.streams[0].published, proof.groups[0].applied) == (4, 4, 4)

    second = (await redis.xrange(STREAM))[1]
    await redis.xdel(STREAM, second[0])
    proof = await proved(database, streams, ledger)
    assert (proof.holds, proof.streams[0].missing.named) == (False, [f"{second[0]} {second[1]['id']}"])

    await redis.xadd(STREAM, {"id": "?"})
    assert (await proved(database, streams, ledger)).streams[0].foreign.count == 1
    await redis.xadd(OTHER_STREAM, {"id": "?"}, id="1-1")
    await execute(database, "INSERT INTO relay_positions (stream, entry_id) VALUES (:s, '0-0')", s=OTHER_STREAM)
    found = {one.stream: one.foreign for one in (await proved(database, streams, ledger)).streams}
    assert found[OTHER_STREAM].named == ["1-1"], "before the first tick, where nothing has been forgotten"
    await redis.delete(OTHER_STREAM)
    await redis.set(OTHER_STREAM, "of another type")
    proof = await proved(database, streams, ledger)
    unreadable = {one.stream: one.unreadable or "" for one in proof.streams}
    assert "WRONGTYPE" in unreadable.pop(OTHER_STREAM)
    assert (proof.holds, set(unreadable.values())) == (False, {""}), "the others are judged all the same"
    await execute(database, "DELETE FROM relay_positions WHERE stream = :s", s=OTHER_STREAM)

    await execute(database, "DELETE FROM inbox WHERE event_id = :id", id=second[1]["id"])
    assert (await proved(database, streams, ledger)).groups[0].missing.named == [f"{second[0]} {second[1]['id']}"]

    await execute(database, """UPDATE outbox SET data = '{"entity": "z"}' WHERE key = 'c'""")
    assert (await proved(database, streams, ledger)).streams[0].changed.count == 1


async def test_a_rebuilt_stream_is_the_same_and_its_groups_keep_their_place(
    database: Database, streams: RedisStreams, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, log: Log
) -> None:
    await publish("a", "b", "a")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(3)
    before = await log.published()
    await redis.xdel(STREAM, before[1][0])
    async with working(Relay(database, streams, SETTINGS)):
        await execute(database, "UPDATE relay_positions SET rebuild = true")
        await log.wait_until(lambda published: published == before)
    async with consuming(consumer_of(group_of(ledger))):
        await publish("b")
        await ledger.wait_effects(4)
    assert await ledger.effects() == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert (await proved(database, streams, ledger)).holds


OLD = timedelta(days=SETTINGS.retention_days + 3)


async def record_long_ago(database: Database) -> None:
    """A partition of three weeks ago with an event in it, as time would have left it."""
    async with database.transaction() as tx:
        day = (clock.now() - OLD).date()
        await tx.execute(text("SELECT ese_outbox_partitions(:day, :day)"), {"day": day})
        row = outbox.prepare(OtherFact(entity="old", version=1))
        await tx.execute(
            text(
                "INSERT INTO outbox (recorded_at, stream, key, event_id, type, time, data) "
                "VALUES (:at, :stream, :key, :id, :type, :at, CAST(:data AS jsonb))"
            ),
            {"at": clock.now() - OLD, "stream": row.stream, "key": row.key, "id": row.event_id, "type": row.type,
             "data": row.data},
        )  # fmt: skip


async def days_of(database: Database, table: str) -> list[str]:
    """The days that have a partition, in order."""
    found = await rows(database, f"SELECT tablename FROM pg_tables WHERE tablename ~ '^{table}_[0-9]{{8}}$'")
    return sorted(row["tablename"].removeprefix(f"{table}_") for row in found)


async def has_old_day(database: Database) -> bool:
    return (clock.now() - OLD).strftime("%Y%m%d") in await days_of(database, "outbox")


async def test_a_partition_goes_only_when_the_relay_and_every_group_are_past_it(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await record_long_ago(database)
    group = group_of(ledger, "single", OtherFact)
    assert (await housekeeping.keep_house(database, streams, SETTINGS) or "").startswith("relay")
    async with working(Relay(database, streams, SETTINGS)):
        await wait_rows(database, "SELECT * FROM relay_status WHERE handed > 0")
    await execute(database, "INSERT INTO group_positions (group_name, stream) VALUES (:g, :s)", g=GROUP, s=OTHER_STREAM)
    assert (await housekeeping.keep_house(database, streams, SETTINGS) or "").startswith(GROUP)
    assert await has_old_day(database)
    async with consuming(consumer_of(group)):
        await ledger.wait_effects(1)
    assert await housekeeping.keep_house(database, streams, SETTINGS) is None
    assert not await has_old_day(database)
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(3)


async def test_the_partition_of_a_day_without_events_goes(database: Database, streams: RedisStreams) -> None:
    await housekeeping.ensure_partitions(database)
    day = clock.now().strftime("%Y%m%d")
    with clock.frozen(clock.now() + OLD):
        assert await housekeeping.keep_house(database, streams, SETTINGS) is None
    assert day not in await days_of(database, "outbox")


async def test_the_inbox_is_kept_as_long_as_the_outbox_and_the_streams(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    async with consuming(consumer_of(group_of(ledger))):
        await publish("a")
        await ledger.wait_effects(1)
    assert len(await rows(database, "SELECT * FROM inbox")) == 1
    in_streams = SETTINGS.model_copy(update={"stream_retention_hours": 24 * OLD.days})
    with clock.frozen(clock.now() + OLD):
        for _ in range(2):  # some partitions at a time
            assert await housekeeping.keep_house(database, streams, in_streams) is None
        assert len(await rows(database, "SELECT * FROM inbox")) == 1
        await housekeeping.keep_house(database, streams, SETTINGS)
        today = clock.now().date()
    outbox_days, inbox_days = await days_of(database, "outbox"), await days_of(database, "inbox")
    assert outbox_days[0] == (today - timedelta(days=SETTINGS.retention_days)).strftime("%Y%m%d")
    assert inbox_days[0] == (today - timedelta(days=SETTINGS.retention_days + 1)).strftime("%Y%m%d")
    assert inbox_days[-1] == outbox_days[-1] == (today + timedelta(days=14)).strftime("%Y%m%d")
    assert await rows(database, "SELECT * FROM inbox") == []


async def test_what_streams_still_hold_of_days_that_went_is_no_finding(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, publish: Any, log: Log
) -> None:
    """A stream's last entry stays, however quiet it is; nobody can tell any more what belonged to it."""
    async with consuming(consumer_of(group_of(ledger))):
        for count, key in enumerate("aba", start=1):  # a tick each
            await publish(key)
            await ledger.wait_effects(count)
    with clock.frozen(clock.now() + OLD):
        for _ in range(2):
            assert await housekeeping.keep_house(database, streams, SETTINGS) is None
    assert await rows(database, "SELECT * FROM outbox") == []
    assert len(await log.published()) == 1
    assert len(await rows(database, "SELECT * FROM outbox_ticks")) == 1
    proof = await proved(database, streams, ledger)
    assert proof.holds, proof


async def test_what_the_inbox_has_no_day_for_is_kept_as_long_as_the_outbox(
    database: Database, streams: RedisStreams
) -> None:
    insert = "INSERT INTO inbox (group_name, event_id, consumed_at) VALUES (:g, gen_random_uuid(), :at)"
    await execute(database, insert, g="old", at=clock.now() - OLD)
    await execute(database, insert, g="young", at=clock.now())
    await housekeeping.keep_house(database, streams, SETTINGS)
    assert [row["group_name"] for row in await rows(database, "SELECT * FROM inbox_other")] == ["young"]


async def test_new_partitions_keep_no_writer_waiting_behind_a_long_transaction(
    database: Database, record: Record
) -> None:
    async with database.transaction() as long:
        await outbox.record(long, OtherFact(entity="x", version=1))
        with clock.frozen(clock.now() + timedelta(days=2)):
            await housekeeping.ensure_partitions(database)
            ahead = (clock.now() + timedelta(days=14)).strftime("%Y%m%d")
        await asyncio.wait_for(record("a"), WAIT_SECONDS)
    assert (await days_of(database, "outbox"))[-1] == (await days_of(database, "inbox"))[-1] == ahead


async def test_a_partition_that_is_read_for_hours_takes_no_lease_from_the_relay(
    database: Database, streams: RedisStreams, log: Log, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup reads the oldest day while it has to go: publishing goes on, and so does stopping."""
    monkeypatch.setattr("event_stream_engine.backbone.relay._HOUSEKEEPING_SECONDS", 0.05)
    await execute(database, "INSERT INTO group_positions (group_name, stream) VALUES ('slow', :s)", s=OTHER_STREAM)
    async with working(Relay(database, streams, SETTINGS)):
        await record_long_ago(database)
        async with database.transaction() as backup:
            await backup.execute(text("SELECT count(*) FROM outbox"))
            await execute(database, "DELETE FROM group_positions")
            await record("a")
            waits = "SELECT pid FROM pg_stat_activity WHERE query ~ '^ALTER TABLE outbox DETACH' AND state = 'active'"
            await wait_rows(database, waits)
            epoch = await rows(database, "SELECT epoch FROM relay_lease")
            await execute(database, "SELECT pg_sleep(:s)", s=2 * SETTINGS.lease_seconds + 1)
            await record("b")
            await log.wait_published(2)
            assert await rows(database, "SELECT epoch FROM relay_lease") == epoch
            assert await rows(database, waits)
    async with working(Relay(database, streams, SETTINGS)):
        while await has_old_day(database):
            await execute(database, "SELECT pg_sleep(0.02)")


async def test_a_transaction_that_outlasts_midnight_takes_no_tick_of_the_next_day_along(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """It began on the day that goes and wrote on the one that stays: its id is greater than the other's."""
    async with consuming(consumer_of(group_of(ledger))):
        await publish("a")
        await publish("b")
        await ledger.wait_effects(2)
        await record_long_ago(database)
        async with working(Relay(database, streams, SETTINGS)):
            await wait_rows(database, f"SELECT * FROM relay_positions WHERE stream = '{OTHER_STREAM}'")
        await publish("c")
        await ledger.wait_effects(3)
    await streams.trim(OTHER_STREAM, "9999999999999-0")
    assert await housekeeping.keep_house(database, streams, SETTINGS) is None
    assert not await has_old_day(database)
    assert (await proved(database, streams, ledger)).holds


async def test_streams_are_trimmed_by_age_and_never_past_a_group(
    database: Database, streams: RedisStreams, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, log: Log
) -> None:
    await publish("a", "b", "a")
    whole = await log.published()
    with clock.frozen(clock.now() + timedelta(hours=SETTINGS.stream_retention_hours + 1)):
        await execute(database, "INSERT INTO group_positions (group_name, stream, entry_id) VALUES ('slow', :s, :at)",
                      s=STREAM, at=whole[1][0])  # fmt: skip
        await housekeeping.keep_house(database, streams, SETTINGS)
        assert [entry_id for entry_id, _ in await log.published()] == [whole[1][0], whole[2][0]]
    await housekeeping.keep_house(database, streams, SETTINGS)
    assert len(await log.published()) == 2, "young entries stay"


async def test_marks_of_attempts_go_with_the_events_that_they_were_of(
    database: Database, streams: RedisStreams
) -> None:
    await execute(database, "INSERT INTO delivery_attempts (group_name, event_id) VALUES (:g, uuidv7())", g=GROUP)
    await housekeeping.keep_house(database, streams, SETTINGS)
    assert len(await rows(database, "SELECT * FROM delivery_attempts")) == 1
    with clock.frozen(clock.now() + timedelta(days=SETTINGS.retention_days, hours=1)):
        await housekeeping.keep_house(database, streams, SETTINGS)
    assert await rows(database, "SELECT * FROM delivery_attempts") == []


async def test_a_restored_database_is_refused_until_an_operator_accepts_it(
    database: Database, streams: RedisStreams, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, log: Log,
    record: Record,
) -> None:  # fmt: skip
    """The cluster is another one; the streams hold an event that this database does not know."""
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(2)
    phantom = {**(await log.published())[0][1], "id": "01a00000-0000-7000-8000-000000000000"}
    await redis.xadd(STREAM, phantom)
    await execute(database, "UPDATE outbox_generations SET system_identifier = '1'")
    async with working(Relay(database, streams, SETTINGS)):
        await record("a")
        (status,) = await wait_rows(database, "SELECT * FROM relay_status WHERE refused IS NOT NULL")
        assert "accept-generation" in status["refused"]
        assert len(await log.published()) == 3
    async with database.transaction() as tx:
        assert await generation.accept(tx, "ana", "the backup of last night is right") == 2
        await life.release(tx)  # nothing was sent from here
    async with working(Relay(database, streams, SETTINGS)):
        await record("b")
        await log.wait_until(lambda published: [fields["subject"] for _, fields in published] == ["a", "b", "a", "b"])
    await log.assert_oracles()
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(4)
    assert await ledger.effects() == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert (await proved(database, streams, ledger)).holds


async def test_a_generation_is_not_accepted_while_a_relay_works(
    database: Database, streams: RedisStreams, log: Log, record: Record
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record("a")
        await log.wait_published(1)
        async with database.transaction() as tx:
            with pytest.raises(RuntimeError, match="A relay is at work"):
                await generation.accept(tx, "ana", "by mistake")
