"""Migrations: Alembic, under one lock, so that two processes starting at once do it once."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from event_stream_engine.database.engine import async_url

_LOCK = 0x657365  # "ese": the advisory lock all migrating processes wait for
MIGRATIONS = Path(__file__).with_name("migrations")


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; without an ini file, because the folder is all there is to say."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema; returns at once when it is there already."""
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await engine.dispose()


def migrate_now(url: str) -> None:
    """`migrate` for callers without an event loop."""
    asyncio.run(migrate(url))
