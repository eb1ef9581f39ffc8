"""Topics of several partitions: keys lie where Kafka's own clients put them, and a group keeps its place in each."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # type: ignore[attr-defined]
from sqlalchemy import text

from event_stream_engine.backbone.consumers import Consumer, inbox, lag
from event_stream_engine.backbone.consumers.lease import GroupLease
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams import LastIdMismatch, StreamBusy, StreamRefused, position
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.backbone.streams.kafka_writer import partition_of
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database
from tests.backbone.conftest import SETTINGS, STREAM, WAIT_SECONDS, Record, facts, record, working
from tests.backbone.test_consumers import GROUP, Ledger, consuming, group_of, ledger
from tests.conformance.conftest import arrived, entries
from tests.conformance.kafka_broker import KafkaBroker

__all__ = ["facts", "ledger", "record"]  # fixtures

KEYS = [f"k{number}" for number in range(9)]


@pytest.fixture
async def streams(kafka: KafkaBroker) -> AsyncIterator[KafkaStreams]:
    """Three partitions; the proof's topic is gone before and afterwards."""
    opened = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=3)
    await asyncio.to_thread(remove, kafka, STREAM)
    yield opened
    await opened.close()
    await asyncio.to_thread(remove, kafka, STREAM)


def remove(kafka: KafkaBroker, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.address})
    if topic in admin.list_topics(timeout=10).topics:
        admin.delete_topics([topic])[topic].result(10)
    while topic in admin.list_topics(timeout=10).topics:
        admin.poll(0.05)


async def places(database: Database) -> dict[int, str]:
    async with database.transaction() as tx:
        rows = await tx.execute(text("SELECT partition, entry_id FROM group_positions ORDER BY partition"))
        return {row[0]: row[1] for row in rows}


async def wait_places(database: Database, wanted: dict[int, str]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while await places(database) != wanted:
            async with database.transaction() as tx:
                await tx.execute(text("SELECT pg_sleep(0.05)"))


def assert_once_and_in_order(effects: list[tuple[str, int]], rounds: int) -> None:
    for key in KEYS:
        assert [version for entity, version in effects if entity == key] == list(range(1, rounds + 1)), key


def consumer_of(database: Database, ledger: Ledger, streams: KafkaStreams, **named: Any) -> Consumer:
    return Consumer(group_of(ledger), database, streams, SETTINGS, name="one", **named)


@pytest.mark.parametrize(
    ("key", "hashed"),
    # org.apache.kafka.common.utils.UtilsTest: what Java's murmur2 gives, as signed numbers
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
     ("a-little-bit-longer-string", -1486304829), ("abc", 479470107)],
)  # fmt: skip
def test_a_key_has_the_partition_that_javas_client_gives_it(key: str, hashed: int) -> None:
    for partitions in (2, 3, 12, 100):
        assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions
    assert partition_of(key, 1) == 0


async def test_another_producer_puts_the_same_keys_into_the_same_partitions(
    kafka: KafkaBroker, streams: KafkaStreams, stream: str
) -> None:
    await streams.append(stream, "0-0", entries(1, 40, keys=20))
    ours: dict[str, int] = {}
    for entry in await streams.tail(stream, "0-0", 100, 5000):
        ours[entry.subject] = entry.partition
    theirs: dict[str, int] = {}
    producer = Producer({"bootstrap.servers": kafka.address, "partitioner": "murmur2_random"})

    def delivered(_: object, message: Any) -> None:
        theirs[message.key().decode()] = message.partition()

    for key in ours:
        producer.produce(stream, key=key.encode(), value=b"", on_delivery=delivered)
    await asyncio.to_thread(producer.flush, 10)
    assert len(ours) == 20
    assert set(ours.values()) == {0, 1, 2}
    assert theirs == ours


async def test_each_effect_happens_once_and_in_the_order_of_its_key_across_restarts(
    database: Database, streams: KafkaStreams, kafka: KafkaBroker, record: Record, ledger: Ledger
) -> None:
    rounds = 8
    async with working(Relay(database, streams, SETTINGS)):
        for round_ in range(rounds):
            await record(*KEYS)
            if round_ % 3 == 1:  # the group ends and begins again, on connections of its own
                reading = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=3)
                async with consuming(consumer_of(database, ledger, reading)):
                    await ledger.wait_effects((round_ + 1) * len(KEYS))
                await reading.close()
    async with consuming(consumer_of(database, ledger, streams)):
        await ledger.wait_effects(rounds * len(KEYS))
    assert_once_and_in_order(await ledger.effects(), rounds)
    assert set(await places(database)) == {0, 1, 2}
    assert (await verify(database, streams, [group_of(ledger)])).holds


