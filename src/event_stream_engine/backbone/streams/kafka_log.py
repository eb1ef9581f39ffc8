"""A Kafka topic as a log that can be asked: its ends, what follows an entry, what it holds.

Everything here blocks; `KafkaStreams` calls it on threads of its own.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from event_stream_engine.backbone.streams import StreamBusy, position
from event_stream_engine.backbone.streams.kafka_records import Complaints, Record, record_of

CALL_SECONDS = 10.0
_TAIL_RECORDS = 64
_READ_AT_ONCE = 500
_SETTLE_PAUSE_SECONDS = 0.002
_LEADERLESS = frozenset({KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION})
_LEADER_PAUSE_SECONDS = 0.05


def _is_leaderless(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _LEADERLESS


# A partition is between two leaders for a moment: a new topic's, or one whose broker goes. librdkafka waits by itself
# where it reads and writes, but not where it looks.
_led = retry(
    retry=retry_if_exception(_is_leaderless),
    wait=wait_fixed(_LEADER_PAUSE_SECONDS),
    stop=stop_after_delay(CALL_SECONDS),
    reraise=True,
)


class TopicLog:
    """Looks at topics; only committed records are seen. A partition without a leader is waited for, `CALL_SECONDS`
    at most."""

    def __init__(self, configuration: Mapping[str, Any], complaints: Complaints) -> None:
        self._configuration = {
            **configuration,
            "group.id": "ese-looking",  # never subscribed, never committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        self._complaints = complaints
        self._consumer: Consumer | None = None
        self._seeing_all: Consumer | None = None
        self._lock = threading.RLock()

    def close(self) -> None:
        """Forget all; the next look connects anew."""
        with self._lock:
            for consumer in filter(None, (self._consumer, self._seeing_all)):
                consumer.close()
            self._consumer = self._seeing_all = None

    @_led
    def partitions(self, stream: str) -> int:
        """How many the topic has; 0 where there is no such topic."""
        with self._lock, self._complaints.asked(self._looking()):
            topic = self._looking().list_topics(stream, timeout=CALL_SECONDS).topics[stream]
        if topic.error is None:
            return len(topic.partitions)
        if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return 0
        raise KafkaException(topic.error)

    def ends(self, stream: str, partition: int) -> tuple[int, int]:
        """The first offset held, and the one up to which everything is decided: committed or given up."""
        return self._watermarks(self._looking, stream, partition)

    def decided(self, stream: str) -> dict[int, int]:
        """Per partition the offset up to which readers see it."""
        return {number: self.ends(stream, number)[1] for number in range(self.partitions(stream))}

    def written(self, stream: str) -> dict[int, int]:
        """Per partition the offset after its last record, decided or not."""
        partitions = range(self.partitions(stream))
        return {number: self._watermarks(self._undecided, stream, number)[1] for number in partitions}

    def starts_at(self, stream: str, tick_ms: int) -> dict[int, int]:
        """Per partition that has a record of `tick_ms` or later, an offset at or before the first of them.

        A transaction's marker carries the broker's time, so the offset may lie before the record, never after it. A
        broker (4.1) finds nothing as well where the batch it comes upon first was deleted: then it is the beginning,
        if the newest record is late enough.
        """
        asked = [TopicPartition(stream, number, tick_ms) for number in range(self.partitions(stream))]
        if not asked:
            return {}
        starts = {found.partition: found.offset for found in self._at_times(asked) if found.offset >= 0}
        for number, newest in self.tails(stream, [n for n in range(len(asked)) if n not in starts]).items():
            if newest.at[0] >= tick_ms:
                starts[number] = self.ends(stream, number)[0]
        return starts

    def after(self, stream: str, entry_id: str, limit: int) -> list[Record]:
        """Records whose ids are greater, in the order of their ids over all partitions, at most `limit`.

        Of several partitions the end is looked at first, and nothing past it is given: a batch that becomes
        visible meanwhile could be seen in one partition and missed in another.
        """
        upto = None
        if self.partitions(stream) > 1:
            newest = self.tail(stream)
            if newest is None or newest.at <= position(entry_id):
                return []
            upto = newest.at
            self._settle(stream)
        starts = self.starts_at(stream, position(entry_id)[0])
        found = self.records(stream, starts, limit, after=position(entry_id))
        merged = [record for each in found.values() for record in each if upto is None or record.at <= upto]
        return sorted(merged, key=lambda record: record.at)[:limit]

    def heads(self, stream: str, partitions: Iterable[int] | None = None) -> dict[int, Record]:
        """Per partition its oldest entry, where it holds any."""
        wanted = range(self.partitions(stream)) if partitions is None else partitions
        found = self.records(stream, {number: self.ends(stream, number)[0] for number in wanted}, 1)
        return {number: each[0] for number, each in found.items() if each}

    def first_from(self, stream: str, entry_id: str) -> dict[int, Record]:
        """Per partition its first entry at or past an id."""
        tick, seq = position(entry_id)
        found = self.records(stream, self.starts_at(stream, tick), 1, after=(tick, seq - 1))
        return {number: each[0] for number, each in found.items() if each}

    def tail(self, stream: str) -> Record | None:
        """The newest entry. An append is one transaction: what is smaller is there too, or is becoming visible."""
        return max(self.tails(stream).values(), key=lambda record: record.at, default=None)

    def tails(self, stream: str, partitions: Iterable[int] | None = None) -> dict[int, Record]:
        """Per partition its newest entry, where it holds any."""
        found: dict[int, Record] = {}
        wanted = range(self.partitions(stream)) if partitions is None else partitions
        ends = {number: self.ends(stream, number) for number in wanted}
        open_ = {number: (low, high) for number, (low, high) in ends.items() if high > low}
        span = _TAIL_RECORDS
        while open_:  # markers and aborted records may fill the last offsets
            starts = {number: max(low, high - span) for number, (low, high) in open_.items()}
            found |= {number: each[-1] for number, each in self.records(stream, starts, None).items() if each}
            open_ = {n: ends_ for n, ends_ in open_.items() if n not in found and starts[n] > ends_[0]}
            span *= 16
        return found

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

    @_led
    def _watermarks(self, looking: Callable[[], Consumer], stream: str, partition: int) -> tuple[int, int]:
        with self._lock:
            found = looking().get_watermark_offsets(TopicPartition(stream, partition), CALL_SECONDS)
        if found is None:
            raise StreamBusy(stream, "timeout", "no watermarks")
        return found

    @_led
    def _at_times(self, asked: list[TopicPartition]) -> list[TopicPartition]:
        with self._lock:
            answered = self._looking().offsets_for_times(asked, timeout=CALL_SECONDS)
        for found in answered:
            if found.error is not None:
                raise KafkaException(found.error)
        return answered

    def _settle(self, stream: str) -> None:
        """Until everything that is written now is decided in every partition: a commit is answered before its marks
        are in all of them. Raises `StreamBusy` where a transaction stays open."""
        deadline = time.monotonic() + CALL_SECONDS
        for partition, high in self.written(stream).items():
            while self.ends(stream, partition)[1] < high:
                if time.monotonic() > deadline:
                    raise StreamBusy(stream, "timeout", "a transaction stays open")
                time.sleep(_SETTLE_PAUSE_SECONDS)

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

    def _undecided(self) -> Consumer:
        if self._seeing_all is None:
            self._seeing_all = Consumer({**self._configuration, "isolation.level": "read_uncommitted"})
        return self._seeing_all


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
