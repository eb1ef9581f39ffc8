"""PostgreSQL: the pool, the transaction at the edge, COPY, and migrations that run under a lock.

A `Transaction` is handed down to actions and stores; only edges (a request, a consumed batch, a step of a task)
open one, and nothing below an edge commits.
"""

from event_stream_engine.database.engine import DATABASE_ERRORS, Database, Transaction, copy, metadata, raw
from event_stream_engine.database.migrating import SchemaOlder, migrate, refuse_older_schema, schema_of

__all__ = [
    "DATABASE_ERRORS",
    "Database",
    "SchemaOlder",
    "Transaction",
    "copy",
    "metadata",
    "migrate",
    "raw",
    "refuse_older_schema",
    "schema_of",
]
