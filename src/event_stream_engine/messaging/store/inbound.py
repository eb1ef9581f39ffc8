"""What people wrote to us."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.tables import inbound_messages


async def add(tx: Transaction, row: dict[str, Any]) -> bool:
    """False when this message was received before (Twilio repeats what it thinks was lost)."""
    added = await tx.execute(upsert(inbound_messages).values(**row).on_conflict_do_nothing(index_elements=["sid"]))
    return added.rowcount == 1


async def mark_applied(
    tx: Transaction, inbound_id: UUID, *, contact_id: UUID | None, effect: str | None, at: datetime
) -> None:
    await tx.execute(
        update(inbound_messages)
        .where(inbound_messages.c.id == inbound_id)
        .values(contact_id=contact_id, effect=effect, applied_at=at)
    )


async def has_later(tx: Transaction, contact_id: UUID, kind: str, after: datetime) -> bool:
    """Whether the contact wrote a message of this kind after that moment."""
    columns = inbound_messages.c
    query = select(columns.id).where(
        columns.contact_id == contact_id, columns.kind == kind, columns.received_at > after
    )
    return (await tx.execute(query.limit(1))).first() is not None


async def page(
    tx: Transaction, *, kinds: list[str], search: str | None, after: tuple[Any, ...] | None, limit: int
) -> list[Any]:
    """Newest first."""
    columns = inbound_messages.c
    query = select(inbound_messages).order_by(columns.received_at.desc(), columns.id.desc()).limit(limit)
    if kinds:
        query = query.where(columns.kind.in_(kinds))
    if search:
        query = query.where(
            columns.body.icontains(search, autoescape=True)
            | columns.phone.endswith(search, autoescape=True)
            | columns.phone.in_(spellings(search)[1:])
        )
    if after is not None:
        query = query.where(tuple_(columns.received_at, columns.id) < after)
    return list(await tx.execute(query))


async def inbound(tx: Transaction, inbound_id: UUID) -> Any:
    query = select(inbound_messages).where(inbound_messages.c.id == inbound_id)
    return (await tx.execute(query)).one_or_none()
