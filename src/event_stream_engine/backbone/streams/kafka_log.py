"""A Kafka topic as a stream: what a record holds, and how a topic is looked at from its ends.

Everything here blocks; `KafkaStreams` calls it on threads of its own.
"""

import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_stream_engine.backbone.streams import Entry, StreamBusy, StreamRefused, position

CALL_SECONDS = 10.0
_TAIL_RECORDS = 64
_READ_AT_ONCE = 500
_ID, _NUMBER = "ese_entryid", "ese_number"
_NOT_FIELDS = frozenset({"ce_specversion", "ce_source"})

_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "noperm",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "noperm",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "noperm",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "noperm",
    KafkaError._AUTHENTICATION: "noauth",
    KafkaError.SASL_AUTHENTICATION_FAILED: "noauth",
    KafkaError.MSG_SIZE_TOO_LARGE: "too_large",
    KafkaError.RECORD_LIST_TOO_LARGE: "too_large",
    KafkaError.TOPIC_EXCEPTION: "topic",
    KafkaError.POLICY_VIOLATION: "policy",
    KafkaError.INVALID_REPLICATION_FACTOR: "replication",
}
_BUSY = {
    KafkaError._TRANSPORT: "connection",
    KafkaError._ALL_BROKERS_DOWN: "connection",
    KafkaError._RESOLVE: "connection",
    KafkaError._TIMED_OUT: "timeout",
    KafkaError._MSG_TIMED_OUT: "timeout",
    KafkaError.REQUEST_TIMED_OUT: "timeout",
    KafkaError._FENCED: "fenced",
    KafkaError.PRODUCER_FENCED: "fenced",
    KafkaError.INVALID_PRODUCER_EPOCH: "fenced",
    KafkaError.NOT_ENOUGH_REPLICAS: "noreplicas",
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND: "noreplicas",
}


@contextmanager
def mapped(stream: str) -> Iterator[None]:
    """Kafka's errors as the transport's: `StreamRefused` where somebody must act, else `StreamBusy`."""
    try:
        yield
    except KafkaException as error:
        cause = error.args[0]
        if not isinstance(cause, KafkaError):
            raise StreamBusy(stream, "other", str(error)) from error
        if cause.code() in _REFUSED:
            raise StreamRefused(stream, _REFUSED[cause.code()], cause.str()) from error
        raise StreamBusy(stream, _BUSY.get(cause.code(), cause.name().lower().lstrip("_")), cause.str()) from error
    except BufferError as error:  # the producer's queue is full
        raise StreamBusy(stream, "buffer", str(error)) from error


class Record(NamedTuple):
    """An entry where it lies. `number` counts the entries of a stream from 1 on; 0 for what somebody else wrote."""

    partition: int
    offset: int
    number: int
    entry: Entry

    @property
    def at(self) -> tuple[int, int]:
        return position(self.entry.entry_id)


def partition_of(key: str, partitions: int) -> int:
    """Where a key's entries lie: CRC-32, as librdkafka's `consistent` partitioner."""
    return zlib.crc32(key.encode()) % partitions


def headers_of(stream: str, entry: Entry, number: int) -> list[tuple[str, str | bytes | None]]:
    """CloudEvents 1.0, binary content mode of the Kafka protocol binding, and our two."""
    attributes: list[tuple[str, str | bytes | None]] = [
        (f"ce_{name}", value.encode()) for name, value in entry.fields.items() if name != "data"
    ]
    return [
        *attributes,
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/streams/{stream}".encode()),
        ("content-type", b"application/json"),
        (_ID, entry.entry_id.encode()),
        (_NUMBER, str(number).encode()),
    ]


def record_of(message: Message) -> Record:
    """What the message holds. Where somebody else wrote it, its id is `<its time>-<its offset>`, without fields."""
    partition, offset = message.partition() or 0, message.offset() or 0
    headers = {name: value for name, value in _headers(message) if isinstance(value, bytes)}
    try:
        entry_id = headers[_ID].decode()
        position(entry_id)
        fields = {n[3:]: v.decode() for n, v in headers.items() if n.startswith("ce_") and n not in _NOT_FIELDS}
        value = message.value() or b""
        fields["data"] = value.decode() if isinstance(value, bytes) else value
        return Record(partition, offset, int(headers[_NUMBER]), Entry(entry_id, fields))
    except (KeyError, ValueError):  # UnicodeDecodeError is one
        return Record(partition, offset, 0, Entry(f"{max(0, message.timestamp()[1])}-{offset}", {}))


def _headers(message: Message) -> list[tuple[str, Any]]:
    headers = message.headers() or []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)


