"""The channel of all processes, in Redis: a stream whose entry ids are the offsets (`<offset>-0`).

Offsets are given by a script, so they are contiguous whoever publishes; the epoch is made with the stream and lost with
it. A batch that is sent again, because its answer was lost, is recognised by its sender and number and not appended
twice. Bound: about 10,000 entries.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.events.monitoring import Category
from event_stream_engine.live.channel import HISTORY_MAX, RESUME_MAX, Channel, new_epoch
from event_stream_engine.live.messages import Message
from event_stream_engine.telemetry import Repeated

INTERRUPTED = Counter("ese_monitoring_channel_interrupted_total", "Times the shared channel could not be read")

STREAM = "{ese:monitoring}:events"
EPOCH = "{ese:monitoring}:epoch"
SENDERS = "{ese:monitoring}:senders"
READ_MAX = 500
BLOCK_MS = 1000
REMEMBERED_SECONDS = 3600

# KEYS: stream, epoch, senders. ARGV: a new epoch, length, sender, batch number, seconds, then category, key, json each.
_APPEND = """
local epoch = redis.call('GET', KEYS[2])
if not epoch or redis.call('EXISTS', KEYS[1]) == 0 then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  redis.call('DEL', KEYS[1])
end
if tonumber(redis.call('HGET', KEYS[3], ARGV[3]) or '-1') >= tonumber(ARGV[4]) then return 0 end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local top = newest[1] and tonumber(string.match(newest[1][1], '^(%d+)')) or 0
for i = 6, #ARGV, 3 do
  top = top + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], string.format('%.0f-0', top),
             'c', ARGV[i], 'k', ARGV[i + 1], 'd', ARGV[i + 2])
end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[5])
return top
"""


async def append(redis: "Redis", sender: str, number: int, messages: Sequence[Message]) -> None:
    """Publish a batch to every process; `number` rises with each batch of a sender. Raises `RedisError`, `OSError`."""
    flat = [part for each in messages for part in (each.category.value, each.key or "", each.json)]
    given: list[Any] = [new_epoch(), HISTORY_MAX, sender, number, REMEMBERED_SECONDS, *flat]
    await redis.eval(_APPEND, 3, STREAM, EPOCH, SENDERS, *given)


async def follow(redis: "Redis", channel: Channel, stop: asyncio.Event) -> None:
    """Keep `channel` as the shared one is, until stopped; `redis` is this reader's own. An interruption is caught up,
    a channel that was lost begins anew."""
    failures = 0
    begun = False
    interrupted = Repeated("monitoring channel interrupted", "monitoring channel resumed")
    while not stop.is_set():
        try:
            begun = await _follow_once(redis, channel, begun)
            interrupted.worked()
            failures = 0
        except (RedisError, OSError) as error:
            failures += 1
            INTERRUPTED.inc()
            interrupted.failed(type(error).__name__, detail=str(error)[:200])
            await asyncio.sleep(min(0.2 * 2**failures, 5))


async def _follow_once(redis: "Redis", channel: Channel, begun: bool) -> bool:
    epoch = cast("str | None", await redis.get(EPOCH))
    if epoch is not None and (not begun or epoch != channel.epoch):
        await _begin(redis, channel, epoch)
        begun = True
    after = f"{channel.top}-0" if begun else "$"
    for _, entries in _streams(await redis.xread({STREAM: after}, count=READ_MAX, block=BLOCK_MS)):
        if not begun:
            return False  # the channel has just been made: it begins with its epoch
        for entry_id, fields in entries:
            channel.append(_message(entry_id, fields))
    return begun


async def _begin(redis: "Redis", channel: Channel, epoch: str) -> None:
    entries = cast("list[tuple[str, dict[str, str]]]", await redis.xrevrange(STREAM, count=RESUME_MAX))
    history = [_message(entry_id, fields) for entry_id, fields in reversed(entries)]
    channel.restart(epoch, history[-1].offset if history else 0, history)


def _streams(reply: Any) -> list[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A reply's entries; in protocol 3 they stand one list deeper."""
    streams = reply.items() if isinstance(reply, dict) else reply or []
    return [(name, found[0] if found and isinstance(found[0], list) else found) for name, found in streams]


def _message(entry_id: str, fields: dict[str, str]) -> Message:
    return Message(int(entry_id.partition("-")[0]), Category(fields["c"]), fields["d"].encode(), fields["k"] or None)
