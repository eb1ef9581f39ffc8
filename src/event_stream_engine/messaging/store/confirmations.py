"""Confirmations of opt-outs: each is sent at most once, within five minutes or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import opt_out_confirmations


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One confirmation as it is to be sent. `phone` and `sender` are E.164."""

    inbound_id: UUID
    phone: str
    sender: str
    channel: str
    body: str


async def add(tx: Transaction, confirmation: Confirmation, expires_at: datetime, now: datetime) -> None:
    values = {name: getattr(confirmation, name) for name in ("inbound_id", "phone", "sender", "channel", "body")}
    await tx.execute(insert(opt_out_confirmations).values(**values, expires_at=expires_at, created_at=now))


_EXPIRE = """
UPDATE opt_out_confirmations SET status = 'expired' WHERE status = 'waiting' AND expires_at <= :now
"""

# A request that was under way when its worker died may have arrived: it is not repeated.
_GIVE_UP = """
UPDATE opt_out_confirmations SET status = 'unknown' WHERE status = 'sending' AND claimed_at < :before
"""

_CLAIM = """
UPDATE opt_out_confirmations SET status = 'sending', claimed_at = :now
WHERE inbound_id IN (
    SELECT inbound_id FROM opt_out_confirmations WHERE status = 'waiting'
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING inbound_id, phone, sender, channel, body
"""


async def has_open(tx: Transaction) -> bool:
    """Whether any is not settled."""
    columns = opt_out_confirmations.c
    query = select(columns.inbound_id).where(columns.status.in_(("waiting", "sending"))).limit(1)
    return (await tx.execute(query)).first() is not None


async def expire(tx: Transaction, now: datetime) -> int:
    """How many were not sent in time."""
    return (await tx.execute(text(_EXPIRE), {"now": now})).rowcount


async def give_up(tx: Transaction, before: datetime) -> int:
    """How many were claimed before that moment and not settled."""
    return (await tx.execute(text(_GIVE_UP), {"before": before})).rowcount


async def claim(tx: Transaction, now: datetime, limit: int) -> Sequence[Confirmation]:
    """Take waiting confirmations, the oldest first."""
    rows = await tx.execute(text(_CLAIM), {"now": now, "limit": limit})
    return [Confirmation(**row._mapping) for row in rows]


async def settle(tx: Transaction, inbound_id: UUID, status: str, **values: Any) -> None:
    """Write the outcome of a claimed one."""
    columns = opt_out_confirmations.c
    query = update(opt_out_confirmations).where(columns.inbound_id == inbound_id, columns.status == "sending")
    await tx.execute(query.values(status=status, **values))
