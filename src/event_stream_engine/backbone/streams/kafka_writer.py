"""Writing topics: one transactional producer per stream. Everything here blocks.

Opening a stream's producer (at the first append, and again after any error) fences every earlier one and ends what
it left open. Only then are the partitions' ends read from the log, so what is compared can no longer change.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition, murmur2
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs leave it out

from event_stream_engine.backbone.streams import Entry, LastIdMismatch, StreamBusy, StreamRefused, position
from event_stream_engine.backbone.streams.kafka_log import CALL_SECONDS, TopicLog
from event_stream_engine.backbone.streams.kafka_records import Record, headers_of, partitions_of_log

_TRANSACTION_MS = 15_000
_RECORD_BYTES_MAX = 64 * 2**20
_CLEAR_SECONDS_MAX = 30.0
_TOPIC_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # time removes nothing: the relay's housekeeping does, when every group has read it
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": str(_RECORD_BYTES_MAX),
}


def partition_of(key: str, partitions: int) -> int:
    """Where a key's entries lie: murmur2, as Kafka's Java client, and librdkafka's `murmur2` partitioner."""
    return murmur2(key.encode(), partitions) if partitions > 1 else 0


@dataclass
class _Writing:
    """A stream's producer, and where its log ends, known since the producer was opened."""

    producer: Producer
    partitions: int
    log: str
    last_id: str
    numbers: dict[int, int]
    """Per partition the newest entry's number."""
    ends: dict[int, int]
    """Per partition the offset that our next record gets, if nobody else writes."""


