"""What people wrote to us."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.store import searching
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


# Twilio may have taken a message whose acceptance is not written yet when its recipient answers.
_ANSWERED = """
UPDATE inbound_messages i SET campaign_id = (
    SELECT m.campaign_id FROM messages m
    WHERE m.contact_id = ANY (CAST(:contact_ids AS uuid[])) AND coalesce(m.accepted_at, m.claimed_at) <= i.received_at
      AND m.status IN ('sending', 'unknown', 'accepted', 'sent', 'delivered', 'read', 'undelivered')
    ORDER BY coalesce(m.accepted_at, m.claimed_at) DESC LIMIT 1
)
WHERE i.id = :inbound_id
"""


async def save_campaign(tx: Transaction, inbound_id: UUID, contact_ids: Sequence[UUID]) -> None:
    """An inbound message answers the campaign whose message its writer, one of these contacts, got last before it."""
    await tx.execute(text(_ANSWERED), {"inbound_id": inbound_id, "contact_ids": list(contact_ids)})


async def save_previous_consent(tx: Transaction, inbound_id: UUID, consent: str) -> None:
    """What the contact's consent was before this message, so that a review can restore it."""
    columns = inbound_messages.c
    await tx.execute(update(inbound_messages).where(columns.id == inbound_id).values(consent_before=consent))


async def inbound_for_update(tx: Transaction, inbound_id: UUID) -> Any:
    """One message, locked; None when there is none."""
    query = select(inbound_messages).where(inbound_messages.c.id == inbound_id).with_for_update()
    return (await tx.execute(query)).one_or_none()


async def save_review(tx: Transaction, inbound_id: UUID, values: dict[str, Any]) -> None:
    """Write what a person decided: `kind`, `review`, `effect` and who, when; `consent_before` where it changed."""
    await tx.execute(update(inbound_messages).where(inbound_messages.c.id == inbound_id).values(**values))


async def last_opt_out(tx: Transaction, contact_id: UUID) -> Any:
    """The message that last ended the contact's consent: `received_at` and `consent_before`; None without one."""
    columns = inbound_messages.c
    query = (
        select(columns.received_at, columns.consent_before)
        .where(columns.contact_id == contact_id, columns.consent_before.is_not(None))
        .order_by(columns.received_at.desc(), columns.id.desc())
        .limit(1)
    )
    return (await tx.execute(query)).one_or_none()


async def has_other_opt_out(tx: Transaction, contact_id: UUID, since: datetime, except_id: UUID) -> bool:
    """Whether another message of the contact, at or after that moment, stands as an opt-out."""
    columns = inbound_messages.c
    query = select(columns.id).where(
        columns.contact_id == contact_id,
        columns.kind == "stop",
        columns.received_at >= since,
        columns.id != except_id,
    )
    return (await tx.execute(query.limit(1))).first() is not None


async def count_open_reviews(tx: Transaction) -> int:
    """How many possible opt-outs wait for a person."""
    query = select(func.count()).select_from(inbound_messages).where(inbound_messages.c.review == "open")
    return (await tx.execute(query)).scalar_one()


async def has_later(tx: Transaction, contact_id: UUID, kind: str, after: datetime) -> bool:
    """Whether the contact wrote a message of this kind after that moment."""
    columns = inbound_messages.c
    query = select(columns.id).where(
        columns.contact_id == contact_id, columns.kind == kind, columns.received_at > after
    )
    return (await tx.execute(query.limit(1))).first() is not None


async def page(
    tx: Transaction,
    *,
    kinds: list[str],
    review: str | None,
    search: str | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Any]:
    """Newest first."""
    columns = inbound_messages.c
    query = select(inbound_messages).order_by(columns.received_at.desc(), columns.id.desc()).limit(limit)
    if kinds:
        query = query.where(columns.kind.in_(kinds))
    if review:
        query = query.where(columns.review == review)
    if after is not None:
        query = query.where(tuple_(columns.received_at, columns.id) < after)
    if not search:
        return list(await tx.execute(query))
    found = await searching.people_found(tx, search)
    query = query.where(searching.of_inbound(search, found))
    async with searching.by_index(tx) if len(found) <= searching.FOUND_MAX else nullcontext():
        return list(await tx.execute(query))


async def inbound(tx: Transaction, inbound_id: UUID) -> Any:
    query = select(inbound_messages).where(inbound_messages.c.id == inbound_id)
    return (await tx.execute(query)).one_or_none()
