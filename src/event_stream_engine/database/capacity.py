"""How many connections a PostgreSQL server takes, and how many are used."""

from dataclasses import dataclass

from sqlalchemy import text

from event_stream_engine.database.engine import Transaction
from event_stream_engine.resilience import sqlstate

SERVER, DATABASE, ROLE = "max_connections", "the connection limit of the database", "the connection limit of the role"
_TOO_MANY_CONNECTIONS = "53300"


@dataclass(frozen=True)
class Limit:
    """A bound on connections that holds for this platform's account. `name`: what to raise."""

    name: str
    used: int
    most: int

    @property
    def share(self) -> float:
        """1 or more: none is free."""
        return self.used / self.most if self.most > 0 else 1.0


@dataclass(frozen=True)
class Connections:
    """Of the whole server: clients that are connected, `max_connections`, and how many of those are kept for
    superusers and for roles with the right to reserved connections. `limits`: what bounds this platform. `started`:
    when the server was started (seconds since 1970, by its own clock), and `age`: how long ago that is (s)."""

    used: int
    most: int
    reserved: int
    limits: tuple[Limit, ...]
    started: float
    age: float

    @property
    def tightest(self) -> Limit:
        return max(self.limits, key=lambda limit: limit.share)


async def connections(tx: Transaction) -> Connections:
    """Walsenders, autovacuum and other background processes have places of their own and are not counted."""
    row = (await tx.execute(text(_CONNECTIONS))).one()
    limits = [Limit(SERVER, row.used, row.most - row.reserved)]
    if row.database_limit >= 0:
        limits.append(Limit(DATABASE, row.database_used, row.database_limit))
    if row.role_limit >= 0:
        limits.append(Limit(ROLE, row.role_used, row.role_limit))
    return Connections(row.used, row.most, row.reserved, tuple(limits), row.started, row.age)


def is_without_connection(error: BaseException) -> bool:
    """Whether the server answered that it takes no further connection."""
    return sqlstate(error) == _TOO_MANY_CONNECTIONS


# Without the right to see other accounts' sessions their `backend_type` is null; `usesysid` is null for autovacuum.
_CONNECTIONS = """
WITH clients AS (
    SELECT datname, usesysid FROM pg_stat_activity
    WHERE usesysid IS NOT NULL AND datname IS NOT NULL AND leader_pid IS NULL
      AND coalesce(backend_type, 'client backend') = 'client backend'
)
SELECT extract(epoch FROM pg_postmaster_start_time())::float8 AS started,
       extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS age,
       (SELECT count(*) FROM clients) AS used,
       current_setting('max_connections')::int AS most,
       current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*) FROM clients WHERE datname = current_database()) AS database_used,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
       (SELECT count(*) FROM clients JOIN pg_roles ON oid = usesysid WHERE rolname = current_user) AS role_used,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit
"""
