"""New email addresses that wait for their mailbox to answer: one of an account at a time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.identity.model import EmailChange
from event_stream_engine.identity.tables import email_changes

_c = email_changes.c


async def put(tx: Transaction, change: EmailChange) -> None:
    """In place of one that waited; a link that was sent for that works no more."""
    row = {**vars(change), "token_hash": None}
    statement = upsert(email_changes).values(**row)
    await tx.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=row))


async def waiting(tx: Transaction, account_id: UUID, now: datetime) -> EmailChange | None:
    query = select(_c.account_id, _c.email, _c.asked_at, _c.expires_at)
    row = (await tx.execute(query.where(_c.account_id == account_id, _c.expires_at > now))).one_or_none()
    return EmailChange(**row._mapping) if row else None


async def set_token(tx: Transaction, account_id: UUID, token_hash: str) -> None:
    await tx.execute(update(email_changes).where(_c.account_id == account_id).values(token_hash=token_hash))


async def by_token(tx: Transaction, token_hash: str, now: datetime) -> EmailChange | None:
    """The row locked; None when the link is unknown, expired or done with."""
    query = select(_c.account_id, _c.email, _c.asked_at, _c.expires_at)
    query = query.where(_c.token_hash == token_hash, _c.expires_at > now).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return EmailChange(**row._mapping) if row else None


async def end(tx: Transaction, account_id: UUID) -> str | None:
    """The address that no longer waits, if one did."""
    ended = email_changes.delete().where(_c.account_id == account_id).returning(_c.email)
    found: str | None = (await tx.execute(ended)).scalar_one_or_none()
    return found


async def forget_expired(tx: Transaction, now: datetime) -> None:
    await tx.execute(email_changes.delete().where(_c.expires_at <= now))
