"""What goes wrong with Kafka reaches the relay and the groups as the transport's errors, from a real broker each."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs leave it out

from event_stream_engine.backbone.consumers.inbox import by_place, ends
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, StreamBusy, StreamRefused
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.backbone.streams.kafka_log import TopicLog
from event_stream_engine.backbone.streams.kafka_records import Complaints
from event_stream_engine.backbone.streams.opening import Transport, open_transport
from event_stream_engine.embedded import ports
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import load_settings
from tests.conformance.conftest import entries
from tests.conformance.kafka_broker import KafkaBroker, jars
from tests.conformance.kafka_guarded import PASSWORD, STRANGER, USER, GuardedBroker

GROUP = "proof.group"


@pytest.fixture
async def streams(kafka: KafkaBroker) -> AsyncIterator[KafkaStreams]:
    opened = KafkaStreams({"bootstrap.servers": kafka.address}, partitions=3)
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedBroker]:
    broker = GuardedBroker()
    try:
        broker.format()
        broker.start()
        broker.admit()
        yield broker
    finally:
        broker.close()


def secured(broker: GuardedBroker, address: str, **more: str) -> Any:
    """The transport that an operator gets with these settings."""
    environment = {
        "ESE_STREAMS": "kafka", "ESE_KAFKA_BROKERS": address, "ESE_KAFKA_PARTITIONS": "3",
        "ESE_KAFKA_SECURITY": "sasl_plaintext", "ESE_KAFKA_MECHANISM": "PLAIN",
        "ESE_KAFKA_USER": USER, "ESE_KAFKA_PASSWORD": PASSWORD, "ESE_HOME": str(broker.folder), **more,
    }  # fmt: skip
    return open_transport(load_settings(environment))


async def refusal(transport: Transport, stream: str, given: list[Entry]) -> str:
    with pytest.raises(StreamRefused) as refused:
        await transport.append(stream, "0-0", given)
    return refused.value.code


async def used_fully(transport: Transport, stream: str) -> None:
    """All that the relay and a group do with a stream."""
    given = entries(1, 40)
    await transport.append(stream, "0-0", given[:30])
    await transport.append(stream, given[29].entry_id, given[30:])
    await transport.seek(GROUP, "one", {(stream, 0): "0-0"})
    found: list[str] = []
    async with asyncio.timeout(30):
        while len(found) < 40:
            read = (await transport.read(GROUP, "one", [stream], 50, 500)).entries
            await transport.acknowledge(GROUP, ends(by_place(read)))
            found += [entry.entry_id for entry in read]
    await transport.caught_up(GROUP, "one")
    assert await transport.trim(stream, given[20].entry_id) == 20
    await transport.clear(stream)
    assert await transport.last_id(stream) == "0-0"


async def test_an_entry_larger_than_the_topic_takes_is_refused_and_nothing_is_appended(
    kafka: KafkaBroker, streams: KafkaStreams, stream: str
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.address})
    topic = NewTopic(stream, 3, 1, config={"max.message.bytes": "4000"})
    await asyncio.to_thread(lambda: admin.create_topics([topic])[stream].result(10))
    given = entries(1, 9)
    given[8] = Entry(given[8].entry_id, {**given[8].fields, "data": '{"text": "' + _noise(20_000) + '"}'})
    assert await refusal(streams, stream, given) == "too_large"
    assert await streams.last_id(stream) == "0-0"
    await streams.append(stream, "0-0", given[:8])
    assert await streams.entries_after(stream, "0-0", 100) == given[:8]


def _noise(size: int) -> str:
    """Text that does not compress."""
    return secrets.token_hex(size // 2)


async def test_a_name_that_kafka_does_not_take_is_refused(streams: KafkaStreams) -> None:
    assert await refusal(streams, "a name with blanks", entries(1, 1)) == "topic"


async def test_more_replicas_than_brokers_are_refused(kafka: KafkaBroker, stream: str) -> None:
    streams = KafkaStreams({"bootstrap.servers": kafka.address}, replicas=3)
    assert await refusal(streams, stream, entries(1, 1)) == "replication"
    await streams.close()


async def test_a_topic_that_was_deleted_is_busy_or_empty_and_then_filled_anew(
    kafka: KafkaBroker, streams: KafkaStreams, stream: str
) -> None:
    """The broker makes no topics by itself; the relay does, when it has seen that there is none."""
    given = entries(1, 20)
    await streams.append(stream, "0-0", given[:10])
    admin = AdminClient({"bootstrap.servers": kafka.address})
    await asyncio.to_thread(lambda: admin.delete_topics([stream])[stream].result(10))
    async with asyncio.timeout(60):
        while True:
            with pytest.raises((StreamBusy, LastIdMismatch)) as error:
                await streams.append(stream, given[9].entry_id, given[10:])
            assert not isinstance(error.value, StreamRefused)
            if isinstance(error.value, LastIdMismatch):
                break
    assert error.value.actual == "0-0"
    await streams.append(stream, "0-0", given)
    assert await streams.entries_after(stream, "0-0", 100) == given


async def test_a_writer_that_another_one_fenced_is_busy(kafka: KafkaBroker, streams: KafkaStreams, stream: str) -> None:
    given = entries(1, 20)
    await streams.append(stream, "0-0", given[:5])
    other = KafkaStreams({"bootstrap.servers": kafka.address})
    await other.append(stream, given[4].entry_id, given[5:10])
    with pytest.raises(StreamBusy) as busy:
        await streams.append(stream, given[4].entry_id, given[5:10])
    assert busy.value.code == "fenced"
    await other.close()


class _BetweenLeaders:
    """librdkafka's consumer at a partition whose leader changes: it refuses so often, then it answers."""

    def __init__(self, refusals: list[int]) -> None:
        self.refusals = refusals

    def get_watermark_offsets(self, partition: TopicPartition, seconds: float) -> tuple[int, int]:
        if self.refusals:
            raise KafkaException(KafkaError(self.refusals.pop()))
        return (3, 7)


