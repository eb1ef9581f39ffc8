"""Erasing a person: every place that holds their number, text or name. Rows stay, so that counts stay exact.

What came after the erasure was asked for (`until`) belongs to a contact that was added again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import erasures, messages


@dataclass(frozen=True)
class Erasure:
    """`phone` is encrypted, and gone once the erasure is finished. `erased` counts rows by table."""

    id: UUID
    contact_id: UUID
    phone: str | None
    message_ids: list[UUID]
    erased: dict[str, int]
    requested_by: UUID | None
    created_at: datetime
    finished_at: datetime | None


async def add(
    tx: Transaction,
    erasure_id: UUID,
    contact_id: UUID,
    phone: str,
    message_ids: Sequence[UUID],
    by: UUID | None,
    at: datetime,
) -> None:
    row = {
        "id": erasure_id, "contact_id": contact_id, "phone": phone, "message_ids": list(message_ids),
        "requested_by": by, "created_at": at,
    }  # fmt: skip
    await tx.execute(insert(erasures).values(**row))


async def unfinished(tx: Transaction) -> list[UUID]:
    query = select(erasures.c.id).where(erasures.c.finished_at.is_(None)).order_by(erasures.c.created_at).limit(100)
    return list((await tx.execute(query)).scalars())


async def take_one(tx: Transaction, erasure_id: UUID) -> Erasure | None:
    """This erasure, locked; None when it is finished or another worker has it."""
    query = select(erasures).where(erasures.c.id == erasure_id, erasures.c.finished_at.is_(None))
    row = (await tx.execute(query.with_for_update(skip_locked=True))).one_or_none()
    return Erasure(**row._mapping) if row else None


async def note(tx: Transaction, erasure_id: UUID, erased: dict[str, int], finished_at: datetime | None) -> None:
    """Store what was erased so far; a finished erasure holds nothing of the person any more."""
    values: dict[str, Any] = {"erased": erased, "finished_at": finished_at}
    if finished_at is not None:
        values |= {"phone": None, "message_ids": []}
    await tx.execute(update(erasures).where(erasures.c.id == erasure_id).values(**values))


async def message_ids(tx: Transaction, contact_id: UUID) -> list[UUID]:
    query = select(messages.c.id).where(messages.c.contact_id == contact_id)
    return list((await tx.execute(query)).scalars())


# A message on its way still needs its number and its text: with them Twilio is asked what became of it.
_MESSAGES = """
UPDATE messages SET phone = '', body = NULL
WHERE {which} AND phone <> '' AND status NOT IN ('sending', 'unknown')
"""
_OPEN = """
SELECT count(*) FROM messages
WHERE (id = ANY (:ids) OR phone = ANY (:phones) AND created_at <= :until) AND status IN ('sending', 'unknown')
"""
_RECEIPTS = """
UPDATE delivery_receipts r SET form = '{}' WHERE r.form <> '{}'
AND (r.message_id = ANY (:ids) OR r.sid IN (SELECT provider_sid FROM messages WHERE id = ANY (:ids)))
"""
_CONFIRMATIONS = "DELETE FROM opt_out_confirmations WHERE phone = ANY (:phones) AND created_at <= :until"
_INBOUND = """
UPDATE inbound_messages SET phone = '', body = '', form = '{}', effect = NULL, review = nullif(review, 'open')
WHERE (contact_id = :contact_id OR phone = ANY (:phones)) AND phone <> '' AND received_at <= :until
"""
# A refused row has the number as it was written: its digits are compared, without the country code.
_REJECTS = """
UPDATE import_rejects r SET row = '', cells = NULL FROM imports i
WHERE i.id = r.import_id AND i.created_at <= :until AND r.row <> ''
  AND regexp_replace(r.row, '[^0-9]', '', 'g') LIKE ANY (:patterns)
"""
_MERGES = """
UPDATE import_merges m SET phone = '', stated = '{}' FROM imports i
WHERE i.id = m.import_id AND i.created_at <= :until AND m.phone = ANY (:phones)
"""


async def erase_messages(tx: Transaction, ids: Sequence[UUID]) -> int:
    """By id; those on their way are left for later."""
    return await _run(tx, _MESSAGES.format(which="id = ANY (:ids)"), ids=list(ids))


async def erase_messages_to(tx: Transaction, phones: Sequence[str], until: datetime) -> int:
    """By number, such as tests that were sent to it; reads the whole table."""
    return await _run(
        tx, _MESSAGES.format(which="phone = ANY (:phones) AND created_at <= :until"), phones=list(phones), until=until
    )


async def open_messages(tx: Transaction, ids: Sequence[UUID], phones: Sequence[str], until: datetime) -> int:
    """How many are on their way."""
    return int((await tx.execute(text(_OPEN), {"ids": list(ids), "phones": list(phones), "until": until})).scalar_one())


async def erase_receipts(tx: Transaction, ids: Sequence[UUID]) -> int:
    return await _run(tx, _RECEIPTS, ids=list(ids))


async def erase_inbound(tx: Transaction, contact_id: UUID, phones: Sequence[str], until: datetime) -> int:
    """Their SIDs stay: by them a message that Twilio lists is known. Confirmations of opt-outs go with them."""
    await _run(tx, _CONFIRMATIONS, phones=list(phones), until=until)
    return await _run(tx, _INBOUND, contact_id=contact_id, phones=list(phones), until=until)


async def erase_import_rows(
    tx: Transaction, phones: Sequence[str], digits: Sequence[str], until: datetime
) -> tuple[int, int]:
    """Refused and merged rows that hold the number; how many of each."""
    rejects = await _run(tx, _REJECTS, patterns=[f"%{one}%" for one in digits], until=until)
    return rejects, await _run(tx, _MERGES, phones=list(phones), until=until)


async def _run(tx: Transaction, statement: str, **values: Any) -> int:
    return int((await tx.execute(text(statement), values)).rowcount)
