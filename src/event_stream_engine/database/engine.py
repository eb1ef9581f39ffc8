"""The pool, the transaction and COPY."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast
from weakref import WeakSet

import asyncpg
import msgspec
from sqlalchemy import MetaData, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from event_stream_engine.database.watching import OWN_SERVER, Watched
from event_stream_engine.resilience import Breaker, Circuits, Pool

Transaction = AsyncConnection
POSTGRESQL = "postgresql"
IDLE_SECONDS = 60
_ENDS_IDLE = {"idle_session_timeout": f"{IDLE_SECONDS}s"}

DATABASE_ERRORS = (
    DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError,
)  # fmt: skip
"""What a server that fails, or that cannot be reached, raises through the pool and through the driver (whose "internal"
error is a connection that was cut while something was under way), and a pool none of whose connections becomes free."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def async_url(url: str) -> str:
    """The same address with the driver that we use."""
    for scheme in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    raise ValueError("DATABASE_URL must start with postgresql://")


class Database:
    """A pool of connections to one database."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        application: str = "ese",
        ping: bool = True,
        breaker: Breaker | None = None,
    ) -> None:
        """`ping`: look whether a pooled connection still answers before it is used. A loop that starts anew after a
        failure does without: it saves a round trip each time. `breaker`: learns of every transaction.

        The connection that was used last is used next, and the server ends those that were not used for `IDLE_SECONDS`:
        a pool is as large as its load of late."""
        self._application, self._pings = application, ping
        self._breaker = breaker
        self._begun = 0
        self.answered_at = 0.0
        """When a transaction ended well last, by the monotonic clock: the server answered somebody."""
        self.engine: AsyncEngine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            pool_pre_ping=ping,
            pool_use_lifo=True,
            hide_parameters=True,  # what a statement was given is personal data, and errors are logged and kept
            json_serializer=lambda value: msgspec.json.encode(value).decode(),
            json_deserializer=msgspec.json.decode,
            connect_args={"server_settings": {"application_name": application, **_ENDS_IDLE}, "timeout": 10},
        )
        if not ping:
            event.listen(self.engine.sync_engine, "checkout", _refuse_ended)

    @classmethod
    def watched(cls, circuits: Circuits, url: str, **given: Any) -> Database:
        """The process's pool, with the breaker `postgresql` and its pool's figures among the process's `circuits`."""
        breaker = circuits.breaker(POSTGRESQL, OWN_SERVER)
        database = cls(url, breaker=breaker, **given)
        circuits.add_pool(POSTGRESQL, database.pool)
        return database

    @asynccontextmanager
    async def transaction(self, *, fail_fast: bool = False) -> AsyncIterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises. `fail_fast`: raises `CircuitOpen`
        at once while the server is known to be down; for requests that somebody waits for."""
        with Watched(self._breaker, fail_fast=fail_fast) as watched, self._counted():
            async with self.engine.connect() as connection:
                watched.reached(answers=self._pings)
                async with connection.begin():
                    yield connection
            self.answered_at = time.monotonic()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._begun += 1
        try:
            yield
        finally:
            self._begun -= 1

    def pool(self) -> Pool:
        """What was begun and has no connection yet waits for one (and is given up after 30 s)."""
        pool = cast("AsyncAdaptedQueuePool", self.engine.pool)
        in_use = pool.checkedout()
        return Pool(pool.size(), in_use, max(0, self._begun - in_use))

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection of the driver's own, outside the pool: each statement commits by itself.

        For a loop that asks the same few questions hundreds of times a second.
        """
        url = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": self._application})
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def ping(self) -> None:
        """Raises when the server does not answer."""
        async with self.transaction() as tx:
            await tx.exec_driver_sql("SELECT 1")

    async def close(self) -> None:
        await self.engine.dispose()


def _refuse_ended(connection: Any, *_: object) -> None:
    """A pooled connection that the server has ended is replaced; seen without asking it. Raises what tells the pool."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server ended an idle connection")


_begun: WeakSet[object] = WeakSet()  # transactions whose BEGIN is known to be sent


async def raw(tx: Transaction) -> asyncpg.Connection[asyncpg.Record]:
    """The driver's own connection inside `tx`, for COPY and hot paths.

    `jsonb` goes in as text and comes out decoded; select it `::text` to keep it as it is.
    """
    transaction = tx.get_transaction()
    if transaction is not None and transaction.sync_transaction not in _begun:
        await tx.exec_driver_sql("SELECT 1")  # SQLAlchemy sends BEGIN with the first statement, and only then
        _begun.add(transaction.sync_transaction)
    wrapper = await tx.get_raw_connection()
    connection: asyncpg.Connection[asyncpg.Record] = wrapper.driver_connection  # type: ignore[assignment]
    return connection


async def copy(tx: Transaction, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY `rows` into `table`; the number of rows written."""
    connection = await raw(tx)
    status = await connection.copy_records_to_table(table, records=rows, columns=list(columns))
    return int(status.rsplit(" ", 1)[1])