async def test_what_left_a_partition_before_the_group_read_it_comes_from_the_outbox(
    database: Database, streams: KafkaStreams, record: Record, ledger: Ledger
) -> None:
    rounds = 6
    async with working(Relay(database, streams, SETTINGS)):
        for _ in range(rounds - 1):
            await record(*KEYS)
        await arrived(streams, (rounds - 1) * len(KEYS))
        await streams.trim(STREAM, (await streams.ids_after(STREAM, "0-0", 1000))[20])
        held = await streams.length(STREAM)
        await record(*KEYS)
        await arrived(streams, held + len(KEYS))
    async with consuming(consumer_of(database, ledger, streams)):
        await ledger.wait_effects(rounds * len(KEYS))
    assert_once_and_in_order(await ledger.effects(), rounds)
    assert (await verify(database, streams, [group_of(ledger)])).holds


async def test_a_partition_that_was_trimmed_to_nothing_is_reloaded_too(
    database: Database, streams: KafkaStreams, record: Record, ledger: Ledger
) -> None:
    async with working(Relay(database, streams, SETTINGS)):
        await record(*KEYS)
        await arrived(streams, len(KEYS))
        await streams.trim(STREAM, "9999999999999-0")
        assert await streams.length(STREAM) == 1
        async with consuming(consumer_of(database, ledger, streams)):
            await ledger.wait_effects(len(KEYS))
            await wait_places(database, dict.fromkeys(range(3), await streams.last_id(STREAM)))
    assert_once_and_in_order(await ledger.effects(), 1)
    assert (await verify(database, streams, [group_of(ledger)])).holds


async def test_a_partition_without_entries_does_not_hold_the_stream_back(
    database: Database, streams: KafkaStreams, kafka: KafkaBroker, record: Record, ledger: Ledger
) -> None:
    """All events are of one key: two partitions stay empty, and are read to the same end."""
    async with working(Relay(database, streams, SETTINGS)), consuming(consumer_of(database, ledger, streams)):
        for _ in range(5):
            await record("k1")
        await ledger.wait_effects(5)
        end = await streams.last_id(STREAM)
        await wait_places(database, dict.fromkeys(range(3), end))
        async with database.transaction() as tx:
            await tx.execute(text("UPDATE group_positions SET entry_id = '0-0' WHERE partition = :p"),
                             {"p": (partition_of("k1", 3) + 1) % 3})  # fmt: skip
        await lag.sample(database, group_of(ledger))
    async with database.transaction() as tx:
        newest = (await tx.execute(text("SELECT events FROM group_lag ORDER BY at DESC LIMIT 1"))).scalar_one()
    assert newest == 0, "what the other partitions have taken charge of is no lag"
    assert await asyncio.to_thread(kafkas_lag, kafka) == 0


def kafkas_lag(kafka: KafkaBroker) -> int:
    """As Kafka's own tools compute it."""
    asking = KafkaConsumer({"bootstrap.servers": kafka.address, "group.id": GROUP})
    total = 0
    for place in asking.committed([TopicPartition(STREAM, number) for number in range(3)], timeout=10):
        _, high = asking.get_watermark_offsets(TopicPartition(STREAM, place.partition), timeout=10)
        total += high - max(0, place.offset)
    asking.close()
    return total


async def read_on(streams: KafkaStreams, stream: str) -> None:
    while True:
        await streams.read("proof", "one", [stream], 50, 500)


async def test_a_group_notices_that_its_topic_was_made_anew(streams: KafkaStreams, stream: str) -> None:
    """In the new one, later entries stand at the offsets where it was: reading on would leave some out."""
    given = entries(1, 150)
    for start in range(0, 40, 5):
        expected = given[start - 1].entry_id if start else "0-0"
        await streams.append(stream, expected, given[start : start + 5])
    await streams.seek("proof", "one", {(stream, 0): "0-0"})
    read = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(read) < 40:
            read += (await streams.read("proof", "one", [stream], 50, 500)).entries
    resting = streams._groups["proof", "one"]._consumer  # its fetches stop, as those of a process that is paused
    resting.pause(resting.assignment())
    await streams.clear(stream)
    await streams.append(stream, "0-0", given)
    resting.resume(resting.assignment())
    with pytest.raises(StreamBusy) as noticed:
        await asyncio.wait_for(read_on(streams, stream), WAIT_SECONDS)
    assert noticed.value.code == "rebuilt"
    await streams.seek("proof", "one", {(stream, n): given[39].entry_id for n in range(3)})
    again: list[str] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(again) < 110:
            again += [entry.entry_id for entry in (await streams.read("proof", "one", [stream], 50, 500)).entries]
    assert sorted(again, key=position) == [entry.entry_id for entry in given[40:]]


