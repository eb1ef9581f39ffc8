"""Kafka (>= 3.3, KRaft) as the transport: a stream is a topic, an event's key decides its partition.

**What an append is.** One transaction of the stream's own producer (`transactional.id` = `ese.<stream>`), acks=all,
idempotent, after a comparison of the stream's end: all of it is there or none, in every partition. Before the
first append, and after any error, the producer is opened anew. That fences every earlier one, in this process or
another, and ends what it left open; only then is the end read from the log itself and compared. So a batch whose
answer was lost is found, not repeated.

**A zombie** (a relay that was paused past its lease and goes on) has an older epoch: the broker refuses its records
and its commit, also those already on their way. If it opens a producer of its own, it fences the rightful relay,
whose append then fails as `fenced` and is compared again; both write the same order, and whoever comes second finds
the stream further on. Readers see committed records only.

**What it rests on**: Kafka's transactions. Where a broker loses acknowledged records (unclean leader election, every
replica's disk), the end moves back and the relay completes the stream; a hole in the middle is found by
`ese verify`, not by an append.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its stubs leave it out

from event_stream_engine.backbone.streams import (
    Entry,
    LastIdMismatch,
    Memory,
    Packed,
    Read,
    StreamBusy,
    envelope,
    position,
)
from event_stream_engine.backbone.streams.kafka_group import GroupReader
from event_stream_engine.backbone.streams.kafka_log import (
    CALL_SECONDS,
    Record,
    TopicLog,
    headers_of,
    mapped,
    partition_of,
)
from event_stream_engine.events.base import Envelope

T = TypeVar("T")

_THREADS_MAX = 32
_TRANSACTION_MS = 15_000
_RECORD_BYTES_MAX = 64 * 2**20
_CLEAR_SECONDS_MAX = 30.0
_TAIL_PAUSE_SECONDS = 0.1


@dataclass
class _Writing:
    """A stream's producer; `last_id` and `number` are of its newest entry, known since the producer was opened."""

    producer: Producer
    partitions: int
    last_id: str
    number: int


@dataclass
class _Stream:
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: _Writing | None = None


