"""Every process tells in Redis how its circuit breakers and connection pools are, so that one page shows all of them.

A hash holds one field for each process, written every four seconds and at once when a breaker changes its state. Times
are Redis's own, so that machines whose clocks differ agree. A process that was not heard for ten seconds is not alive;
one that was not heard for ten minutes is forgotten, one that stops takes its field along.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import holder_name
from event_stream_engine.resilience import Breaker, Circuits, State, Transition

KEY = "ese:circuits"
EVERY_SECONDS = 4.0
SETTLE_SECONDS = 0.05
"""Changes that follow each other this closely are told together."""
SILENT_SECONDS = 10.0
FORGOTTEN_SECONDS = 600.0
_CLOSING_SECONDS = 1.0


class ToldBreaker(msgspec.Struct, frozen=True):
    """A breaker as its process told it; `retry_after` in seconds, None while an operator holds it."""

    name: str
    state: State
    retry_after: float | None
    failures: int
    calls: int
    failed: int
    slow: int
    changed_at: datetime


class ToldPool(msgspec.Struct, frozen=True):
    name: str
    size: int | None
    in_use: int
    waiting: int


class _Content(msgspec.Struct, frozen=True):
    at: float
    breakers: Sequence[ToldBreaker]
    pools: Sequence[ToldPool]


@dataclass(frozen=True)
class Told:
    """What one process told last; `retry_after` of its breakers is as of now."""

    process: str
    host: str
    pid: int
    seen_at: datetime
    is_alive: bool
    breakers: Sequence[ToldBreaker]
    pools: Sequence[ToldPool]

    def breaker(self, name: str) -> ToldBreaker | None:
        return next((each for each in self.breakers if each.name == name), None)


@dataclass(frozen=True)
class LeftAlone:
    """No living process of a kind makes the calls behind a breaker. `resumes_at`: when one may try; None while
    operators hold all of them open."""

    resumes_at: datetime | None


_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(_Content)


async def keep_telling(redis: "Redis", process: str, circuits: Circuits) -> None:
    """Until canceled. While Redis does not answer it is tried again: silence is the message."""
    changed = asyncio.Event()

    def on_change(_: Transition) -> None:
        changed.set()

    circuits.listeners.append(on_change)
    field = f"{process} {holder_name()}"
    try:
        while True:
            with suppress(RedisError, OSError):
                await tell(redis, field, circuits)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await changed.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            changed.clear()
    finally:
        circuits.listeners.remove(on_change)
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await redis.hdel(KEY, field)


async def tell(redis: "Redis", field: str, circuits: Circuits) -> None:
    """Once. Raises `RedisError`."""
    own = here("", circuits)
    await redis.hset(KEY, field, _ENCODER.encode(_Content(await _now(redis), own.breakers, own.pools)))


async def told(redis: "Redis") -> list[Told]:
    """What every process told, by their names; at most 500. Raises `RedisError`."""
    now = await _now(redis)
    found = cast("Mapping[str, str]", await redis.hgetall(KEY))
    read = {field: _DECODER.decode(content) for field, content in found.items()}
    gone = [field for field, content in read.items() if now - content.at > FORGOTTEN_SECONDS]
    if gone:
        await redis.hdel(KEY, *gone)
    return [_of(field, read[field], now) for field in sorted(read.keys() - set(gone))[:500]]


def left_alone(everybody: Sequence[Told], breaker: str, process: str) -> LeftAlone | None:
    """None where a living process of this kind has the breaker closed, or has not told of it."""
    living = [each.breaker(breaker) for each in everybody if each.process == process and each.is_alive]
    if not living or any(one is None or one.state in (State.CLOSED, State.DISABLED) for one in living):
        return None
    retries = [one.retry_after for one in living if one is not None and one.retry_after is not None]
    return LeftAlone(clock.now() + timedelta(seconds=min(retries)) if retries else None)


def here(process: str, circuits: Circuits) -> Told:
    """What this process would tell, for when Redis does not take it."""
    pools = [ToldPool(name, pool.size, pool.in_use, pool.waiting) for name, pool in circuits.pools().items()]
    host, _, pid = holder_name().rpartition(":")
    breakers = [_told(breaker) for breaker in circuits.breakers.values()]
    return Told(process, host, int(pid), clock.now(), True, breakers, pools)


def _told(breaker: Breaker) -> ToldBreaker:
    calls, failed, slow = breaker.lately
    return ToldBreaker(
        breaker.name, breaker.state, breaker.retry_after, breaker.failures, calls, failed, slow, breaker.changed_at
    )


def _of(field: str, content: _Content, now: float) -> Told:
    process, _, holder = field.partition(" ")
    host, _, pid = holder.rpartition(":")
    seen_at = datetime.fromtimestamp(content.at, UTC)
    age = now - content.at
    breakers = [_aged(breaker, age) for breaker in content.breakers]
    return Told(process, host, int(pid), seen_at, age < SILENT_SECONDS, breakers, content.pools)


def _aged(breaker: ToldBreaker, seconds: float) -> ToldBreaker:
    if not breaker.retry_after:
        return breaker
    return msgspec.structs.replace(breaker, retry_after=max(0.0, breaker.retry_after - seconds))


async def _now(redis: "Redis") -> float:
    seconds, micros = await redis.time()
    return int(seconds) + int(micros) / 1_000_000