@dataclass
class _Deliveries:
    """What became of a batch's records: per partition the first and the last offset; and the first failure."""

    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    failed: KafkaError | None = None

    def note(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed = error if self.failed is None else self.failed
            return
        partition, offset = message.partition() or 0, message.offset() or 0
        self.first.setdefault(partition, offset)
        self.last[partition] = offset


@dataclass
class _Stream:
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: _Writing | None = None


class TopicWriter:
    """Appends whole or not at all. Calls of one stream wait for each other: a canceled one may still be at work."""

    def __init__(
        self, configuration: Mapping[str, Any], log: TopicLog, admin: AdminClient, partitions: int, replicas: int
    ) -> None:
        self._configuration = configuration
        self._log = log
        self._admin = admin
        self._partitions = partitions
        self._replicas = replicas
        self._streams: dict[str, _Stream] = {}
        self._making = threading.Lock()

    def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        state = self._state(stream)
        with state.lock:
            writing = state.writing or self._open(stream)
            state.writing = None  # whatever goes wrong from here on: open anew, look, compare
            try:
                if writing.last_id != expected:
                    raise LastIdMismatch(stream, expected, writing.last_id)
                self._write(stream, writing, entries)
            except (KafkaException, BufferError, StreamBusy, LastIdMismatch):
                _discard(writing.producer)
                raise
            writing.last_id = entries[-1].entry_id
            state.writing = writing

    def ensure(self, stream: str) -> int:
        """The number of partitions; creates the topic where it is missing."""
        return self._log.partitions(stream) or self._create(stream, self._partitions)

    def trim(self, stream: str, before: str) -> int:
        """The newest entry of all stays: it tells where the stream ends."""
        tails, heads = self._log.tails(stream), self._log.heads(stream)
        newest = max(tails.values(), key=lambda record: record.at, default=None)
        if newest is None or all(head.at >= position(before) for head in heads.values()):
            return 0
        kept = self._log.first_from(stream, before)
        kept.setdefault(newest.partition, newest)
        cuts, removed = [], 0
        for partition, head in heads.items():
            stays, last = kept.get(partition), tails[partition]
            cut = stays.offset if stays else last.offset + 1
            removed += (stays.number if stays else last.number + 1) - head.number
            if cut > head.offset:
                cuts.append(TopicPartition(stream, partition, cut))
        if not cuts:
            return 0
        for result in self._admin.delete_records(cuts).values():
            result.result(CALL_SECONDS)
        return removed

    def clear(self, stream: str) -> None:
        """Delete and create again, with as many partitions; a deleted name is free only when every broker has let
        go of it."""
        state = self._state(stream)
        with state.lock:
            self._end(state)
            had = self._log.partitions(stream)
            if had:
                self._admin.delete_topics([stream], operation_timeout=CALL_SECONDS)[stream].result(CALL_SECONDS)
            deadline = time.monotonic() + _CLEAR_SECONDS_MAX
            while self._log.partitions(stream):
                if time.monotonic() > deadline:
                    raise StreamBusy(stream, "timeout", "the topic is still being deleted")
                time.sleep(0.05)
            self._log.close()  # it knows offsets of the topic that was
            self._create(stream, had or self._partitions)

    def close(self) -> None:
        for state in self._streams.values():
            with state.lock:
                self._end(state)

    def _state(self, stream: str) -> _Stream:
        with self._making:
            return self._streams.setdefault(stream, _Stream())

    def _end(self, state: _Stream) -> None:
        if state.writing is not None:
            _discard(state.writing.producer)
            state.writing = None

    def _open(self, stream: str) -> _Writing:
        partitions = self.ensure(stream)
        producer = Producer(
            {
                **self._configuration,
                "transactional.id": f"ese.{stream}",
                "transaction.timeout.ms": _TRANSACTION_MS,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.max.bytes": _RECORD_BYTES_MAX,
                "queue.buffering.max.messages": 1_000_000,
                "compression.type": "lz4",
            }
        )
        try:
            producer.init_transactions(CALL_SECONDS)
            ends = self._log.decided(stream)  # looked at first: what somebody adds meanwhile is seen by the next append
            tails = self._log.tails(stream)
            log = _log_of(stream, tails, partitions)
        except (KafkaException, StreamBusy):
            _discard(producer)
            raise
        newest = max(tails.values(), key=lambda record: record.at, default=None)
        return _Writing(
            producer,
            partitions,
            log,
            newest.entry.entry_id if newest else "0-0",
            {partition: record.number for partition, record in tails.items()},
            ends,
        )

    def _write(self, stream: str, writing: _Writing, entries: Sequence[Entry]) -> None:
        """Returns when readers see it: a commit is decided before its markers are in the partitions."""
        producer, deliveries = writing.producer, _Deliveries()
        producer.begin_transaction()
        for entry in entries:
            fields = entry.fields
            partition = partition_of(fields["subject"], writing.partitions)
            number = writing.numbers[partition] = writing.numbers.get(partition, 0) + 1
            producer.produce(
                stream,
                value=fields["data"].encode(),
                key=fields["subject"].encode(),
                partition=partition,
                timestamp=position(entry.entry_id)[0],
                headers=headers_of(stream, entry, writing.log, number),
                on_delivery=deliveries.note,
            )
        waiting = _flush(producer)
        if deliveries.failed is not None:  # a commit would only say that something failed
            raise KafkaException(deliveries.failed)
        if waiting:
            raise StreamBusy(stream, "timeout", f"{waiting} records were not acknowledged")
        if any(offset != writing.ends[partition] for partition, offset in deliveries.first.items()):
            producer.abort_transaction(CALL_SECONDS)
            raise StreamBusy(stream, "foreign", "somebody else wrote to the topic, or made it anew")
        producer.commit_transaction(CALL_SECONDS)
        writing.ends |= self._await_visible(stream, deliveries.last)

    def _await_visible(self, stream: str, written: Mapping[int, int]) -> dict[int, int]:
        """The new ends: past the last record there is the transaction's mark."""
        deadline = time.monotonic() + CALL_SECONDS
        for partition, offset in written.items():
            while self._log.ends(stream, partition)[1] <= offset:
                if time.monotonic() > deadline:
                    raise StreamBusy(stream, "timeout", "committed, and not visible yet")
                time.sleep(0.001)
        return {partition: offset + 2 for partition, offset in written.items()}

    def _create(self, stream: str, partitions: int) -> int:
        topic = NewTopic(stream, partitions, self._replicas, config=_TOPIC_SETTINGS)
        try:
            self._admin.create_topics([topic], operation_timeout=CALL_SECONDS)[stream].result(CALL_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        return self._await_partitions(stream)

    def _await_partitions(self, stream: str) -> int:
        deadline = time.monotonic() + CALL_SECONDS
        while time.monotonic() < deadline:
            partitions = self._log.partitions(stream)
            with contextlib.suppress(KafkaException):  # until each partition has a leader
                for partition in range(partitions):
                    self._log.ends(stream, partition)
                if partitions:
                    return partitions
            time.sleep(0.05)
        raise StreamBusy(stream, "timeout", "the topic was created and is not there yet")


def _log_of(stream: str, tails: Mapping[int, Record], partitions: int) -> str:
    """The name of the log that the topic holds, a new one where it is empty. Raises `StreamRefused` where partitions
    were added: keys would lie in two."""
    newest = max((record for record in tails.values() if record.number), key=lambda record: record.at, default=None)
    if newest is None:
        return f"{secrets.token_hex(6)}/{partitions}"
    laid_out = partitions_of_log(newest.log)
    if laid_out != partitions:
        raise StreamRefused(
            stream,
            "repartitioned",
            f"the topic has {partitions} partitions, its entries are laid out for {laid_out}: rebuild the stream "
            f"(POST /api/v1/backbone/streams/{stream}/rebuild), which fills it again from the outbox",
        )
    return newest.log


def _flush(producer: Producer) -> int:
    """How many records are not acknowledged in time. confluent-kafka (2.16) may report a delivery while a fatal error
    of its own is being raised, which Python then shows as a `SystemError`."""
    try:
        return producer.flush(CALL_SECONDS)
    except SystemError as error:
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from error
        raise


def _discard(producer: Producer) -> None:
    """Without waiting for what is on its way: the next producer of the same id fences it."""
    with contextlib.suppress(KafkaException, SystemError):
        producer.purge()
        producer.flush(0)
