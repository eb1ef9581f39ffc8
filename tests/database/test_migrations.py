"""The migrated schema is the one that the code knows, and migrating at once from several processes is safe."""

import asyncio
import importlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from event_stream_engine.database import Database, metadata, migrate
from event_stream_engine.database.engine import async_url
from event_stream_engine.database.migrating import MIGRATIONS
from tests.conftest import Addresses, drop, execute, in_database

# Every module that declares tables, so that the metadata is whole.
TABLES = (
    "backbone.tables", "identity.tables", "audit.tables", "flags.tables", "alerts.tables", "messaging.tables",
    "monitoring.tables", "web.unit",
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings(
    "ignore:Did not recognize type"
)  # xid8, pg_snapshot: see backbone.tables.PgType

KINDS = {"add_table", "remove_table", "add_column", "remove_column", "modify_type", "modify_nullable"}


@pytest.fixture
async def empty_url(servers: Addresses) -> AsyncIterator[str]:
    await execute(servers.database_url, "CREATE DATABASE ese_migrations")
    yield in_database(servers.database_url, "ese_migrations")
    await drop(servers.database_url, "ese_migrations")


def differences(connection: Connection) -> list[str]:
    for name in TABLES:
        importlib.import_module(f"event_stream_engine.{name}")
    options: dict[str, Any] = {"compare_type": True, "include_object": is_ours}
    context = MigrationContext.configure(connection, opts=options)
    found: list[str] = []
    for difference in compare_metadata(context, metadata):
        steps = difference if isinstance(difference, list) else [difference]
        found += [repr(step) for step in steps if step[0] in KINDS]
    return found


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """The outbox's daily partitions are made by a function, not by the metadata."""
    return not (kind == "table" and reflected and (name or "").startswith(("outbox_2", "inbox_")))


async def test_the_migrated_schema_is_the_one_that_the_code_knows(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_comparison_sees_a_difference(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("ALTER TABLE contacts DROP COLUMN locale"))
        await tx.execute(text("ALTER TABLE contacts ALTER COLUMN phone DROP NOT NULL"))
    async with database.engine.connect() as connection:
        found = await connection.run_sync(differences)
    assert len(found) == 2, found


TAKES_AWAY = re.compile(
    r"\bDROP\s+(TABLE|COLUMN)\b|\bRENAME\b|\bALTER\s+COLUMN\s+\w+\s+(TYPE|SET\s+NOT\s+NULL)\b", re.IGNORECASE
)
BEFORE_THE_FIRST_RELEASE = {"0004_imports.py", "0005_consumers.py", "0014_account_security.py"}


def test_migrations_only_add_so_that_an_earlier_release_works_beside_a_later_one() -> None:
    found = {path.name for path in (MIGRATIONS / "versions").glob("*.py") if TAKES_AWAY.search(path.read_text())}
    assert found == BEFORE_THE_FIRST_RELEASE, "add what is new, use it, and take the old away in the next major version"


async def test_processes_that_migrate_at_once_do_it_once(empty_url: str) -> None:
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    await migrate(empty_url)
    engine = create_async_engine(async_url(empty_url))
    async with engine.connect() as connection:
        versions = (await connection.execute(text("SELECT version_num FROM alembic_version"))).all()
        assert len(versions) == 1
        assert await connection.run_sync(differences) == []
    await engine.dispose()
