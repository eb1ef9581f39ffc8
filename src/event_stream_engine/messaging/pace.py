"""The rate of a sender and of a campaign: token buckets in Redis, shared by all workers.

A bucket holds one second's worth. Tokens are taken before messages are claimed, so nobody sits on claimed messages
waiting for a turn; what a claim did not need is given back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

# KEYS: buckets. ARGV[1] how many are wanted; then each bucket's rate per second. Redis's own clock counts.
# Answers {granted, milliseconds until one more token is there}.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local granted = tonumber(ARGV[1])
local levels, wait = {}, 0
for i, key in ipairs(KEYS) do
  local rate = tonumber(ARGV[i + 1])
  local stored = redis.call('HMGET', key, 'level', 'at')
  local level = tonumber(stored[1]) or rate
  local at = tonumber(stored[2]) or now
  level = math.min(rate, level + math.max(0, now - at) * rate)
  levels[i] = level
  granted = math.min(granted, math.floor(level))
  if level < 1 then wait = math.max(wait, (1 - level) / rate) end
end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 'level', levels[i] - granted, 'at', now)
  redis.call('PEXPIRE', key, 10000)
end
return {granted, math.ceil(wait * 1000)}
"""

_GIVE_BACK = """
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then redis.call('HINCRBYFLOAT', key, 'level', ARGV[1]) end
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may leave now; with none, how many seconds until one may."""

    count: int
    wait_seconds: float


class Pace:
    """`buckets`: name of each bucket that counts, and its rate per second."""

    def __init__(self, redis: "Redis", buckets: Mapping[str, int]) -> None:
        self._keys = [f"ese:pace:{name}" for name in buckets]
        self._rates = list(buckets.values())
        self._take = redis.register_script(_TAKE)
        self._give_back = redis.register_script(_GIVE_BACK)

    async def take(self, wanted: int) -> Grant:
        """Up to `wanted` tokens from every bucket at once."""
        granted, wait = cast("list[int]", await self._take(keys=self._keys, args=[wanted, *self._rates]))
        return Grant(int(granted), int(wait) / 1000)

    async def give_back(self, count: int) -> None:
        if count > 0:
            await self._give_back(keys=self._keys, args=[count])