class KafkaStreams:
    """`StreamWriter` and `StreamReader`. `configuration` is librdkafka's: addresses and security.

    `partitions` and `replicas` (-1: the broker's default) are of topics it creates; one that exists keeps its own.
    """

    def __init__(self, configuration: Mapping[str, Any], *, partitions: int = 1, replicas: int = -1) -> None:
        self._configuration = {"log_level": 2, "socket.timeout.ms": 10_000, **configuration}
        self._partitions = partitions
        self._replicas = replicas
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="kafka")
        self._log = TopicLog(self._configuration)
        self._admin = AdminClient(self._configuration)
        self._streams: dict[str, _Stream] = {}
        self._groups: dict[tuple[str, str], GroupReader] = {}
        self._making = threading.Lock()

    async def close(self) -> None:
        """End all connections; what was not committed is given up."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._close)
        self._threads.shutdown(wait=False)

    async def last_id(self, stream: str) -> str:
        tail = await self._call(stream, lambda: self._log.tail(stream))
        return tail.entry.entry_id if tail else "0-0"

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        if entries:
            await self._call(stream, lambda: self._append(stream, expected, entries))

    async def append_packed(self, expected: str, packed: Packed) -> None:
        await self.append(packed.stream, expected, packed.entries())

    async def ids_after(self, stream: str, after: str, limit: int) -> list[str]:
        return [entry.entry_id for entry in await self.entries_after(stream, after, limit)]

    async def entries_after(self, stream: str, after: str, limit: int) -> list[Entry]:
        return [record.entry for record in await self._call(stream, lambda: self._log.after(stream, after, limit))]

    async def first_id(self, stream: str) -> str | None:
        head = await self._call(stream, lambda: self._log.head(stream))
        return head.entry.entry_id if head else None

    async def length(self, stream: str) -> int:
        """Counted by the entries' own numbers; offsets would count the markers of transactions too."""
        head, tail = await self._call(stream, lambda: (self._log.head(stream), self._log.tail(stream)))
        return _between(head, tail)

    async def trim(self, stream: str, before: str) -> int:
        """As many as there are, but for the newest entry of all: it tells where the stream ends."""
        return await self._call(stream, lambda: self._trim(stream, before))

    async def clear(self, stream: str) -> None:
        await self._call(stream, lambda: self._clear(stream))

    async def memory(self) -> Memory | None:
        """None: a broker keeps its log on disk and tells nobody how much is left."""
        return None

    async def seek(self, group: str, consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        await self._call(group, lambda: self._seek(group, consumer, positions))

    async def read(self, group: str, consumer: str, streams: Sequence[str], count: int, block_ms: int) -> Read:
        reader = self._groups.get((group, consumer))
        if reader is None:
            raise StreamBusy(" ".join(streams), "nogroup", "seek first")
        await self._call(group, lambda: reader.fill(count, block_ms / 1000))
        found = reader.take()
        heads = {place: await self.first_id(place[0]) for place in {(one.stream, one.partition) for one in found}}
        return Read(found, {place: head for place, head in heads.items() if head is not None})

    async def acknowledge(self, group: str, entries: Sequence[Envelope]) -> None:
        for (name, _), reader in list(self._groups.items()):
            if name == group:
                await self._call(group, lambda reader=reader: reader.commit(entries))  # type: ignore[misc]

    async def tail(self, stream: str, after: str, count: int, block_ms: int) -> list[Envelope]:
        """Entries after a position, outside any group; waits up to `block_ms` for the first."""
        deadline = time.monotonic() + block_ms / 1000
        while True:
            found = await self._call(stream, lambda: self._log.after(stream, after, count))
            if found or time.monotonic() >= deadline:
                return [envelope(stream, r.entry.entry_id, r.entry.fields, r.partition) for r in found if r.number]
            await asyncio.sleep(_TAIL_PAUSE_SECONDS)

    async def _call(self, stream: str, work: Callable[[], T]) -> T:
        """librdkafka blocks: never on the loop's thread."""
        with mapped(stream):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        with self._making:
            state = self._streams.setdefault(stream, _Stream())
        with state.lock:  # a call that was cancelled may still be at work
            writing = state.writing or self._open(stream)
            state.writing = None  # whatever goes wrong from here on: open anew, look, compare
            if writing.last_id != expected:
                _discard(writing.producer)
                raise LastIdMismatch(stream, expected, writing.last_id)
            try:
                self._write(stream, writing, entries)
            except (KafkaException, BufferError, StreamBusy):
                _discard(writing.producer)
                raise
            writing.last_id = entries[-1].entry_id
            writing.number += len(entries)
            state.writing = writing

    def _write(self, stream: str, writing: _Writing, entries: Sequence[Entry]) -> None:
        """Returns when readers see it: a commit is decided before its markers are in the partitions."""
        producer = writing.producer
        written: dict[int, int] = {}

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                written[message.partition() or 0] = message.offset() or 0

        producer.begin_transaction()
        for number, entry in enumerate(entries, writing.number + 1):
            fields = entry.fields
            producer.produce(
                stream,
                value=fields["data"].encode(),
                key=fields["subject"].encode(),
                partition=partition_of(fields["subject"], writing.partitions),
                timestamp=position(entry.entry_id)[0],
                headers=headers_of(stream, entry, number),
                on_delivery=delivered,
            )
        producer.flush(CALL_SECONDS)
        producer.commit_transaction(CALL_SECONDS)
        deadline = time.monotonic() + CALL_SECONDS
        for partition, offset in written.items():
            while self._log.ends(stream, partition)[1] <= offset:
                if time.monotonic() > deadline:
                    raise StreamBusy(stream, "timeout", "committed, and not visible yet")
                time.sleep(0.001)

    def _open(self, stream: str) -> _Writing:
        partitions = self._ensure(stream)
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
            tail = self._log.tail(stream)
        except (KafkaException, StreamBusy):
            _discard(producer)
            raise
        return _Writing(producer, partitions, tail.entry.entry_id if tail else "0-0", tail.number if tail else 0)

    def _ensure(self, stream: str) -> int:
        """The number of partitions; creates the topic where it is missing. Time does not remove its records: the
        relay's housekeeping does, when every group has read them."""
        partitions = self._log.partitions(stream)
        if partitions:
            return partitions
        settings = {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(_RECORD_BYTES_MAX),
        }
        topic = NewTopic(stream, self._partitions, self._replicas, config=settings)
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

    def _trim(self, stream: str, before: str) -> int:
        tail, head = self._log.tail(stream), self._log.head(stream)
        if tail is None or head is None or head.at >= position(before):
            return 0
        cuts = []
        for partition in range(self._log.partitions(stream)):
            low, high = self._log.ends(stream, partition)
            kept = self._log.records(stream, {partition: low}, 1, after=_just_below(before))[partition]
            cut = kept[0].offset if kept else high
            if partition == tail.partition:
                cut = min(cut, tail.offset)
            cuts.append(TopicPartition(stream, partition, cut))
        for result in self._admin.delete_records(cuts).values():
            result.result(CALL_SECONDS)
        return _between(head, tail) - _between(self._log.head(stream), tail)

    def _clear(self, stream: str) -> None:
        """Delete and create again; a deleted name is free only when every broker has let go of it."""
        with self._making:
            state = self._streams.setdefault(stream, _Stream())
        with state.lock:
            if state.writing is not None:
                _discard(state.writing.producer)
                state.writing = None
            if self._log.partitions(stream):
                self._admin.delete_topics([stream], operation_timeout=CALL_SECONDS)[stream].result(CALL_SECONDS)
            deadline = time.monotonic() + _CLEAR_SECONDS_MAX
            while self._log.partitions(stream):
                if time.monotonic() > deadline:
                    raise StreamBusy(stream, "timeout", "the topic is still being deleted")
                time.sleep(0.05)
            self._log.close()  # it knows offsets of the topic that was
            self._ensure(stream)

    def _seek(self, group: str, consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        old = self._groups.pop((group, consumer), None)
        if old is not None:
            old.close()
        starts: dict[tuple[str, int], tuple[int, str]] = {}
        for stream in {stream for stream, _ in positions}:
            for partition in range(self._ensure(stream)):
                after = positions.get((stream, partition), "0-0")
                high = self._log.ends(stream, partition)[1]  # asked first: what comes meanwhile lies behind it
                offset = self._log.offsets_at(stream, position(after)[0])[partition]
                starts[stream, partition] = (offset if offset >= 0 else high, after)
        self._groups[group, consumer] = GroupReader(self._configuration, group, starts)

    def _close(self) -> None:
        for reader in self._groups.values():
            reader.close()
        for state in self._streams.values():
            with state.lock:
                if state.writing is not None:
                    _discard(state.writing.producer)
                    state.writing = None
        self._log.close()


def _discard(producer: Producer) -> None:
    """Without waiting for what is on its way: the next producer of the same id fences it."""
    with contextlib.suppress(KafkaException):
        producer.purge()
        producer.flush(0)


def _between(head: Record | None, tail: Record | None) -> int:
    return tail.number - head.number + 1 if head is not None and tail is not None else 0


def _just_below(entry_id: str) -> tuple[int, int]:
    tick, seq = position(entry_id)
    return tick, seq - 1
