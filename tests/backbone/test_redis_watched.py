"""Redis goes away and comes back: its breaker knows, who fails fast is refused as if no connection came about."""

import asyncio

import pytest
from redis.exceptions import MaxConnectionsError, RedisError, ResponseError

from event_stream_engine.backbone.streams import redis_watched
from event_stream_engine.backbone.streams.redis_watched import CONNECTIONS_MAX, REDIS, LeftAlone, watched
from event_stream_engine.resilience import Circuits, State
from tests.faults.proxy import proxied

NOWHERE = ("127.0.0.1", 1)


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_an_outage_opens_the_circuit_and_what_is_tried_after_it_closes_it(
    redis_url: str, fail_fast: bool
) -> None:
    circuits = Circuits()
    async with proxied(redis_url) as proxy:
        client = watched(circuits, proxy.address(redis_url), fail_fast=fail_fast)
        await client.set("a", "1")
        there, proxy.target = proxy.target, NOWHERE
        proxy.cut()
        errors = []
        for _ in range(8):
            with pytest.raises((RedisError, OSError)) as raised:
                await client.get("a")
            errors.append(raised.type)
        assert circuits.breakers[REDIS].state == State.OPEN
        assert (LeftAlone in errors) is fail_fast, "the platform's own loops are never refused"
        proxy.target = there
        async with asyncio.timeout(30):
            while circuits.breakers[REDIS].state != State.CLOSED:
                try:
                    assert await client.get("a") == "1"
                except LeftAlone:
                    await asyncio.sleep(0)
        assert circuits.pools()[REDIS].waiting == 0
        await client.aclose()


async def test_a_command_that_redis_refuses_shows_that_it_works(redis_url: str) -> None:
    circuits = Circuits()
    client = watched(circuits, redis_url)
    await client.set("a", "no list")
    for _ in range(6):
        with pytest.raises(ResponseError):
            await client.lpush("a", "1")
    assert circuits.breakers[REDIS].state is State.CLOSED
    await client.aclose()


async def test_more_at_once_than_there_are_connections_wait_for_one(redis_url: str) -> None:
    circuits = Circuits()
    client = watched(circuits, redis_url)
    await client.set("a", "1")
    asked = asyncio.gather(*(client.get("a") for _ in range(3 * CONNECTIONS_MAX)))
    await asyncio.sleep(0)
    assert circuits.pools()[REDIS].waiting > CONNECTIONS_MAX
    assert await asked == ["1"] * 3 * CONNECTIONS_MAX
    assert circuits.pools()[REDIS].waiting == 0
    await client.aclose()


async def test_who_waits_too_long_for_a_connection_is_refused_and_the_server_is_not_to_blame(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_watched, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(redis_watched, "CONNECTION_WAIT_SECONDS", 0.05)
    circuits = Circuits()
    client = watched(circuits, redis_url)
    blocked = asyncio.ensure_future(client.blpop(["nothing"], timeout=1))
    while not circuits.pools()[REDIS].in_use:  # noqa: ASYNC110  # the pool tells nobody
        await asyncio.sleep(0)
    with pytest.raises(MaxConnectionsError):
        await client.get("a")
    assert circuits.breakers[REDIS].state is State.CLOSED
    await blocked
    await client.aclose()