class TopicLog:
    """Looks at topics; only committed records are seen."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration = {
            **configuration,
            "group.id": "ese-looking",  # never subscribed, never committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        self._consumer: Consumer | None = None
        self._lock = threading.RLock()

    def close(self) -> None:
        """Forget all; the next look connects anew."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def partitions(self, stream: str) -> int:
        """How many the topic has; 0 where there is no such topic."""
        with self._lock:
            topic = self._looking().list_topics(stream, timeout=CALL_SECONDS).topics[stream]
        if topic.error is None:
            return len(topic.partitions)
        if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return 0
        raise KafkaException(topic.error)

    def ends(self, stream: str, partition: int) -> tuple[int, int]:
        """The first offset held, and the one after the last committed."""
        with self._lock:
            found = self._looking().get_watermark_offsets(TopicPartition(stream, partition), CALL_SECONDS)
        if found is None:
            raise StreamBusy(stream, "timeout", "no watermarks")
        return found

    def offsets_at(self, stream: str, tick_ms: int) -> dict[int, int]:
        """Per partition an offset at or before the first record of `tick_ms` or later; -1: there is none.

        A transaction's marker carries the broker's time, so the offset may lie before the record, never after it.
        """
        asked = [TopicPartition(stream, number, tick_ms) for number in range(self.partitions(stream))]
        if not asked:
            return {}
        with self._lock:
            answered = self._looking().offsets_for_times(asked, timeout=CALL_SECONDS)
        for found in answered:
            if found.error is not None:
                raise KafkaException(found.error)
        return {found.partition: found.offset for found in answered}

    def after(self, stream: str, entry_id: str, limit: int) -> list[Record]:
        """Records whose ids are greater, in the order of their ids, at most `limit`."""
        starts = {n: at for n, at in self.offsets_at(stream, position(entry_id)[0]).items() if at >= 0}
        found = self.records(stream, starts, limit, after=position(entry_id))
        return sorted((record for each in found.values() for record in each), key=lambda r: r.at)[:limit]

    def head(self, stream: str) -> Record | None:
        """The oldest entry."""
        starts = {number: self.ends(stream, number)[0] for number in range(self.partitions(stream))}
        firsts = [each[0] for each in self.records(stream, starts, 1).values() if each]
        return min(firsts, key=lambda record: record.at, default=None)

    def tail(self, stream: str) -> Record | None:
        """The newest entry. An append is one transaction, so every smaller entry is there too."""
        lasts = [self._last(stream, number) for number in range(self.partitions(stream))]
        return max((record for record in lasts if record), key=lambda record: record.at, default=None)

    def _last(self, stream: str, partition: int) -> Record | None:
        low, high = self.ends(stream, partition)
        span = _TAIL_RECORDS
        while high > low:  # markers and aborted records may fill the last offsets
            start = max(low, high - span)
            found = self.records(stream, {partition: start}, None)[partition]
            if found:
                return found[-1]
            if start == low:
                break
            span *= 16
        return None

    def records(
        self, stream: str, starts: Mapping[int, int], limit: int | None, after: tuple[int, int] = (-1, -1)
    ) -> dict[int, list[Record]]:
        """Per partition the records from an offset on, at most `limit`; None keeps the last one only."""
        found: dict[int, list[Record]] = {partition: [] for partition in starts}
        unread = set(starts)
        if not starts:
            return found
        # A consumer of its own: after assign() an earlier assignment's records and ends may still come.
        consumer = Consumer(self._configuration)
        try:
            consumer.assign([TopicPartition(stream, number, offset) for number, offset in starts.items()])
            while unread:
                for message in self._some(stream, consumer):
                    _sort_in(message, found, unread, limit, after)
        finally:
            consumer.close()
        return found

    def _some(self, stream: str, consumer: Consumer) -> list[Message]:
        """At least one message or the news that a partition has ended; librdkafka's `consume` would wait for all."""
        deadline = time.monotonic() + CALL_SECONDS
        while time.monotonic() < deadline:
            first = consumer.poll(0.5)
            if first is not None:
                return [first, *consumer.consume(_READ_AT_ONCE, 0)]
        raise StreamBusy(stream, "timeout", "nothing was read")

    def _looking(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._configuration)
        return self._consumer


def _sort_in(
    message: Message, found: dict[int, list[Record]], unread: set[int], limit: int | None, after: tuple[int, int]
) -> None:
    error = message.error()
    if error is not None:
        if error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        unread.discard(message.partition() or 0)
        return
    record = record_of(message)
    if record.partition not in unread or record.at <= after:
        return
    if limit is None:
        found[record.partition] = [record]
        return
    found[record.partition].append(record)
    if len(found[record.partition]) >= limit:
        unread.discard(record.partition)