async def test_a_topic_that_goes_while_a_group_looks_for_its_place_is_busy(
    streams: KafkaStreams, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams.append(stream, "0-0", entries(1, 1))
    monkeypatch.setattr(streams._log, "decided", lambda _: {})
    with pytest.raises(StreamBusy, match="0 partitions now"):
        await streams.seek("proof", "one", {(stream, 0): "0-0"})


async def test_a_topic_made_anew_under_the_writer_is_noticed_before_anything_is_committed(
    kafka: KafkaBroker, streams: KafkaStreams, stream: str
) -> None:
    given = entries(1, 30)
    await streams.append(stream, "0-0", given[:20])
    await asyncio.to_thread(remove, kafka, stream)
    admin = AdminClient({"bootstrap.servers": kafka.address})
    await asyncio.to_thread(lambda: admin.create_topics([NewTopic(stream, 3, 1)])[stream].result(10))
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with pytest.raises((LastIdMismatch, StreamBusy)) as noticed:
                await streams.append(stream, given[19].entry_id, given[20:])
            if isinstance(noticed.value, LastIdMismatch):
                break
    assert noticed.value.actual == "0-0"
    await streams.append(stream, "0-0", given)
    assert await streams.entries_after(stream, "0-0", 100) == given


async def test_partitions_that_were_added_are_refused_until_the_stream_is_rebuilt(
    kafka: KafkaBroker, database: Database, streams: KafkaStreams, record: Record, ledger: Ledger
) -> None:
    async with working(Relay(database, streams, SETTINGS)), consuming(consumer_of(database, ledger, streams)):
        await record(*KEYS)
        await ledger.wait_effects(len(KEYS))
    admin = AdminClient({"bootstrap.servers": kafka.address})
    await asyncio.to_thread(lambda: admin.create_partitions([NewPartitions(STREAM, 5)])[STREAM].result(10))
    other = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=5)  # a group may be the one to make it anew
    async with asyncio.timeout(WAIT_SECONDS):
        while await other.partitions(STREAM) != 5:
            pass
    with pytest.raises(StreamRefused) as refused:
        await other.append(STREAM, await other.last_id(STREAM), entries(1, 1))
    assert refused.value.code == "repartitioned"
    assert "rebuild" in str(refused.value)
    relay = Relay(database, other, SETTINGS)
    async with working(relay):
        async with database.transaction() as tx:
            await tx.execute(text("UPDATE relay_positions SET rebuild = true"))
        await record(*KEYS)
        async with consuming(consumer_of(database, ledger, other)):
            await ledger.wait_effects(2 * len(KEYS))
    assert_once_and_in_order(await ledger.effects(), 2)
    assert set(await places(database)) == {0, 1, 2, 3, 4}
    assert (await verify(database, other, [group_of(ledger)])).holds
    await other.close()


async def test_with_another_number_of_partitions_a_group_begins_where_its_slowest_stood(database: Database) -> None:
    lease = GroupLease(database, "proof", "one", 10)
    assert await lease.take()
    slow, fast = "1700000000000-9", "1700000000000-10"

    async def stand(partitions: int) -> dict[tuple[str, int], str]:
        async with database.transaction() as tx:
            return await inbox.positions(tx, Group("proof"), lease.epoch, {"a": partitions})

    assert await stand(2) == {("a", 0): "0-0", ("a", 1): "0-0"}
    async with database.transaction() as tx:
        at = {("a", 0): fast, ("a", 1): slow}
        await inbox.advance(tx, "proof", lease.epoch, dict.fromkeys(at, "0-0"), at, 0)
    assert await stand(2) == {("a", 0): fast, ("a", 1): slow}
    assert await stand(3) == dict.fromkeys([("a", 0), ("a", 1), ("a", 2)], slow)
    assert await stand(1) == {("a", 0): slow}
