"""Redis Streams (Redis >= 6.2 or Valkey) as the transport.

The client's own retries are off: a reply lost after an append would otherwise be answered by a second append.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from event_stream_engine.backbone.streams import Entry, LastIdMismatch, Memory, envelope
from event_stream_engine.events.base import Envelope

FOREIGN = Counter("ese_stream_foreign_entries_total", "Entries that are no envelopes, left out", ["stream"])

# KEYS[1] the stream; ARGV[1] the last id the relay expects; then per entry its id, the number of its fields'
# names and values together, and those. The check of memory comes before the first write (Redis refuses a script
# that would write when it is over its limit), so a batch goes in whole or not at all.
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
local at = 2
while at <= #ARGV do
  local size = tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[1], ARGV[at], unpack(ARGV, at + 2, at + 1 + size))
  at = at + 2 + size
end
return 'OK'
"""

# Lua's unpack and Redis both bound the arguments of one call; entries of a batch are sent in slices below that.
_ARGUMENTS_MAX = 7000


def connect(url: str, *, timeout_seconds: float = 10) -> "Redis":
    """A client whose every command fails loudly rather than being sent twice."""
    return Redis.from_url(
        url,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=5,
        socket_timeout=timeout_seconds,
        health_check_interval=15,
    )


class RedisStreams:
    """`StreamWriter` and `StreamReader` on one client."""

    def __init__(self, client: "Redis") -> None:
        self._redis = client
        self._append = client.register_script(_APPEND)

    async def last_id(self, stream: str) -> str:
        try:
            info = await self._redis.xinfo_stream(stream)
        except ResponseError as error:
            if "no such key" in str(error):
                return "0-0"
            raise
        return str(info["last-generated-id"])

    async def append(self, stream: str, expected: str, entries: Sequence[Entry]) -> None:
        for slice_ in _slices(entries):
            arguments: list[str | int] = [expected]
            for entry in slice_:
                arguments += [entry.entry_id, 2 * len(entry.fields)]
                for name, value in entry.fields.items():
                    arguments += [name, value]
            answer = await self._append(keys=[stream], args=arguments)
            if answer != "OK":
                raise LastIdMismatch(stream, expected, str(answer))
            expected = slice_[-1].entry_id

    async def ids_after(self, stream: str, after: str, limit: int) -> list[str]:
        entries = await self._redis.xrange(stream, min=f"({after}", count=limit) or []
        return [str(entry_id) for entry_id, _ in entries]

    async def entries_after(self, stream: str, after: str, limit: int) -> list[Entry]:
        entries = await self._redis.xrange(stream, min=f"({after}", count=limit) or []
        return [Entry(str(entry_id), cast("dict[str, str]", fields or {})) for entry_id, fields in entries]

    async def length(self, stream: str) -> int:
        return int(await self._redis.xlen(stream))

    async def trim(self, stream: str, before: str) -> int:
        return int(await self._redis.xtrim(stream, minid=before, approximate=False))

    async def clear(self, stream: str) -> None:
        await self._redis.delete(stream)

    async def memory(self) -> Memory | None:
        info = await self._redis.info("memory")
        return Memory(int(info["used_memory"]), int(info.get("maxmemory") or 0) or None)

    async def seek(
        self,
        group: str,
        consumer: str,
        positions: Mapping[tuple[str, int], str],
    ) -> None:
        """The group is made anew: whatever was pending is read again from the position on."""
        for (stream, _), after in positions.items():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.xgroup_create(stream, group, id="0", mkstream=True)
            pipeline.xgroup_destroy(stream, group)
            pipeline.xgroup_create(stream, group, id=after)
            results = await pipeline.execute(raise_on_error=False)
            for error in results[1:]:
                if isinstance(error, Exception):
                    raise error

    async def read(
        self, group: str, consumer: str, streams: Sequence[str], count: int, block_ms: int
    ) -> list[Envelope]:
        reply = await self._redis.xreadgroup(group, consumer, dict.fromkeys(streams, ">"), count=count, block=block_ms)
        return _envelopes(reply)

    async def acknowledge(self, group: str, entries: Sequence[Envelope]) -> None:
        by_stream: dict[str, list[str]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.entry_id)
        for stream, ids in by_stream.items():
            await self._redis.xack(stream, group, *ids)

    async def tail(self, stream: str, after: str, count: int, block_ms: int) -> list[Envelope]:
        """Entries after a position, outside any group; waits up to `block_ms` for the first."""
        return _envelopes(await self._redis.xread({stream: after}, count=count, block=block_ms))

    async def first_id(self, stream: str) -> str | None:
        """The oldest entry still held, None for an empty stream."""
        entries = await self._redis.xrange(stream, count=1)
        return str(entries[0][0]) if entries else None


def _slices(entries: Sequence[Entry]) -> Iterable[list[Entry]]:
    slice_: list[Entry] = []
    size = 0
    for entry in entries:
        cost = 2 + 2 * len(entry.fields)
        if slice_ and size + cost > _ARGUMENTS_MAX:
            yield slice_
            slice_, size = [], 0
        slice_.append(entry)
        size += cost
    if slice_:
        yield slice_


def _envelopes(reply: Any) -> list[Envelope]:
    """A reply in the order of its ids; what is no envelope (somebody else wrote it) is left out and counted."""
    if not reply:
        return []
    found = []
    streams = reply.items() if isinstance(reply, dict) else reply
    for stream, entries in streams:
        for entry_id, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
            try:
                found.append(envelope(stream, entry_id, fields))
            except (KeyError, TypeError, msgspec.ValidationError):
                FOREIGN.labels(stream).inc()
    return found