class _Log(TopicLog):
    def __init__(self, consumer: _BetweenLeaders) -> None:
        super().__init__({}, Complaints())
        self.consumer = consumer

    def _looking(self) -> Any:
        return self.consumer


def test_a_partition_between_two_leaders_is_waited_for_and_nothing_else_is(stream: str) -> None:
    waited = [KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]
    assert _Log(_BetweenLeaders(waited)).ends(stream, 0) == (3, 7)
    assert waited == []
    others = [KafkaError.LEADER_NOT_AVAILABLE, KafkaError.TOPIC_AUTHORIZATION_FAILED]
    with pytest.raises(KafkaException) as refused:
        _Log(_BetweenLeaders(others)).ends(stream, 0)
    assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert others == [KafkaError.LEADER_NOT_AVAILABLE]


async def test_nobody_there_is_busy(stream: str) -> None:
    streams = KafkaStreams({"bootstrap.servers": f"127.0.0.1:{ports.any_free()}", "socket.timeout.ms": 1000})
    with pytest.raises(StreamBusy) as busy:
        await streams.last_id(stream)
    assert not isinstance(busy.value, StreamRefused)
    assert busy.value.code in ("connection", "timeout")
    await streams.close()


async def test_a_broker_that_is_down_is_busy_and_back_again_it_holds_what_was_appended(stream: str) -> None:
    broker = KafkaBroker(jars())
    given = entries(1, 30)
    try:
        await asyncio.to_thread(broker.format)
        await asyncio.to_thread(broker.start)
        streams = KafkaStreams({"bootstrap.servers": broker.address}, partitions=3)
        await streams.append(stream, "0-0", given[:10])
        await asyncio.to_thread(broker.stop, kill=True)
        with pytest.raises(StreamBusy) as busy:
            await streams.append(stream, given[9].entry_id, given[10:20])
        assert busy.value.code in ("connection", "timeout")
        await asyncio.to_thread(broker.start)
        await complete(streams, stream, given)
        assert await streams.trim(stream, given[15].entry_id) == 15
        await streams.close()
    finally:
        await asyncio.to_thread(broker.close)


async def complete(streams: KafkaStreams, stream: str, given: list[Entry]) -> None:
    """As a lane does: ask where it ends, append what is missing, again and again. A refusal ends the test."""
    ids = ["0-0", *(entry.entry_id for entry in given)]
    async with asyncio.timeout(60):
        while True:
            try:
                actual = await streams.last_id(stream)
                if actual == ids[-1]:
                    break
                await streams.append(stream, actual, given[ids.index(actual) :])
            except (StreamBusy, LastIdMismatch) as error:
                if isinstance(error, StreamRefused):
                    raise
    assert await streams.entries_after(stream, "0-0", 100) == given


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_user_with_a_password_and_the_documented_rights_can_do_everything(
    guarded: GuardedBroker, stream: str, mechanism: str
) -> None:
    async with secured(guarded, guarded.password, ESE_KAFKA_MECHANISM=mechanism) as transport:
        await used_fully(transport, stream)


async def test_over_tls_the_brokers_certificate_is_checked(guarded: GuardedBroker, stream: str) -> None:
    over_tls = {"ESE_KAFKA_SECURITY": "sasl_ssl"}
    async with secured(guarded, guarded.tls, **over_tls, ESE_KAFKA_CA_FILE=str(guarded.ca_file)) as transport:
        await used_fully(transport, stream)
    async with secured(guarded, guarded.tls, **over_tls) as transport:
        assert await refusal(transport, stream, entries(1, 1)) == "tls"


async def test_a_wrong_password_is_refused_as_such(guarded: GuardedBroker, stream: str) -> None:
    async with secured(guarded, guarded.password, ESE_KAFKA_PASSWORD="another") as transport:
        assert await refusal(transport, stream, entries(1, 1)) == "noauth"


async def test_a_user_without_the_rights_is_refused_as_such(guarded: GuardedBroker, stream: str) -> None:
    async with secured(guarded, guarded.password, ESE_KAFKA_USER=STRANGER) as transport:
        assert await refusal(transport, stream, entries(1, 1)) == "noperm"


async def test_a_password_that_is_missing_is_named_before_anything_is_tried(guarded: GuardedBroker) -> None:
    with pytest.raises(Invalid, match="ESE_KAFKA_PASSWORD"):
        async with secured(guarded, guarded.password, ESE_KAFKA_PASSWORD=""):
            pass
