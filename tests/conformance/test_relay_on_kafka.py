"""The relay itself, on Kafka, whose broker is killed and comes back while it works."""

import asyncio

import msgspec

from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.database import Database
from tests.backbone.conftest import SETTINGS, STREAM, Record, facts, record, working  # noqa: F401  # fixtures
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
                    async with asyncio.timeout(30):
                        while await streams.length(STREAM) < len(KEYS):
                            await streams.tail(STREAM, await streams.last_id(STREAM), 1, 200)
                    await asyncio.to_thread(kafka.stop, kill=True)
                if round_ == 40:
                    await asyncio.to_thread(kafka.start)
            async with asyncio.timeout(60):
                while await streams.length(STREAM) < len(recorded):
                    await streams.tail(STREAM, await streams.last_id(STREAM), 1, 200)
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
