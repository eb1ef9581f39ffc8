"""A pool is as large as its load of late: the server ends what nobody uses, and nobody notices."""

import asyncio

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database, engine
from tests.faults.scene import until


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
