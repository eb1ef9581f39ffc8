"""Redis goes away and comes back: its breaker knows, who fails fast is refused as if no connection came about."""

import asyncio

import pytest
from redis.exceptions import RedisError, ResponseError

from event_stream_engine.backbone.streams.redis_watched import REDIS, LeftAlone, watched
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
