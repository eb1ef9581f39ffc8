"""One group's reading of Kafka: partitions assigned, never balanced; PostgreSQL says who reads and where from."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_stream_engine.backbone.streams import FOREIGN, envelope, position
from event_stream_engine.backbone.streams.kafka_log import record_of
from event_stream_engine.events.base import Envelope

_QUEUE_KILOBYTES = 16_384


class GroupReader:
    """Blocking. `starts` gives per stream and partition an offset to read from and the entry id to read
    after; records up to it are skipped."""

    def __init__(
        self, configuration: Mapping[str, Any], group: str, starts: Mapping[tuple[str, int], tuple[int, str]]
    ) -> None:
        self._consumer = Consumer(
            {
                **configuration,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": _QUEUE_KILOBYTES,
                "fetch.wait.max.ms": 100,
            }
        )
        self._after = {place: position(after) for place, (_, after) in starts.items()}
        self._given: dict[tuple[str, int], deque[tuple[tuple[int, int], int]]] = {place: deque() for place in starts}
        self._unclaimed: list[Envelope] = []
        self._lock = threading.Lock()
        self._consumer.assign([TopicPartition(*place, offset) for place, (offset, _) in starts.items()])

    def fill(self, count: int, wait_seconds: float) -> None:
        """Read until there is something, or the time is over. It stays until `take`: a caller that was cancelled
        while this thread read loses nothing."""
        with self._lock:
            deadline = time.monotonic() + wait_seconds
            while not self._unclaimed:
                first = self._consumer.poll(max(0.0, deadline - time.monotonic()))
                if first is not None:
                    for message in [first, *self._consumer.consume(count - 1, 0)]:
                        self._sort_in(message)
                if time.monotonic() >= deadline:
                    return

    def take(self) -> list[Envelope]:
        """What was read; in order per stream and partition."""
        with self._lock:
            taken, self._unclaimed = self._unclaimed, []
        return taken

    def commit(self, entries: Sequence[Envelope]) -> None:
        """Let Kafka's own tools see how far the group is; nothing here reads it back."""
        last: dict[tuple[str, int], tuple[int, int]] = {}
        for entry in entries:
            place = (entry.stream, entry.partition)
            last[place] = max(last.get(place, (0, 0)), position(entry.entry_id))
        offsets = []
        for place, at in last.items():
            offset = self._done(place, at)
            if offset is not None:
                offsets.append(TopicPartition(*place, offset + 1))
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=False)

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    def _done(self, place: tuple[str, int], at: tuple[int, int]) -> int | None:
        given, offset = self._given.get(place), None
        while given and given[0][0] <= at:
            offset = given.popleft()[1]
        return offset

    def _sort_in(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return
            raise KafkaException(error)
        stream = message.topic() or ""
        record = record_of(message)
        place = (stream, record.partition)
        if record.number and record.at <= self._after[place]:
            return
        try:
            found = envelope(stream, record.entry.entry_id, record.entry.fields, record.partition)
        except (KeyError, TypeError, msgspec.ValidationError):
            FOREIGN.labels(stream).inc()
            return
        self._given[place].append((record.at, record.offset))
        self._unclaimed.append(found)
