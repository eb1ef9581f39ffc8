"""The answers kept for `Idempotency-Key`."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Integer, LargeBinary, Table, Text, func, text

from event_stream_engine.database import Transaction, metadata

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)

_INSERT = """
INSERT INTO idempotency_keys (holder, key, fingerprint) VALUES (:holder, :key, :fingerprint)
ON CONFLICT DO NOTHING
"""
_FORGET = """
DELETE FROM idempotency_keys WHERE (holder, key) IN (
    SELECT holder, key FROM idempotency_keys WHERE created_at < :before LIMIT 10000)
"""
_SELECT = "SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE holder = :holder AND key = :key"
_UPDATE = """
UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body
WHERE holder = :holder AND key = :key
"""


async def claim(tx: Transaction, row: dict[str, str]) -> Any:
    """Take a key (`holder`, `key`, `fingerprint`): None, or the row of whoever had it before.

    Waits for a request that holds the key and is not finished.
    """
    if (await tx.execute(text(_INSERT), row)).rowcount == 1:
        return None
    return (await tx.execute(text(_SELECT), row)).one()


async def keep(tx: Transaction, row: dict[str, str], status: int, content_type: str, body: bytes) -> None:
    """Store the answer under the key."""
    await tx.execute(text(_UPDATE), {**row, "status": status, "headers": content_type, "body": body})


async def forget(tx: Transaction, before: datetime) -> int:
    """Remove keys older than `before`, at most 10,000; how many."""
    return (await tx.execute(text(_FORGET), {"before": before})).rowcount
