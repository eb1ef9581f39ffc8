"""Senders."""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.campaigns import Sender
from event_stream_engine.messaging.tables import campaigns, senders


async def sender(tx: Transaction, sender_id: UUID) -> Sender | None:
    row = (await tx.execute(select(senders).where(senders.c.id == sender_id))).one_or_none()
    return Sender(**row._mapping) if row else None


async def all_senders(tx: Transaction) -> list[Sender]:
    return [Sender(**row._mapping) for row in await tx.execute(select(senders).order_by(senders.c.name))]


async def add(tx: Transaction, new: Sender) -> bool:
    """False when the name, or the address on this channel, is taken."""
    return (await tx.execute(upsert(senders).values(**vars(new)).on_conflict_do_nothing())).rowcount == 1


async def is_taken(tx: Transaction, changed: Sender) -> bool:
    same = (senders.c.name == changed.name) | (
        (senders.c.channel == changed.channel) & (senders.c.address == changed.address)
    )
    return (await tx.execute(select(senders.c.id).where(same, senders.c.id != changed.id))).first() is not None


async def save(tx: Transaction, changed: Sender) -> None:
    values = {name: value for name, value in vars(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(senders).where(senders.c.id == changed.id).values(**values))


async def is_used(tx: Transaction, sender_id: UUID) -> bool:
    query = select(campaigns.c.id).where(campaigns.c.sender_id == sender_id).limit(1)
    return (await tx.execute(query)).first() is not None


async def remove(tx: Transaction, sender_id: UUID) -> None:
    await tx.execute(delete(senders).where(senders.c.id == sender_id))
