"""PostgreSQL goes away and comes back: requests are told so at once, and nobody has to do anything."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as PoolTimeout

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.database.watching import OWN_SERVER, Watched
from event_stream_engine.messaging.refused_callbacks import REFUSALS, REFUSED, RefusedCallbacks
from event_stream_engine.resilience import Breaker, Circuits, Pool, State, circuits_of
from event_stream_engine.settings import Settings
from tests.faults.proxy import Proxy, proxied
from tests.web.client import Client
from tests.web.settings import settings_for
from tests.web.test_webhooks import STATUS, call, receipt

CONTACTS = "/api/v1/contacts"
NOWHERE = ("127.0.0.1", 1)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with proxied(database_url) as found:
        yield found


@pytest.fixture
def settings(proxy: Proxy, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(proxy.address(database_url), redis_url, tmp_path)


async def test_requests_are_refused_at_once_while_it_is_away_and_served_again_when_it_is_back(
    app: FastAPI, owner: Client, proxy: Proxy
) -> None:
    breaker = circuits_of(app.state.platform.shared).breakers["postgresql"]
    assert (await owner.get(CONTACTS)).status_code == 200
    there, proxy.target = proxy.target, NOWHERE
    proxy.cut()
    answers = [await owner.get(CONTACTS) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {503}
    refused = [answer for answer in answers if answer.json()["code"] == "circuit_open"]
    assert refused, "after five failures nobody asks the server any more"
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert breaker.state in (State.OPEN, State.HALF_OPEN)

    proxy.target = there
    async with asyncio.timeout(30):
        while (await owner.get(CONTACTS)).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0)
    async with asyncio.timeout(30):
        while breaker.state is not State.CLOSED:  # the platform's own loops probe beside it, and take nobody's place
            assert (await owner.get(CONTACTS)).status_code == 200


async def test_the_platforms_own_loops_are_never_refused_and_their_success_closes_the_circuit(
    proxy: Proxy, database_url: str
) -> None:
    circuits = Circuits()
    database = Database.watched(circuits, proxy.address(database_url), pool_size=2)
    breaker = circuits.breakers["postgresql"]
    there, proxy.target = proxy.target, NOWHERE
    for _ in range(6):
        with pytest.raises(OSError):  # noqa: PT011
            await database.ping()
    assert breaker.state == State.OPEN
    proxy.target = there
    async with asyncio.timeout(30):
        while breaker.state != State.CLOSED:
            await database.ping()
    await database.close()


async def test_errors_about_the_data_and_our_own_open_nothing(database_url: str) -> None:
    circuits = Circuits()
    database = Database.watched(circuits, database_url, pool_size=2)
    for _ in range(6):
        with pytest.raises(Exception, match="division by zero"):
            async with database.transaction() as tx:
                await tx.exec_driver_sql("SELECT 1 / 0")
        with pytest.raises(FileNotFoundError):
            async with database.transaction():
                raise FileNotFoundError
    assert circuits.breakers["postgresql"].state is State.CLOSED
    await database.close()


async def test_a_pool_that_is_used_up_says_nothing_of_the_server() -> None:
    breaker = Breaker("postgresql", thresholds=OWN_SERVER)
    for _ in range(6):
        with pytest.raises(PoolTimeout), Watched(breaker, fail_fast=False):
            raise PoolTimeout
    assert (breaker.state, breaker.failures) == (State.CLOSED, 0)


async def test_the_pool_tells_who_has_a_connection_and_who_waits(database_url: str) -> None:
    circuits, release = Circuits(), asyncio.Event()
    database = Database.watched(circuits, database_url, pool_size=2)
    inside = asyncio.Semaphore(0)

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.exec_driver_sql("SELECT 1")
            inside.release()
            await release.wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    for _ in range(2):
        await inside.acquire()
    assert circuits.pools()["postgresql"] == Pool(2, 2, 1)
    release.set()
    await asyncio.gather(*tasks)
    assert circuits.pools()["postgresql"] == Pool(2, 0, 0)
    await database.close()


async def test_twilio_is_asked_once_after_an_outage_however_many_callbacks_it_cost(
    app: FastAPI, anonymous: Client, proxy: Proxy
) -> None:
    asked: asyncio.Queue[datetime] = asyncio.Queue()
    refused = RefusedCallbacks(app.state.platform.database, asked.put, grace_seconds=0)
    app.state.platform.shared[REFUSALS] = refused
    assert (await call(anonymous, STATUS, receipt())).status_code == 204
    before = REFUSED._value.get()
    there, proxy.target = proxy.target, NOWHERE
    proxy.cut()
    answers = [await call(anonymous, STATUS, receipt()) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert REFUSED._value.get() - before == 3
    assert asked.empty()

    back = clock.now()
    proxy.target = there
    async with asyncio.timeout(30):
        assert await asked.get() >= back, "what was reported before it answered again may be missing"
    await refused.close()
    assert asked.empty()
