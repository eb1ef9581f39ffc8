"""One group's reading of Kafka: partitions assigned, never balanced; PostgreSQL says who reads and where from."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from event_stream_engine.backbone.streams import FOREIGN, StreamBusy, position
from event_stream_engine.backbone.streams.envelopes import envelope
from event_stream_engine.backbone.streams.kafka_records import Record, partitions_of_log, record_of
from event_stream_engine.events.base import Envelope

Place = tuple[str, int]

_QUEUE_KILOBYTES = 16_384


@dataclass(frozen=True)
class Start:
    """Where reading begins: at an offset, with the entries after an id; `log` is the name of the topic's log, None
    where it was empty."""

    offset: int
    after: str
    log: str | None


class GroupReader:
    """Blocking. It begins at `starts`, which name every partition of every stream."""

    def __init__(self, configuration: Mapping[str, Any], group: str, starts: Mapping[Place, Start]) -> None:
        self._consumer = Consumer(
            {
                **configuration,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",  # offsets that are gone mean: seek again, by entry ids
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": _QUEUE_KILOBYTES,
                "fetch.wait.max.ms": 100,
            }
        )
        self._after = {place: position(start.after) for place, start in starts.items()}
        self._logs = {stream: start.log for (stream, _), start in starts.items() if start.log}
        self._numbers: dict[Place, int] = {}
        self._reached: dict[Place, int] = {}
        """Per place the offset up to which everything was read."""
        self._shown: dict[Place, int] = {}
        """Per place the offset that was committed last."""
        self._given: dict[Place, deque[tuple[tuple[int, int], int]]] = {place: deque() for place in starts}
        self._unclaimed: list[Envelope] = []
        self._lock = threading.Lock()
        self._consumer.assign([TopicPartition(*place, start.offset) for place, start in starts.items()])

    @property
    def streams(self) -> dict[str, int]:
        """What is read, and how many partitions each has."""
        found: dict[str, int] = {}
        for stream, _ in self._given:
            found[stream] = found.get(stream, 0) + 1
        return found

    def fill(self, count: int, wait_seconds: float) -> None:
        """Read until there is something, or the time is over. It stays until `take`: a caller that was canceled
        while this thread read loses nothing. Raises `StreamBusy` where a topic is no longer the one it was."""
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

    def caught_up(self, stream: str, newest: Record | None, written: Mapping[int, int]) -> dict[Place, str]:
        """The places of a stream that were given everything up to its newest entry, which was looked at before the
        offsets that were `written`. Raises `StreamBusy` where the topic is no longer the one that is read."""
        with self._lock:
            if len(written) != self.streams[stream]:
                raise StreamBusy(stream, "rebuilt", f"it has {len(written)} partitions now")
            if self._unclaimed or newest is None or not newest.number:
                return {}
            known = self._logs.get(stream)
            if known is not None and known != newest.log:
                raise StreamBusy(stream, "rebuilt", f"log {newest.log} follows {known}")
            done = [(stream, n) for n, high in written.items() if self._reached.get((stream, n), -1) >= high]
            return dict.fromkeys(done, newest.entry.entry_id) if known else {}

    def commit(self, ends: Mapping[Place, str]) -> None:
        """Let Kafka's own tools see how far the group is; nothing here reads it back. The marks of transactions, which
        nobody is given, are passed as well: a group that has read everything shows no lag."""
        with self._lock:
            self._forget_done(ends)
            offsets = []
            for place, given in self._given.items():
                offset = given[0][1] if given else self._reached.get(place, -1)
                if offset > self._shown.get(place, -1):
                    self._shown[place] = offset
                    offsets.append(TopicPartition(*place, offset))
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    def _forget_done(self, ends: Mapping[Place, str]) -> None:
        for place, entry_id in ends.items():
            given, at = self._given.get(place), position(entry_id)
            while given and given[0][0] <= at:
                given.popleft()

    def _sort_in(self, message: Message) -> None:
        stream, error = message.topic() or "", message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._reached[stream, message.partition() or 0] = message.offset() or 0
            return
        record = record_of(message)
        place = (stream, record.partition)
        self._reached[place] = record.offset + 1
        if not record.number:
            FOREIGN.labels(stream).inc()
            return
        self._expect(place, record)
        if record.at <= self._after[place]:
            return
        try:
            found = envelope(stream, record.entry.entry_id, record.entry.fields, record.partition)
        except (KeyError, TypeError, msgspec.ValidationError):
            FOREIGN.labels(stream).inc()
            return
        self._given[place].append((record.at, record.offset))
        self._unclaimed.append(found)

    def _expect(self, place: Place, record: Record) -> None:
        """A topic that was made anew has other entries at the offsets where we stand."""
        stream, _ = place
        known = self._logs.setdefault(stream, record.log)
        if known != record.log or partitions_of_log(record.log) != self.streams[stream]:
            raise StreamBusy(stream, "rebuilt", f"log {record.log} follows {known}")
        before = self._numbers.get(place, record.number - 1)
        if record.number != before + 1:
            raise StreamBusy(stream, "gap", f"entry {record.number} of partition {place[1]} follows {before}")
        self._numbers[place] = record.number
