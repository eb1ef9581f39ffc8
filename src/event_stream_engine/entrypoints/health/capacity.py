"""What servers run out of while they still answer: connections of PostgreSQL, memory of Redis."""

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client import Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.asyncio import Redis

from event_stream_engine.database import DATABASE_ERRORS
from event_stream_engine.database.capacity import (
    DATABASE,
    ROLE,
    SERVER,
    Connections,
    connections,
    is_without_connection,
)
from event_stream_engine.entrypoints.health.judging import Reading, over
from event_stream_engine.web.platform import Platform

# Labelled, as a gauge without a label says 0 in a process that never looks.
CONNECTIONS = Gauge(
    "ese_database_connections", "Connections of the PostgreSQL server: used, max and reserved for superusers", ["kind"]
)
USED = Gauge(
    "ese_database_connections_used_ratio", "Used share of the limit on connections that is reached first", ["limit"]
)
RESTARTED = Gauge(
    "ese_database_restart_age_seconds",
    "Seconds since PostgreSQL restarted while this process ran; absent if it did not",
    ["server"],
)
WARN_SHARE, FAIL_SHARE = 0.8, 0.95
_KNOWN, _STARTED = "connections", "database_started"
_NAMED = {"connections for database": DATABASE, "connections for role": ROLE}
"""What PostgreSQL names of a limit, in English; in other languages of its messages the limit is taken for the
server's."""


async def connections_reading(platform: Platform, seconds: float) -> list[Reading]:
    """How much of the limit is used that is reached first. A connection of the pool asks, so that the figures are there
    also when none is free; where a new one would be needed, the server's refusal is the reading. Raises what the
    database raises otherwise."""
    try:
        async with asyncio.timeout(seconds), platform.database.transaction() as tx:
            found = platform.shared[_KNOWN] = await connections(tx)
    except (*DATABASE_ERRORS, TimeoutError) as error:
        _forget()
        if not is_without_connection(error):
            raise
        USED.labels(SERVER).set(1.0)
        return [Reading("connections", "used", "fail", "system", 100.0, "%", refused(platform, error))]
    _export(found)
    if platform.shared.setdefault(_STARTED, found.started) != found.started:
        RESTARTED.labels("postgresql").set(found.age)
    limit = found.tightest
    said = f"{limit.used} of {limit.most} ({limit.name})"
    if limit.share >= 1:
        said = f"no free connection: {limit.used} of {limit.most} used; end others or raise {limit.name}"
    status = over(limit.share, WARN_SHARE, FAIL_SHARE)
    return [Reading("connections", "used", status, "system", round(limit.share * 100, 1), "%", said)]


def refused(platform: Platform, error: BaseException) -> str:
    """What is said of a server that takes no further connection: its own words, and the figures known last."""
    answer = str(getattr(error, "orig", None) or error)[:120]
    limit = next((name for words, name in _NAMED.items() if words in answer), SERVER)
    found: Connections | None = platform.shared.get(_KNOWN)
    figures = f" (max_connections is {found.most}, reserved: {found.reserved})" if found and limit == SERVER else ""
    return f"no free connection: {answer}{figures}; end others or raise {limit}"


def _export(found: Connections) -> None:
    _forget()
    for kind, count in (("used", found.used), ("max", found.most), ("reserved", found.reserved)):
        CONNECTIONS.labels(kind).set(count)
    USED.labels(found.tightest.name).set(found.tightest.share)


def _forget() -> None:
    """A limit that is no longer the tightest one, or figures of a server that no longer answers."""
    CONNECTIONS.clear()
    USED.clear()
    RESTARTED.clear()


async def memory_of(redis: "Redis") -> Mapping[str, Any]:
    """`maxmemory`, `maxmemory_policy` and `evicted_keys`. Raises `RedisError`."""
    return {**await redis.info("memory"), **await redis.info("stats")}


def keeps_keys(info: Mapping[str, Any]) -> bool:
    """Whether it refuses to write at its limit, instead of dropping what it holds."""
    return info.get("maxmemory_policy", "noeviction") == "noeviction" or not info.get("maxmemory")


async def evictions_reading(platform: Platform, seconds: float) -> list[Reading]:
    """Raises `RedisError`, `TimeoutError`."""
    async with asyncio.timeout(seconds):
        info = await memory_of(platform.redis)
    evicted = float(info.get("evicted_keys", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    if keeps_keys(info):
        return [Reading("evictions", "keys", "pass", "system", evicted, "keys", str(policy))]
    limit = f"{int(info['maxmemory']) / 2**20:,.0f} MiB"
    said = f"Redis may evict keys ({policy} at {limit}): set maxmemory-policy to noeviction"
    return [Reading("evictions", "keys", "fail", "system", evicted, "keys", said)]


def families(info: Mapping[str, Any]) -> list[Metric]:
    """For Prometheus."""
    return [
        GaugeMetricFamily(
            "ese_redis_keeps_keys", "1 if Redis refuses writes at its memory limit, 0 if it may evict keys",
            value=float(keeps_keys(info)),
        ),
        CounterMetricFamily(
            "ese_redis_evicted_keys", "Keys that Redis evicted since it started",
            value=float(info.get("evicted_keys", 0)),
        ),
    ]  # fmt: skip
