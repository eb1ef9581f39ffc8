"""What was there before a migration is there after it, and releases that differ know it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from event_stream_engine import clock
from event_stream_engine.database import Database, SchemaOlder, migrate, refuse_older_schema, schema_of
from event_stream_engine.database.engine import async_url
from event_stream_engine.database.migrating import alembic_config
from event_stream_engine.embedded import ports
from event_stream_engine.identity.model import digest
from event_stream_engine.identity.store import sessions
from tests.conftest import Addresses, drop, execute, in_database
from tests.waiting import until

BEFORE_SESSIONS = "0013"


@pytest.fixture
async def former_url(servers: Addresses) -> AsyncIterator[str]:
    """A database as it was before sessions were kept."""
    name = f"ese_upgrade_{uuid4().hex[:8]}"
    await execute(servers.database_url, f"CREATE DATABASE {name}")
    url = in_database(servers.database_url, name)
    engine = create_async_engine(async_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), BEFORE_SESSIONS))
    await engine.dispose()
    yield url
    await drop(servers.database_url, name)


async def test_who_was_signed_in_stays_signed_in(former_url: str) -> None:
    database = Database(former_url, pool_size=1)
    account_id = uuid4()
    token = "INSERT INTO refresh_tokens (token_hash, account_id, expires_at, replaced_at) VALUES (:hash, :id, {}, {})"
    async with database.transaction() as tx:
        account = "INSERT INTO accounts (id, display_name, role) VALUES (:id, 'Ana', 'admin')"
        await tx.execute(text(account), {"id": account_id})
        for name, expires, replaced in (
            ("good", "now() + interval '1 day'", "NULL"),
            ("replaced", "now() + interval '1 day'", "now()"),
            ("expired", "now() - interval '1 day'", "NULL"),
        ):
            await tx.execute(text(token.format(expires, replaced)), {"hash": digest(name), "id": account_id})
    await database.close()
    await migrate(former_url)
    async with database.transaction() as tx:
        found = {
            name: await sessions.by_token(tx, digest(name), clock.now()) for name in ("good", "replaced", "expired")
        }
    await database.close()
    assert found["good"] is not None
    assert (found["good"][0].account_id, found["good"][0].ended_at) == (account_id, None)
    assert (found["replaced"], found["expired"]) == (None, None)


async def test_a_later_releases_schema_is_left_as_it_is(database_url: str) -> None:
    await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert (await migrate(database_url)).is_newer
    schema = await schema_of(database_url)
    assert (schema.found, schema.is_newer, schema.is_older) == ("9999", True, False)


async def test_a_process_refuses_a_schema_that_is_older_than_it_needs(former_url: str) -> None:
    with pytest.raises(SchemaOlder, match=r"0013, this release needs \d{4}\. Run `ese migrate`"):
        refuse_older_schema(former_url)
    await migrate(former_url)
    refuse_older_schema(former_url)
    await execute(former_url, "DROP TABLE alembic_version")
    with pytest.raises(SchemaOlder, match="none"):
        refuse_older_schema(former_url)


async def test_a_process_starts_without_a_database_that_answers() -> None:
    refuse_older_schema(f"postgresql://ese@127.0.0.1:{ports.any_free()}/ese")


async def test_a_migration_that_waits_for_a_table_lets_others_go_first(former_url: str) -> None:
    database = Database(former_url, pool_size=2)
    async with database.transaction() as report:
        await report.execute(text("SELECT count(*) FROM refresh_tokens"))  # holds the table until its end
        migrating = asyncio.create_task(migrate(former_url))
        await until(lambda: someone_waits(former_url))
        async with database.transaction() as tx, asyncio.timeout(30):
            await tx.execute(text("SELECT count(*) FROM refresh_tokens"))
        assert not migrating.done()
    assert not (await migrating).is_older
    await database.close()


async def someone_waits(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
    finally:
        await connection.close()
