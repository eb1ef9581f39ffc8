"""Writing the audit trail."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text

from event_stream_engine import clock
from event_stream_engine.audit.tables import audit_entries
from event_stream_engine.database import Transaction
from event_stream_engine.telemetry import acting_key, correlation

_LOCK = 0x617564  # "aud": one writer at a time, because each row hashes the one before
_HASHED = ("at", "actor_id", "action", "entity", "entity_id", "detail", "request_id")


async def record(
    tx: Transaction, actor_id: UUID | None, action: str, entity_id: object, detail: dict[str, Any] | None = None
) -> None:
    """Add a row in the transaction of the change. `action` is `<entity>.<verb>`; `actor_id` None: the system.

    The API key by which the request came, if it did, is kept too.
    Record last: the lock it takes is held until the commit.
    """
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    last = select(audit_entries.c.hash).order_by(audit_entries.c.id.desc()).limit(1)
    previous = (await tx.execute(last)).scalar_one_or_none() or ""
    row: dict[str, Any] = {
        "at": clock.now(),
        "actor_id": actor_id,
        "action": action,
        "entity": action.split(".", 1)[0],
        "entity_id": str(entity_id),
        "detail": detail or {},
        "request_id": correlation.get(),
        "key_id": acting_key.get(),
    }
    await tx.execute(insert(audit_entries).values(**row, hash=digest(previous, row)))


def digest(previous: str, row: Mapping[str, Any]) -> str:
    """The hash of an entry after the one whose hash is `previous`; `row` may hold more than what is hashed."""
    hashed = {name: row[name] for name in _HASHED}
    if row["key_id"] is not None:  # so that the hashes of entries without one are as they were before keys were kept
        hashed["key_id"] = row["key_id"]
    return hashlib.sha256(previous.encode() + msgspec.json.encode(hashed, order="sorted")).hexdigest()
