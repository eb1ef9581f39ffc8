"""What was there before a migration is there after it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from event_stream_engine import clock
from event_stream_engine.database import Database, migrate
from event_stream_engine.database.engine import async_url
from event_stream_engine.database.migrating import alembic_config
from event_stream_engine.identity.model import digest
from event_stream_engine.identity.store import sessions
from tests.conftest import Addresses, execute, in_database

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
    await execute(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


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
