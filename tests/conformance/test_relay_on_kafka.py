"""The relay itself, on Kafka, whose broker is killed and comes back while it works."""

import asyncio

import msgspec
from confluent_kafka import Producer
from sqlalchemy import text

from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams import StreamBusy
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database
from tests.backbone.conftest import SETTINGS, STREAM, Record, facts, record, working  # noqa: F401  # fixtures
from tests.backbone.test_consumers import Ledger, consuming, group_of, ledger  # noqa: F401  # fixtures
from tests.conformance.conftest import arrived
from tests.conformance.kafka_broker import KafkaBroker

KEYS = [f"k{number}" for number in range(7)]


async def test_a_broker_killed_in_mid_run_leaves_no_gap_no_double_and_the_order_of_each_key(
    database: Database,
    kafka: KafkaBroker,
    record: Record,  # noqa: F811
) -> None:
    streams = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=3)
    recorded = []
    try:
        async with working(Relay(database, streams, SETTINGS)):
            for round_ in range(60):
                recorded += await record(*KEYS)
                if round_ == 20:
                    await arrived(streams, len(KEYS))
                    await asyncio.to_thread(kafka.stop, kill=True)
                if round_ == 40:
                    await asyncio.to_thread(kafka.start)
            await arrived(streams, len(recorded))
        found = await streams.entries_after(STREAM, "0-0", 10_000)
    finally:
        await streams.close()
    assert len(found) == len(recorded)
    assert {entry.fields["id"] for entry in found} == {str(event_id) for event_id in recorded}
    versions: dict[str, int] = {}
    for entry in found:
        fact = msgspec.json.decode(entry.fields["data"])
        assert fact["version"] == versions.get(fact["entity"], 0) + 1
        versions[fact["entity"]] = fact["version"]


async def test_what_others_wrote_into_a_topic_is_taken_out_and_no_group_misses_an_event(
    database: Database,
    kafka: KafkaBroker,
    record: Record,  # noqa: F811
    ledger: Ledger,  # noqa: F811
) -> None:
    """Also what an earlier version of ours wrote, which named no log: the relay fills the topic again."""
    topic = "proof.fact.v1"
    streams = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=3)
    await streams.clear(topic)
    reading = KafkaStreams({"bootstrap.servers": kafka.address})
    consumer = Consumer(group_of(ledger), database, reading, SETTINGS, name="one")
    async with working(Relay(database, streams, SETTINGS)), consuming(consumer):
        await record(*KEYS)
        await ledger.wait_effects(len(KEYS))
        last = (await streams.entries_after(topic, "0-0", 100))[-1]
        old = [(f"ce_{name}", value) for name, value in last.fields.items() if name != "data"]
        producer = Producer({"bootstrap.servers": kafka.address})
        producer.produce(topic, last.fields["data"], "k1", headers=[*old, ("ese_entryid", last.entry_id)])
        await asyncio.to_thread(producer.flush, 10)
        await record(*KEYS)
        await ledger.wait_effects(2 * len(KEYS))
        async with asyncio.timeout(60):
            while len(await _ids(streams, topic)) != 2 * len(KEYS):
                async with database.transaction() as tx:
                    await tx.execute(text("SELECT pg_sleep(0.1)"))
    assert (await verify(database, streams, [group_of(ledger)])).holds
    await reading.close()
    await streams.close()


async def _ids(streams: KafkaStreams, topic: str) -> list[str]:
    try:
        return await streams.ids_after(topic, "0-0", 1000)
    except StreamBusy:
        return []
