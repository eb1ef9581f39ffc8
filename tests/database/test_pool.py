"""A pool is as large as its load of late: the server ends what nobody uses, and nobody notices. A pool none of whose
connections becomes free is an outage like any other."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone.group_commit import GroupCommit
from event_stream_engine.database import DATABASE_ERRORS, Database, engine
from event_stream_engine.errors import Unavailable
from event_stream_engine.events.messaging import StatusCallbackReceived
from tests.waiting import until


async def sessions(database: Database) -> int:
    async with database.transaction() as tx:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idle' AND datname = current_database()"
        return int((await tx.execute(text(query))).scalar_one())


async def at_once(database: Database, count: int) -> None:
    """So many transactions that wait for each other: each has a connection of its own."""
    barrier = asyncio.Barrier(count)

    async def one() -> None:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            await barrier.wait()

    await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("ping", [True, False])
async def test_connections_that_were_ended_while_idle_are_replaced_without_an_error(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, ping: bool
) -> None:
    monkeypatch.setattr(engine, "_ENDS_IDLE", {"idle_session_timeout": "200ms"})

    async def none_left() -> bool:
        return await sessions(database) == 0

    pool = Database(database_url, pool_size=5, application="idle", ping=ping)
    try:
        await at_once(pool, 5)
        assert await sessions(database) == 5
        await until(none_left)
        await at_once(pool, 5)
    finally:
        await pool.close()


@pytest.fixture
async def exhausted(database_url: str) -> AsyncIterator[Database]:
    """All of its connections are in use, and it waits 0.1 s for one."""
    pool = Database(database_url, pool_size=1)
    pool.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    try:
        async with pool.engine.connect():
            yield pool
    finally:
        await pool.close()


async def test_an_exhausted_pool_is_an_error_of_the_database(exhausted: Database) -> None:
    with pytest.raises(DATABASE_ERRORS):
        await exhausted.ping()


async def test_a_callback_is_refused_while_the_pool_is_exhausted(exhausted: Database) -> None:
    event = StatusCallbackReceived(sid="SM1", status="sent", received_at=clock.now(), form={})
    with pytest.raises(Unavailable):
        await asyncio.wait_for(GroupCommit(exhausted).record(event), 5)
