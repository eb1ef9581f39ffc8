"""Redis Streams (Redis >= 6.2 or Valkey) as the transport.

The client's own retries are off: a reply lost after an append would otherwise be answered by a second append.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from event_stream_engine.backbone.streams import (
    FOREIGN,
    Entry,
    LastIdMismatch,
    Memory,
    Packed,
    Reach,
    Read,
    StreamBusy,
    StreamRefused,
)
from event_stream_engine.backbone.streams.envelopes import envelopes
from event_stream_engine.backbone.streams.redis_bulk import append_bulk
from event_stream_engine.events.base import Envelope

# KEYS[1] the stream; ARGV[1] the last id the relay expects; ARGV[2] the entries as JSON, each an array of its id and
# of names and values. The check of memory comes before the first write (Redis refuses a script that would write when
# it is over its limit), so a batch goes in whole or not at all.
_APPEND = """
local last = '0-0'
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info['err'] then
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
elseif not string.find(info['err'], 'no such key') then
  return redis.error_reply(info['err'])
end
if last ~= ARGV[1] then return last end
for _, entry in ipairs(cjson.decode(ARGV[2])) do
  redis.call('XADD', KEYS[1], unpack(entry))
end
return 'OK'
"""

_READ_WITH_HEAD = """
return {
  redis.call('XREAD', 'COUNT', ARGV[2], 'STREAMS', KEYS[1], ARGV[1]),
  redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
}
"""

_SLICE = 500
"""Entries sent to one run of the script: it holds the server up for some milliseconds."""

_BULK_FROM = 50
"""Fewer entries are sent to the script: it needs one round trip where `append_bulk` needs two."""


_PIECE = 100
"""Entries made into envelopes at a stretch: 0.1 ms."""

_FOREIGN_SECONDS = 0.1
_SHOW_SECONDS = 1.0
_REFUSED = {
    "WRONGTYPE": "wrongtype", "NOAUTH": "noauth", "WRONGPASS": "noauth", "NOPERM": "noperm",
    "ACL failure in script": "noperm", "user executing the script": "noperm",
}  # fmt: skip
_BUSY = (
    "OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "MASTERDOWN",
    "BUSY", "NOGROUP", "UNBLOCKED",
)  # fmt: skip
_CLASSES: tuple[tuple[type[RedisError], str], ...] = (
    # redis-py takes the code off some errors and gives them a class instead.
    (OutOfMemoryError, "oom"),
    (ReadOnlyError, "readonly"),
    (BusyLoadingError, "loading"),
    (MovedError, "moved"),
    (AskError, "ask"),
    (TryAgainError, "tryagain"),
    (ClusterDownError, "clusterdown"),
    (MasterDownError, "masterdown"),
    (TimeoutError, "timeout"),
    (ConnectionError, "connection"),
)
_REFUSED_CLASSES = ((NoPermissionError, "noperm"), (AuthenticationError, "noauth"))


@contextmanager
def mapped(stream: str) -> Iterator[None]:
    """Redis's errors as the transport's: `StreamRefused` where somebody must act, else `StreamBusy`.

    A reply that was lost leaves open whether the command was carried out: `StreamBusy` with the code `connection`.
    """
    try:
        yield
    except RedisError as error:
        raise _translated(stream, error) from error
    except RedisClusterException as error:  # the cluster client's own, no RedisError: no node answers, or no slots
        raise StreamBusy(stream, "clusterdown", str(error)) from error
    except OSError as error:
        raise StreamBusy(stream, "connection", str(error)) from error


def _translated(stream: str, error: RedisError) -> StreamBusy:
    for refused, code in _REFUSED_CLASSES:
        if isinstance(error, refused):
            return StreamRefused(stream, code, str(error))
    for busy, code in _CLASSES:
        if isinstance(error, busy):
            return StreamBusy(stream, code, str(error))
    message = str(error)
    for word, code in _REFUSED.items():
        if word in message:  # a script's error carries the inner one in the middle of its text
            return StreamRefused(stream, code, message)
    code = next((word.lower() for word in _BUSY if re.search(rf"\b{word}\b", message)), "other")
    return StreamBusy(stream, code, message)


def connect(url: str, *, timeout_seconds: float = 10) -> "Redis":
    """A client whose every command fails loudly rather than being sent twice."""
    return Redis.from_url(url, **unretried(timeout_seconds))


def unretried(timeout_seconds: float = 10) -> dict[str, Any]:
    """What makes a client so."""
    return {
        "decode_responses": True,
        "encoding_errors": "replace",  # other programs may write any bytes into a stream: such an entry is foreign
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": 5,
        "socket_timeout": timeout_seconds,
        "health_check_interval": 15,
    }


class RedisStreams:
    """`StreamWriter` and `StreamReader` on one client."""

    def __init__(self, client: "Redis", *, bulk_from: int = _BULK_FROM) -> None:
        self._redis = client
        self._bulk_from = sys.maxsize if isinstance(client, RedisCluster) else bulk_from
        self._append = client.register_script(_APPEND)
        self._read_with_head = client.register_script(_READ_WITH_HEAD)
        self._cursors: dict[str, dict[str, str]] = {}
        self._flowing: set[str] = set()
        """Groups whose next read need not wait first: the last one was full, or gave something from an only stream."""
        self._shown: dict[tuple[str, str], float] = {}

    async def last_id(self, stream: str) -> str:
        with mapped(stream):
            try:
                info = await self._redis.xinfo_stream(stream)
            except ResponseError as error:
                if "no such key" in str(error):
                    return "0-0"
                raise
        return str(info["last-generated-id"])

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), _SLICE):
            slice_ = entries[start : start + _SLICE]
            rows = [[entry.entry_id, *(part for pair in entry.fields.items() for part in pair)] for entry in slice_]
            await self._run(stream, expected, msgspec.json.encode(rows).decode())
            expected = slice_[-1].entry_id

    async def append_packed(self, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]) -> None:
        if sum(packed.events for packed in slices) >= self._bulk_from:
            with mapped(slices[0].stream):
                await append_bulk(self._redis, expected, slices, appended)
            return
        for packed in slices:
            await self.append(packed.stream, expected, packed.entries())
            appended(packed)
            expected = packed.last_id

    async def _run(self, stream: str, expected: str, entries: str) -> None:
        with mapped(stream):
            answer = await self._append(keys=[stream], args=[expected, entries])
        if answer != "OK":
            raise LastIdMismatch(stream, expected, str(answer))

    async def ids_after(self, stream: str, after: str, limit: int) -> list[str]:
        return [entry.entry_id for entry in await self.entries_after(stream, after, limit)]

    async def entries_after(self, stream: str, after: str, limit: int) -> list[Entry]:
        with mapped(stream):
            entries = await self._redis.xrange(stream, min=f"({after}", count=limit) or []
        return [Entry(str(entry_id), cast("dict[str, str]", fields or {})) for entry_id, fields in entries]

    async def first_id(self, stream: str, partition: int | None = None) -> str | None:  # noqa: ARG002  # it is one
        with mapped(stream):
            entries = await self._redis.xrange(stream, count=1)
        return str(entries[0][0]) if entries else None

    async def reach(self, _streams: Sequence[str], seconds: float) -> Reach:
        with mapped("redis"):
            async with asyncio.timeout(seconds):
                await self._redis.ping()
        return Reach(1, ())

    async def partitions(self, _stream: str) -> int:
        """One: a stream is one key."""
        return 1

    def partition_of(self, _key: str, _partitions: int) -> int:
        return 0

    async def caught_up(self, _group: str, _consumer: str) -> dict[tuple[str, int], str]:
        """Nothing to tell: the position of an only partition moves with what is read."""
        return {}

    async def length(self, stream: str) -> int:
        with mapped(stream):
            return int(await self._redis.xlen(stream))

    async def trim(self, stream: str, before: str) -> int:
        with mapped(stream):
            return int(await self._redis.xtrim(stream, minid=before, approximate=False))

    async def clear(self, stream: str) -> None:
        with mapped(stream):
            await self._redis.delete(stream)

    async def memory(self) -> Memory | None:
        with mapped("memory"):
            info = await self._redis.info("memory")
        return Memory(int(info["used_memory"]), int(info.get("maxmemory") or 0) or None)

    async def seek(self, group: str, _consumer: str, positions: Mapping[tuple[str, int], str]) -> None:
        """Reading goes by cursors of our own, not by the server's: a consumer that lost its lease and does not know it
        yet would be given entries of the shared one, and its successor would never see them. The server's group is
        kept where we are, for those who look at it."""
        self._cursors[group] = {stream: after for (stream, _), after in positions.items()}
        self._flowing.discard(group)
        for stream, after in self._cursors[group].items():
            await self._show_position(group, stream, after)

    async def read(self, group: str, _consumer: str, streams: Sequence[str], count: int, block_ms: int) -> Read:
        read = await self._read_now(group, streams, count) if group in self._flowing else Read([], {})
        if not read.entries:
            waiting = await self._wait(streams, self._cursors[group], block_ms)
            read = await self._read_now(group, waiting, count)
            if waiting and not read.entries:  # only what others wrote; the relay takes it out
                await asyncio.sleep(_FOREIGN_SECONDS)
        flows = read.entries and (len(streams) == 1 or len(read.entries) >= count)
        (self._flowing.add if flows else self._flowing.discard)(group)
        return read

    async def _read_now(self, group: str, streams: Sequence[str], count: int) -> Read:
        """What is there after the group's cursors."""
        cursors, found, heads = self._cursors[group], [], {}
        for stream in streams:
            reply, head = await self._with_head(stream, cursors[stream], count)
            found += await _envelopes(reply)
            if head:
                heads[stream, 0] = str(head[0][0])
        cursors |= {entry.stream: entry.entry_id for entry in found}
        return Read(found, heads)

    async def _wait(self, streams: Sequence[str], cursors: Mapping[str, str], block_ms: int) -> list[str]:
        """Which of the streams have something new."""
        wanted: dict[Any, Any] = {stream: cursors[stream] for stream in streams}
        with mapped(" ".join(streams)):
            reply = await self._redis.xread(wanted, count=1, block=block_ms)
        return [str(name) for name in (reply if isinstance(reply, dict) else (pair[0] for pair in reply or []))]

    async def _with_head(self, stream: str, after: str, count: int) -> tuple[Any, Any]:
        """Entries after a position, and the oldest one, as of one moment; both as the server sends them."""
        with mapped(stream):
            if isinstance(self._redis, RedisCluster):  # its client's transactions live on another event loop
                read, head = await self._read_with_head(keys=[stream], args=[after, count])
                return read, head
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.response_callbacks = {}  # a dictionary per entry is made once, by `_envelopes`
                pipe.xread({stream: after}, count=count)
                pipe.xrange(stream, count=1)
                reply, head = await pipe.execute()
        return reply, head

    async def acknowledge(self, group: str, ends: Mapping[tuple[str, int], str]) -> None:
        now = asyncio.get_running_loop().time()
        for (stream, _), entry_id in ends.items():
            if now - self._shown.get((group, stream), float("-inf")) > _SHOW_SECONDS:
                self._shown[group, stream] = now
                await self._show_position(group, stream, entry_id)

    async def _show_position(self, group: str, stream: str, entry_id: str) -> None:
        with mapped(stream):
            try:
                await self._redis.xgroup_setid(stream, group, entry_id)
            except ResponseError as error:
                if not any(known in str(error) for known in ("NOGROUP", "no such key", "requires the key to exist")):
                    raise
                await self._redis.xgroup_create(stream, group, id=entry_id, mkstream=True)

    async def tail(self, stream: str, after: str, count: int, block_ms: int) -> list[Envelope]:
        """Entries after a position, outside any group; waits up to `block_ms` for the first."""
        with mapped(stream):
            reply = await self._redis.xread({stream: after}, count=count, block=block_ms)
        return await _envelopes(reply)


async def _envelopes(reply: Any) -> list[Envelope]:
    """A reply in the order of its ids; what is no envelope (somebody else wrote it) is left out and counted. In small
    pieces: a batch is read while PostgreSQL carries out the one before, whose answers must not wait."""
    found: list[Envelope] = []
    for stream, replied in reply.items() if isinstance(reply, dict) else reply or ():
        entries = replied[0] if replied and isinstance(replied[0][0], list | tuple) else replied
        for start in range(0, len(entries), _PIECE):
            given = [(entry_id, _flat(fields)) for entry_id, fields in entries[start : start + _PIECE]]
            kept, foreign = envelopes(stream, given)
            found += kept
            if foreign:
                FOREIGN.labels(stream).inc(foreign)
            if len(given) == _PIECE:
                await asyncio.sleep(0)
    return found


def _flat(fields: Any) -> list[str]:
    """Names and values in turn, also where the client has paired them."""
    return [part for pair in fields.items() for part in pair] if isinstance(fields, dict) else fields
