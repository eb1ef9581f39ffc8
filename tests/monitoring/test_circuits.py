"""Orders to breakers reach every process concerned, also later ones; how breakers are, everybody can see."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import Database
from event_stream_engine.errors import Invalid
from event_stream_engine.live import circuits as telling
from event_stream_engine.live.circuits import Told, keep_telling, left_alone, told
from event_stream_engine.monitoring import circuits as ordering
from event_stream_engine.monitoring import store
from event_stream_engine.monitoring.circuits import CHANNEL, Obedience, order
from event_stream_engine.resilience import Action, Circuits, Pool, State
from tests.flags.test_following import until
from tests.resilience.test_breaker import fail

NOBODY = "redis://127.0.0.1:1/0"


async def give(database: Database, action: Action, name: str = "twilio", process: str = "") -> None:
    async with database.transaction() as tx:
        await order(tx, name, action, process=process, reason="test", by=None)


@asynccontextmanager
async def process(
    database: Database, redis_url: str, kind: str = "work", *, poll_seconds: float = 60
) -> AsyncIterator[tuple[Circuits, Obedience]]:
    circuits, client = Circuits(), connect(redis_url)
    circuits.breaker("twilio")
    obedience = Obedience(circuits, database, client, kind, poll_seconds=poll_seconds)
    tasks = [asyncio.create_task(obedience.run()), asyncio.create_task(keep_telling(client, kind, circuits))]
    try:
        yield circuits, obedience
    finally:
        await end(*tasks)
        await client.aclose()


async def test_an_order_reaches_every_process_and_those_that_start_later(database: Database, redis_url: str) -> None:
    async with process(database, redis_url) as (worker, one), process(database, redis_url, "serve") as (api, two):
        await asyncio.wait_for(asyncio.gather(one.listening.wait(), two.listening.wait()), 10)
        await give(database, Action.OPEN)
        async with connect(redis_url) as redis:
            await ordering.nudge(redis)
        await until(lambda: {c.breakers["twilio"].state for c in (worker, api)} == {State.FORCED_OPEN})
    async with process(database, redis_url) as (later, _):
        await until(lambda: later.breakers["twilio"].state is State.FORCED_OPEN)


async def test_without_redis_the_poll_brings_the_order(database: Database) -> None:
    async with process(database, NOBODY, poll_seconds=0.05) as (circuits, _):
        await give(database, Action.DISABLE)
        await until(lambda: circuits.breakers["twilio"].state is State.DISABLED)


async def test_an_order_to_one_kind_of_process_concerns_no_other_and_ends_with_one_to_all(database: Database) -> None:
    await give(database, Action.OPEN, process="work")
    async with database.transaction() as tx:
        rows = await store.orders(tx)
    assert [each.action for each in ordering.concerning(rows, "work")] == [Action.OPEN]
    assert ordering.concerning(rows, "serve") == []
    assert [row.process for row in ordering.standing(rows, "twilio")] == ["work"]
    await give(database, Action.RESET)
    async with database.transaction() as tx:
        rows = await store.orders(tx)
    assert [each.action for each in ordering.concerning(rows, "work")] == [Action.RESET]
    assert ordering.standing(rows, "twilio") == []
    with pytest.raises(Invalid):
        await give(database, Action.OPEN, process="nobody")


async def test_every_process_is_seen_with_its_breakers_and_pools_and_at_once_when_one_changes(
    database: Database, redis_url: str
) -> None:
    async with (
        process(database, redis_url) as (worker, _),
        process(database, redis_url, "relay"),
        connect(redis_url) as redis,
    ):
        worker.add_pool("twilio", lambda: Pool(64, 3, 0))
        fail(worker.breaker("twilio"))
        async with asyncio.timeout(30):
            while not (found := await state_of(redis, "work")) or found.breakers[0].state is not State.OPEN:
                pass
        assert found.breakers[0].failures == 0
        assert found.breakers[0].retry_after is not None
        async with asyncio.timeout(30):
            while not (await state_of(redis, "relay")):
                pass
            while not (found := await state_of(redis, "work")) or not found.pools:
                pass
        assert (found.is_alive, found.pools[0].in_use) == (True, 3)
        alone = left_alone([found], "twilio", "work")
        assert alone is not None
        assert alone.resumes_at is not None
    async with connect(redis_url) as redis:
        assert await told(redis) == [], "who stops takes its field along"


async def state_of(redis: object, kind: str) -> Told | None:
    return next((each for each in await told(redis) if each.process == kind), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "shown"), [(11, [False]), (601, [])])
async def test_a_killed_process_is_shown_as_silent_and_forgotten_later(
    redis_url: str, seconds: float, shown: list[bool]
) -> None:
    circuits = Circuits()
    circuits.breaker("twilio").force_open()
    async with connect(redis_url) as redis:
        await telling.tell(redis, "work host:7", circuits)
        content = json.loads(await redis.hget(telling.KEY, "work host:7") or "")
        await redis.hset(telling.KEY, "work host:7", json.dumps({**content, "at": content["at"] - seconds}))
        found = await told(redis)
        assert [each.is_alive for each in found] == shown
        assert left_alone(found, "twilio", "work") is None, "the dead hold nothing up"


def test_one_closed_breaker_is_enough_for_the_work_to_go_on(redis_url: str) -> None:
    closed, held = Circuits(), Circuits()
    closed.breaker("twilio")
    held.breaker("twilio").force_open()
    first, second = telling.here("work", held), telling.here("work", closed)
    alone = left_alone([first], "twilio", "work")
    assert alone is not None
    assert alone.resumes_at is None, "an operator holds it"
    assert left_alone([first, second], "twilio", "work") is None


RELAY_OF_ITS_OWN = "import event_stream_engine.entrypoints.relay as relay; relay.main()"


async def test_an_order_reaches_a_relay_of_its_own_before_it_polls(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ESE_HOME": str(tmp_path),
    }  # fmt: skip
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RELAY_OF_ITS_OWN, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with connect(redis_url) as redis:
            await seen(redis, lambda told: told.breakers[0].state is State.CLOSED)
            while (await redis.pubsub_numsub(CHANNEL))[0][1] < 1:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await give(database, Action.OPEN, "monitoring_redis", "relay")
            await ordering.nudge(redis)
            async with asyncio.timeout(ordering.POLL_SECONDS - 5):
                await seen(redis, lambda told: any(each.state is State.FORCED_OPEN for each in told.breakers))
    finally:
        relay.terminate()
        await relay.wait()


async def seen(redis: object, holds: Callable[[Told], bool]) -> None:
    async with asyncio.timeout(30):
        while (found := await state_of(redis, "relay")) is None or not found.breakers or not holds(found):  # noqa: ASYNC110
            await asyncio.sleep(0)
