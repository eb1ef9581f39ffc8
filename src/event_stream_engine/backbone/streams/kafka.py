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

**Partitions.** The entries of a key are in one partition, in order. Each entry carries its number within its partition
and the name of the log it belongs to, which says how many partitions the log is laid out for. So a reader notices
that a topic was made anew under it, and the relay refuses a topic whose partitions were added to.

**What it rests on**: Kafka's transactions. Where a broker loses acknowledged records (unclean leader election, every
replica's disk), the end moves back and the relay completes the stream; a hole in the middle is found by
`ese verify`, not by an append.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from confluent_kafka.admin import AdminClient

from event_stream_engine.backbone.streams import Entry, Memory, Packed, Reach, Read, StreamBusy, position
from event_stream_engine.backbone.streams.envelopes import envelope
from event_stream_engine.backbone.streams.kafka_group import GroupReader, Start
from event_stream_engine.backbone.streams.kafka_log import TopicLog
from event_stream_engine.backbone.streams.kafka_records import Complaints, mapped
from event_stream_engine.backbone.streams.kafka_writer import TopicWriter, partition_of
from event_stream_engine.events.base import Envelope

T = TypeVar("T")

_THREADS_MAX = 32
_TAIL_PAUSE_SECONDS = 0.1


class KafkaStreams:
    """`StreamWriter` and `StreamReader`. `configuration` is librdkafka's: addresses and security.

    `partitions` and `replicas` (-1: the broker's default) are of topics it creates; one that exists keeps its own.
    """

    def __init__(self, configuration: Mapping[str, Any], *, partitions: int = 1, replicas: int = -1) -> None:
        self._complaints = Complaints()
        self._configuration = {
            "log_level": 2, "socket.timeout.ms": 10_000, "client.id": "event-stream-engine",
            "error_cb": self._complaints.note, **configuration,
        }  # fmt: skip
        self._threads = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix="kafka")
        self._admin = AdminClient(self._configuration)
        self._log = TopicLog(self._configuration, self._complaints)
        self._writer = TopicWriter(self._configuration, self._log, self._admin, partitions, replicas)
        self._groups: dict[tuple[str, str], GroupReader] = {}
        self._heads: dict[tuple[str, int], tuple[int, str]] = {}
        self._passed: dict[tuple[str, str], dict[int, int]] = {}

    async def close(self) -> None:
        """End all connections; what was not committed is given up."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._close)
        self._threads.shutdown(wait=False)

    async def last_id(self, stream: str) -> str:
        tail = await self._call(stream, lambda: self._log.tail(stream))
        return tail.entry.entry_id if tail else "0-0"

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        if entries:
            await self._call(stream, lambda: self._writer.append(stream, expected, entries))

    async def append_packed(self, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]) -> None:
        for packed in slices:
            await self.append(packed.stream, expected, packed.entries())
            appended(packed)
            expected = packed.last_id

    async def ids_after(self, stream: str, after: str, limit: int) -> list[str]:
        return [entry.entry_id for entry in await self.entries_after(stream, after, limit)]

    async def entries_after(self, stream: str, after: str, limit: int) -> list[Entry]:
        return [record.entry for record in await self._call(stream, lambda: self._log.after(stream, after, limit))]

    async def first_id(self, stream: str, partition: int | None = None) -> str | None:
        if partition is not None:
            return await self._call(stream, lambda: self._first_of(stream, partition))
        heads = await self._call(stream, lambda: self._log.heads(stream))
        return min((record.entry.entry_id for record in heads.values()), key=position, default=None)

    async def length(self, stream: str) -> int:
        """Counted by the entries' own numbers; offsets would count the markers of transactions too."""
        heads, tails = await self._call(stream, lambda: (self._log.heads(stream), self._log.tails(stream)))
        return sum(tails[n].number - head.number + 1 for n, head in heads.items() if n in tails)

    async def trim(self, stream: str, before: str) -> int:
        """As many as there are, but for the newest entry of all: it tells where the stream ends."""
        return await self._call(stream, lambda: self._writer.trim(stream, before))

    async def clear(self, stream: str) -> None:
        await self._call(stream, lambda: self._writer.clear(stream))

    async def memory(self) -> Memory | None:
        """None: a broker keeps its log on disk and tells nobody how much is left."""
        return None

    async def partitions(self, stream: str) -> int:
        return await self._call(stream, lambda: self._writer.ensure(stream))

    def partition_of(self, key: str, partitions: int) -> int:
        return partition_of(key, partitions)

    async def seek(self, group: str, consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        await self._call(group, lambda: self._seek(group, consumer, positions))

    async def read(self, group: str, consumer: str, streams: Sequence[str], count: int, block_ms: int) -> Read:
        reader = self._groups.get((group, consumer))
        if reader is None:
            raise StreamBusy(" ".join(streams), "nogroup", "seek first")
        await self._call(group, lambda: reader.fill(count, block_ms / 1000))
        found = reader.take()
        heads = {place: await self.first_id(*place) for place in {(one.stream, one.partition) for one in found}}
        return Read(found, {place: head for place, head in heads.items() if head is not None})

    async def acknowledge(self, group: str, ends: Mapping[tuple[str, int], str]) -> None:
        for (name, _), reader in list(self._groups.items()):
            if name == group:
                await self._call(group, lambda reader=reader: reader.commit(ends))  # type: ignore[misc]

    async def caught_up(self, group: str, consumer: str) -> dict[tuple[str, int], str]:
        reader = self._groups.get((group, consumer))
        if reader is None:
            return {}
        await self._call(group, lambda: reader.commit({}))
        return await self._call(group, lambda: self._caught_up(group, reader))

    async def tail(self, stream: str, after: str, count: int, block_ms: int) -> list[Envelope]:
        """Entries after a position, outside any group; waits up to `block_ms` for the first."""
        deadline = time.monotonic() + block_ms / 1000
        seen: dict[int, int] | None = None
        while True:
            decided = await self._call(stream, lambda: self._log.decided(stream))
            if decided != seen:
                records = await self._call(stream, lambda: self._log.after(stream, after, count))
                found = [envelope(stream, r.entry.entry_id, r.entry.fields, r.partition) for r in records if r.number]
                if found:
                    return found
                seen = decided
            if time.monotonic() >= deadline:
                return []
            await asyncio.sleep(_TAIL_PAUSE_SECONDS)

    async def reach(self, streams: Sequence[str], seconds: float) -> Reach:
        return await self._call("kafka", lambda: self._reach(streams, seconds))

    async def _call(self, stream: str, work: Callable[[], T]) -> T:
        """librdkafka blocks: never on the loop's thread."""
        with mapped(stream):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _reach(self, streams: Sequence[str], seconds: float) -> Reach:
        with self._complaints.asked(self._admin):
            found = self._admin.list_topics(timeout=seconds)
        there = {name for name, topic in found.topics.items() if topic.error is None}
        return Reach(len(found.brokers), tuple(sorted(set(streams) - there)))

    def _first_of(self, stream: str, partition: int) -> str | None:
        """A partition's oldest entry, read again only when the log begins elsewhere. One that was made anew from the
        same beginning may be taken for the old one: what it lacks then, the outbox lacks too."""
        low, high = self._log.ends(stream, partition)
        known = self._heads.get((stream, partition))
        if known is not None and known[0] == low and high > low:
            return known[1]
        head = self._log.heads(stream, [partition]).get(partition)
        if head is None:
            return None
        self._heads[stream, partition] = (low, head.entry.entry_id)
        return head.entry.entry_id

    def _seek(self, group: str, consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        old = self._groups.pop((group, consumer), None)
        if old is not None:
            old.close()
        starts: dict[tuple[str, int], Start] = {}
        for stream in {stream for stream, _ in positions}:
            self._passed.pop((group, stream), None)
            starts |= self._starts(stream, self._writer.ensure(stream), positions)
        self._groups[group, consumer] = GroupReader(self._configuration, group, starts)

    def _starts(
        self, stream: str, partitions: int, positions: Mapping[tuple[str, int], str]
    ) -> dict[tuple[str, int], Start]:
        newest = self._log.tail(stream)
        highs = self._log.decided(stream)  # asked first: what comes meanwhile lies behind it
        if len(highs) < partitions:  # the topic went between two questions: somebody makes it anew
            raise StreamBusy(stream, "rebuilt", f"it has {len(highs)} partitions now, {partitions} a moment ago")
        log = newest.log if newest is not None else None
        afters = {partition: positions.get((stream, partition), "0-0") for partition in range(partitions)}
        found = {tick: self._log.starts_at(stream, tick) for tick in {position(after)[0] for after in afters.values()}}
        return {
            (stream, partition): Start(found[position(after)[0]].get(partition, highs[partition]), after, log)
            for partition, after in afters.items()
        }

    def _caught_up(self, group: str, reader: GroupReader) -> dict[tuple[str, int], str]:
        """Of one partition there is nothing to tell: its position moves with what is read."""
        found: dict[tuple[str, int], str] = {}
        for stream in [name for name, partitions in reader.streams.items() if partitions > 1]:
            written = self._log.written(stream)
            if written and written == self._passed.get((group, stream)):
                continue
            newest = self._log.tail(stream)
            places = reader.caught_up(stream, newest, self._log.written(stream))
            if len(places) == len(written):
                self._passed[group, stream] = written
            found |= places
        return found

    def _close(self) -> None:
        for reader in self._groups.values():
            reader.close()
        self._writer.close()
        self._log.close()
