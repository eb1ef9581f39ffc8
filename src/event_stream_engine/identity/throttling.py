"""Guessing passwords and codes takes long: after some failures the next attempt has to wait, each time twice as long.

Counted in Redis for 15 minutes, per email address (whether it has an account or not, so that nothing is learned from
it) and per network address. A one-time link (`ese sign-in`) always lets the admin in. While Redis does not answer,
nobody is held up: the password's own hash is slow.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.errors import TooManyRequests
from event_stream_engine.identity.model import TooManySignIns, WrongCredentials

log = structlog.get_logger()

REFUSED = Counter("ese_sign_ins_refused_total", "Sign-ins that had to wait after failed ones", ["by"])

WINDOW_SECONDS = 900
FREE = {"email": 5, "address": 50}
"""Failed attempts without a pause: a person mistypes; a whole office may share a network address."""

SPENT_MAX = {"email": 3, "account": 5, "address": 20}
"""Requests for a mail in 15 minutes."""


@asynccontextmanager
async def throttled(redis: "Redis", email: str, address: str) -> AsyncIterator[None]:
    """One attempt to sign in, or to prove oneself again. In place of an address `email` may name what else is guessed
    at, such as `code:<account id>`: each has a count of its own.

    Raises `TooManySignIns` instead of trying; a `WrongCredentials` inside is counted."""
    keys = {"email": _key("email", email.strip().lower()), "address": _key("address", address)}
    await _refuse_early(redis, keys)
    try:
        yield
    except WrongCredentials:
        await _count(redis, keys)
        raise
    await _forget(redis, keys["email"])


async def spend(redis: "Redis", what: str, spenders: dict[str, str]) -> None:
    """Something that each `email`, `account` and `address` may do a few times in 15 minutes, whatever comes of it.
    Raises `TooManyRequests`."""
    try:
        for by, who in spenders.items():
            key = f"ese:{what}:{by}:{_hashed(who)}"
            async with redis.pipeline(transaction=True) as pipe:
                pipe.incr(key)
                pipe.expire(key, WINDOW_SECONDS, nx=True)
                pipe.ttl(key)
                spent, _, left = await pipe.execute()
            if spent > SPENT_MAX[by]:
                REFUSED.labels(f"{what}_{by}").inc()
                raise TooManyRequests(f"Too many requests. Try again in {_spoken(max(1, left))}.", retry_after=left)
    except (RedisError, OSError) as error:
        log.warning("requests are not counted", what=what, error=str(error)[:200])


def _key(by: str, what: str) -> str:
    return f"ese:sign-in:{by}:{_hashed(what)}"


def _hashed(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()[:32]


async def _refuse_early(redis: "Redis", keys: dict[str, str]) -> None:
    for by, key in keys.items():
        try:
            left = await redis.pttl(f"{key}:pause")
        except (RedisError, OSError) as error:
            log.warning("failed sign-ins are not counted", error=str(error)[:200])
            return
        if left > 0:
            REFUSED.labels(by).inc()
            seconds = -(-left // 1000)
            raise TooManySignIns(f"Too many sign-ins failed. Try again in {_spoken(seconds)}.", retry_after=seconds)


async def _count(redis: "Redis", keys: dict[str, str]) -> None:
    try:
        for by, key in keys.items():
            async with redis.pipeline(transaction=True) as pipe:
                pipe.incr(key)
                pipe.expire(key, WINDOW_SECONDS)
                failed = (await pipe.execute())[0]
            if failed >= FREE[by]:
                await redis.set(f"{key}:pause", "1", ex=min(WINDOW_SECONDS, 2 ** (failed - FREE[by])))
    except (RedisError, OSError) as error:
        log.warning("failed sign-in not counted", error=str(error)[:200])


async def _forget(redis: "Redis", key: str) -> None:
    try:
        await redis.delete(key, f"{key}:pause")
    except (RedisError, OSError) as error:
        log.warning("failed sign-ins are not forgotten", error=str(error)[:200])


def _spoken(seconds: int) -> str:
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = -(-seconds // 60)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
