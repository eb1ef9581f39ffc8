"""Migrations: Alembic, under one lock, so that two processes starting at once do it once.

Releases run side by side during an upgrade, so a migration only adds: a release works on the schema of every later one
of its major version, and refuses an older one. A step back is to start the earlier release again; nothing is undone.
"""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from event_stream_engine.database.engine import DATABASE_ERRORS, async_url
from event_stream_engine.errors import Conflict, Unavailable
from event_stream_engine.resilience import Backoff, sqlstate

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger()

_LOCK = 0x657365  # "ese": the advisory lock all migrating processes wait for
MIGRATIONS = Path(__file__).with_name("migrations")
_KNOWN: Final = frozenset(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
_HEAD: Final = max(_KNOWN)

_LOCK_SECONDS: Final = 2
"""Whoever waits for a table keeps everybody else from it meanwhile: so long, then all others go first."""
_TRIES: Final = 20
_PAUSES: Final = Backoff(base=0.5, cap=3)
_IN_THE_WAY: Final = ("55P03", "40P01")  # lock_not_available, deadlock_detected


class SchemaOlder(Conflict):
    """The database was not migrated to this release yet."""

    code = "schema_older"
    title = "The database's schema is older than this release"


class SchemaBusy(Unavailable):
    """Another transaction did not let go of a table; nothing was changed."""

    code = "schema_busy"
    title = "The schema could not be changed"


@dataclass(frozen=True)
class Schema:
    """The revision that a database has, None for one that was never migrated."""

    found: str | None

    @property
    def is_older(self) -> bool:
        return self.found is None or (self.found in _KNOWN and self.found != _HEAD)

    @property
    def is_newer(self) -> bool:
        return self.found is not None and self.found not in _KNOWN

    def __str__(self) -> str:
        if self.is_newer:
            return f"{self.found}, of a later release (this one's is {_HEAD})"
        needs = f"this release needs {_HEAD}" if self.is_older else "this release's"
        return f"{self.found or 'none'}, {needs}"


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration; without an ini file, because the folder is all there is to say."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> Schema:
    """Bring the database at `url` to this release's schema, whole or not at all; the schema that it has then. Returns
    at once when it is there already, or when a later release migrated it.

    Raises `SchemaBusy` when other transactions stand in the way for about a minute.
    """
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    try:
        for retry in range(_TRIES):
            try:
                async with engine.begin() as connection:
                    return await _migrated(connection)
            except DBAPIError as error:
                if sqlstate(error) not in _IN_THE_WAY:
                    raise
                log.warning("migration waiting for table", error=str(error.orig)[:200])
            await asyncio.sleep(_PAUSES.wait(retry, random.uniform))
    finally:
        await engine.dispose()
    raise SchemaBusy(
        "Long transactions hold the tables that have to be changed; nothing was changed. End them (pg_stat_activity "
        "shows them, oldest first by xact_start) and run `ese migrate` again."
    )


async def _migrated(connection: AsyncConnection) -> Schema:
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = await connection.run_sync(_schema)
    if before.is_newer:
        log.warning("database schema newer, left unchanged", schema=str(before))
        return before
    await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
    await connection.run_sync(_upgrade)
    return await connection.run_sync(_schema)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # every process looks at the schema, and few change it: Alembic takes 10 MB

    command.upgrade(alembic_config(connection), "head")


def _schema(connection: Connection) -> Schema:
    if not inspect(connection).has_table("alembic_version"):
        return Schema(None)
    return Schema(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none())


async def schema_of(url: str, *, timeout_seconds: float = 5) -> Schema:
    """What schema the database at `url` has. Raises what a server that cannot be reached raises."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"), timeout=timeout_seconds)
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version", timeout=timeout_seconds)
    except asyncpg.UndefinedTableError:
        found = None
    finally:
        await connection.close(timeout=timeout_seconds)
    return Schema(found)


def refuse_older_schema(url: str) -> None:
    """Raises `SchemaOlder` before anything is written. A database that does not answer is waited for later, as ever."""
    try:
        with ThreadPoolExecutor(1) as thread:  # this one may run a loop already
            schema = thread.submit(lambda: asyncio.run(schema_of(url))).result()
    except (*DATABASE_ERRORS, TimeoutError) as error:
        log.warning("schema not readable", error=str(error)[:200])
        return
    if schema.is_older:
        raise SchemaOlder(f"The schema is {schema}. Run `ese migrate` with this release, then start it again.")


def migrate_now(url: str) -> Schema:
    """`migrate` for callers without an event loop."""
    return asyncio.run(migrate(url))
