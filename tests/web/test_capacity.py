"""A PostgreSQL that takes no further connection, and a Redis that may drop keys, are named with their figures."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from event_stream_engine.alerts.catalogue import RULES
from event_stream_engine.alerts.evaluating import Evaluator
from event_stream_engine.database import Database
from event_stream_engine.database.capacity import connections
from event_stream_engine.entrypoints.health import capacity
from event_stream_engine.entrypoints.metrics import gathering
from tests.conftest import Addresses, execute
from tests.waiting import until
from tests.web.client import Client


async def check(app: FastAPI, anonymous: Client, key: str) -> dict[str, object]:
    """As `/health` says it after three looks."""
    for _ in range(3):
        await app.state.platform.shared["health"].look()
    found: dict[str, object] = (await anonymous.get("/health")).json()["checks"][key][0]
    return found


async def fires(app: FastAPI) -> set[str]:
    """What the rules say of the figures of now, had they lasted for an hour."""
    evaluator = Evaluator(RULES)
    samples = await gathering.samples(app.state.platform)
    evaluator.observe(0, samples)
    return {one.rule.name for one in evaluator.observe(3600, samples)}


@asynccontextmanager
async def every_connection_taken(url: str) -> AsyncIterator[int]:
    """So many were free."""
    async with AsyncExitStack() as opened:
        count = 0
        while True:
            try:
                taken = await asyncpg.connect(url)
            except asyncpg.TooManyConnectionsError:
                break
            opened.push_async_callback(taken.close)
            count += 1
        yield count


async def test_no_free_connection_is_said_by_a_pooled_one_and_by_the_refusal(
    app: FastAPI, anonymous: Client, database_url: str
) -> None:
    free = await check(app, anonymous, "connections:used")
    assert free["status"] == "pass"
    assert "EseConnectionsLow" not in await fires(app)
    async with every_connection_taken(database_url):
        full = await check(app, anonymous, "connections:used")
        assert (full["status"], full["observedValue"]) == ("fail", 100.0)
        async with app.state.platform.database.transaction() as tx:
            figures = await connections(tx)
        most = figures.most - figures.reserved
        said = f"no free connection: {most} of {most} used; end others or raise max_connections"
        assert full["output"] == said
        assert "EseConnectionsLow" in await fires(app)
        assert (await anonymous.get("/readyz")).status_code == 200, "what has a connection works"
        scraped = (await anonymous.get("/metrics")).text
        for kind, value in (("used", figures.used), ("max", figures.most), ("reserved", figures.reserved)):
            assert f'ese_database_connections{{kind="{kind}",process="serve",' in scraped
            assert capacity.CONNECTIONS.labels(kind)._value.get() == value

        platform = app.state.platform
        working, platform.database = platform.database, Database(database_url)
        refused = await check(app, anonymous, "connections:used")
        said = str(refused["output"])
        assert (refused["status"], said.partition(":")[0]) == ("fail", "no free connection")
        assert f"(max_connections is {figures.most}, reserved: {figures.reserved}); end others or raise" in said
        assert "EseConnectionsLow" in await fires(app)
        server = (await anonymous.get("/health")).json()["checks"]["postgresql:responseTime"][0]
        assert (server["status"], server["output"]) == ("fail", said)
        await platform.database.close()
        platform.database = working

    async def is_free_again() -> bool:
        await platform.shared["health"].look()
        return bool((await anonymous.get("/health")).json()["checks"]["connections:used"][0]["status"] == "pass")

    await until(is_free_again)
    assert "EseConnectionsLow" not in await fires(app)


async def test_a_limit_of_the_database_counts_where_it_is_reached_first(
    servers: Addresses, app: FastAPI, anonymous: Client, database: Database, database_url: str
) -> None:
    name = database_url.rsplit("/", 1)[1]
    async with database.transaction() as tx:
        before = (await connections(tx)).tightest
    assert before.name == "max_connections"
    await execute(servers.database_url, f"ALTER DATABASE {name} CONNECTION LIMIT 5")
    async with database.transaction() as tx:
        found = (await connections(tx)).tightest
    assert (found.name, found.most) == ("the connection limit of the database", 5)
    assert found.used >= 1


async def test_a_refusal_for_another_limit_names_that_one(servers: Addresses, app: FastAPI, database_url: str) -> None:
    platform = app.state.platform
    working, platform.database = platform.database, Database(database_url, pool_size=1)
    await execute(servers.database_url, f"ALTER DATABASE {database_url.rsplit('/', 1)[1]} CONNECTION LIMIT 0")
    (reading,) = await capacity.connections_reading(platform, 2)
    await platform.database.close()
    platform.database = working
    assert reading.status == "fail"
    assert str(reading.output).startswith("no free connection: too many connections for database")
    assert str(reading.output).endswith("; end others or raise the connection limit of the database")


async def test_a_server_that_is_away_says_nothing_of_connections(app: FastAPI, anonymous: Client) -> None:
    platform, monitor = app.state.platform, app.state.platform.shared["health"]
    await monitor.look()
    working, platform.database = platform.database, Database("postgresql://nobody:x@127.0.0.1:1/none", pool_size=1)
    await monitor.look()
    assert "connections:used" not in (await anonymous.get("/health")).json()["checks"]
    assert "ese_database_connections{" not in (await anonymous.get("/metrics")).text, "no figure of before"
    await platform.database.close()
    platform.database = working


@pytest.fixture
async def redis(app: FastAPI) -> AsyncIterator["Redis"]:
    """Whose memory settings a test may change."""
    client: Redis = app.state.platform.redis
    before = {**await client.config_get("maxmemory"), **await client.config_get("maxmemory-policy")}
    yield client
    for name, value in before.items():
        await client.config_set(name, value)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_redis_that_may_evict_is_named(app: FastAPI, anonymous: Client, redis: "Redis", policy: str) -> None:
    assert (await check(app, anonymous, "evictions:keys"))["status"] == "pass"
    assert "EseRedisMayEvict" not in await fires(app)
    await redis.config_set("maxmemory", "0")
    await redis.config_set("maxmemory-policy", policy)
    assert (await check(app, anonymous, "evictions:keys"))["status"] == "pass", "there is no limit to evict at"
    await redis.config_set("maxmemory", "8gb")
    found = await check(app, anonymous, "evictions:keys")
    said = f"Redis may evict keys ({policy} at 8,192 MiB): set maxmemory-policy to noeviction"
    assert (found["status"], found["output"]) == ("fail", said)
    assert "EseRedisMayEvict" in await fires(app)
    assert "ese_redis_keeps_keys 0.0" in (await anonymous.get("/metrics")).text


async def test_evicted_keys_are_counted_and_fire(app: FastAPI, anonymous: Client, redis: "Redis") -> None:
    evaluator = Evaluator(RULES)
    evaluator.observe(0, await gathering.samples(app.state.platform))
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory-policy", "allkeys-random")
    await redis.config_set("maxmemory", str(used + 2**20))
    for number in range(64):
        await redis.set(f"filler:{number}", b"x" * 2**16)
    evicted = (await redis.info("stats"))["evicted_keys"]
    assert evicted > 0
    await redis.config_set("maxmemory", "0")
    assert f"ese_redis_evicted_keys_total {float(evicted)}" in (await anonymous.get("/metrics")).text
    firing = evaluator.observe(15, await gathering.samples(app.state.platform))
    assert "EseRedisEvicted" in {one.rule.name for one in firing}
    later = Evaluator(RULES)
    later.observe(0, [])  # Redis was away at the first look
    assert "EseRedisEvicted" not in {
        one.rule.name for one in later.observe(15, await gathering.samples(app.state.platform))
    }
