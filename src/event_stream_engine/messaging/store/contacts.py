"""Contacts and their consent."""

from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    func,
    insert,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.store import searching
from event_stream_engine.messaging.tables import consent_changes, contacts

SORTS = {
    "created_at": (contacts.c.created_at, contacts.c.id),
    "-created_at": (contacts.c.created_at, contacts.c.id),
    "phone": (contacts.c.phone, contacts.c.id),
}


def contact_of(row: Any) -> Contact:
    return Contact(**row._mapping)


async def contact(tx: Transaction, contact_id: UUID) -> Contact | None:
    row = (await tx.execute(select(contacts).where(contacts.c.id == contact_id))).one_or_none()
    return contact_of(row) if row else None


async def contact_for_update(tx: Transaction, contact_id: UUID) -> Contact | None:
    query = select(contacts).where(contacts.c.id == contact_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return contact_of(row) if row else None


async def contacts_by_phone_for_update(tx: Transaction, phone: str) -> list[Contact]:
    """Every contact whose number is a spelling of this line; the one written so comes first.

    Locked in the order of their ids, as every transaction locks several contacts.
    """
    query = select(contacts).where(contacts.c.phone.in_(spellings(phone))).order_by(contacts.c.id).with_for_update()
    found = [contact_of(row) for row in await tx.execute(query)]
    return sorted(found, key=lambda contact: contact.phone != phone)


async def contact_by_phone_for_update(tx: Transaction, phone: str) -> Contact | None:
    """The contact of this line, in whatever spelling; of several, the one written so."""
    found = await contacts_by_phone_for_update(tx, phone)
    return found[0] if found else None


async def names(tx: Transaction, contact_ids: Sequence[UUID | None]) -> dict[UUID | None, str]:
    """What these contacts are called; those without a name are left out."""
    name = contacts.c.attributes["name"].astext
    query = select(contacts.c.id, name).where(contacts.c.id.in_({one for one in contact_ids if one}), name != "")
    return {row[0]: row[1] for row in await tx.execute(query)}


async def add(tx: Transaction, new: Contact) -> bool:
    """False when the phone number is taken."""
    values = upsert(contacts).values(**vars(new)).on_conflict_do_nothing(index_elements=["phone"])
    return (await tx.execute(values)).rowcount == 1


async def save(tx: Transaction, changed: Contact) -> None:
    values = {name: value for name, value in vars(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(contacts).where(contacts.c.id == changed.id).values(**values))


async def remove(tx: Transaction, contact_id: UUID) -> bool:
    return (await tx.execute(delete(contacts).where(contacts.c.id == contact_id))).rowcount == 1


async def add_consent_change(
    tx: Transaction,
    contact_id: UUID,
    previous: str,
    consent: str,
    *,
    source: str,
    at: datetime,
    detail: str | None = None,
    actor_id: UUID | None = None,
) -> None:
    await tx.execute(
        insert(consent_changes).values(
            contact_id=contact_id,
            previous=previous,
            consent=consent,
            source=source,
            detail=detail,
            actor_id=actor_id,
            at=at,
        )
    )


def matching(
    *, search: str | None, consent: str | None, topic: str | None, rule: ColumnElement[bool] | None
) -> ColumnElement[bool]:
    """The filter of the contacts list."""
    clauses: list[ColumnElement[bool]] = [true()]
    if consent:
        clauses.append(contacts.c.consent == consent)
    if topic:
        clauses.append(contacts.c.topics.contains([topic]))
    if rule is not None:
        clauses.append(rule)
    if search and search.strip():
        clauses.append(searching.of_contacts(search))
    return and_(*clauses)


async def count(tx: Transaction, where: ColumnElement[bool]) -> int:
    return (await tx.execute(select(func.count()).select_from(contacts).where(where))).scalar_one()


FOUND_COUNTED_MAX = 100_000
"""So many contacts that a search finds are counted, and sorted for a page. Of more, the list's own order leads to a
page sooner."""


async def count_found(tx: Transaction, where: ColumnElement[bool]) -> int | None:
    """How many contacts a search finds; None if more than `FOUND_COUNTED_MAX`."""
    some = select(contacts.c.id).where(where).limit(FOUND_COUNTED_MAX + 1).subquery()
    async with searching.by_index(tx):
        found: int = (await tx.execute(select(func.count()).select_from(some))).scalar_one()
    return found if found <= FOUND_COUNTED_MAX else None


async def page(
    tx: Transaction,
    where: ColumnElement[bool],
    *,
    sort: str,
    after: tuple[Any, ...] | None,
    limit: int,
    by_search: bool = False,
) -> list[Contact]:
    """One page in the order of `sort`, following the sort values `after`. `by_search`: all that a search finds are
    sorted for it."""
    columns = SORTS[sort]
    descending = sort.startswith("-")
    query = select(contacts).where(where)
    if after is not None:
        key = tuple_(*columns)
        query = query.where(key < after if descending else key > after)
    query = query.order_by(*(c.desc() if descending else c.asc() for c in columns)).limit(limit)
    async with searching.by_index(tx) if by_search else nullcontext():
        return [contact_of(row) for row in await tx.execute(query)]


async def stream(tx: Transaction, where: ColumnElement[bool]) -> AsyncIterator[Sequence[Contact]]:
    """All contacts that match, in slices, through a server-side cursor."""
    result = await tx.stream(select(contacts).where(where).order_by(contacts.c.created_at, contacts.c.id))
    async for rows in result.partitions(1000):
        yield [contact_of(row) for row in rows]


ATTRIBUTES_SAMPLED = 20_000

_ATTRIBUTES = """
WITH sampled AS (SELECT attributes FROM contacts ORDER BY created_at DESC, id DESC LIMIT :sampled),
pairs AS (SELECT key AS name, value FROM sampled, jsonb_each_text(attributes) WHERE value <> '')
SELECT name, count(*) AS count, (array_agg(DISTINCT left(value, 60)))[1:5] AS sample,
       count(*) FILTER (WHERE value ~ '^-?[0-9]+([.][0-9]+)?$') * 10 >= count(*) * 7 AS numeric,
       count(*) FILTER (WHERE value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}') * 10 >= count(*) * 4 AS date
FROM pairs GROUP BY name ORDER BY count(*) DESC, name LIMIT 200
"""


async def attributes(tx: Transaction) -> list[dict[str, Any]]:
    """The attributes that the newest contacts have, most common first; at most 200."""
    rows = await tx.execute(text(_ATTRIBUTES), {"sampled": ATTRIBUTES_SAMPLED})
    return [dict(row._mapping) for row in rows]


async def has_attribute(tx: Transaction, name: str) -> bool:
    """Whether any contact has the attribute."""
    query = "SELECT EXISTS (SELECT FROM contacts WHERE coalesce(attributes ->> :name, '') <> '')"
    found: bool = (await tx.execute(text(query), {"name": name})).scalar_one()
    return found


# Who created a contact is told by its import or by its first change of consent; what it says now is of another day.
_TIMELINE = """
SELECT at, kind, title, detail, campaign_id, message_id, status, reason FROM (
    SELECT at, 'consent' AS kind, previous || ' → ' || consent AS title,
           CASE WHEN source LIKE 'import:%' THEN coalesce(detail, source) ELSE source END AS detail,
           NULL::uuid AS campaign_id, NULL::uuid AS message_id, NULL AS status, NULL AS reason
    FROM consent_changes WHERE contact_id = :id
    UNION ALL
    SELECT c.created_at, 'consent', 'unknown → ' || coalesce(f.previous, c.consent),
           coalesce(i.options ->> 'consent_source', 'import:' || c.import_id), NULL, NULL, NULL, NULL
    FROM contacts c LEFT JOIN imports i ON i.id = c.import_id LEFT JOIN LATERAL (
        SELECT previous FROM consent_changes WHERE contact_id = c.id ORDER BY at, id LIMIT 1
    ) AS f ON true
    WHERE c.id = :id AND c.import_id IS NOT NULL AND coalesce(f.previous, c.consent) <> 'unknown'
    UNION ALL
    SELECT coalesce(m.accepted_at, m.updated_at), 'message', coalesce(c.name, 'Test message'), m.body,
           m.campaign_id, m.id, m.status, m.reason
    FROM messages m LEFT JOIN campaigns c ON c.id = m.campaign_id WHERE m.contact_id = :id
    UNION ALL
    SELECT received_at, 'inbound', kind, body, NULL, NULL, NULL, NULL FROM inbound_messages WHERE contact_id = :id
    UNION ALL
    SELECT i.finished_at, 'import', i.name, NULL, NULL, NULL, NULL, NULL
    FROM contacts c JOIN imports i ON i.id = c.import_id WHERE c.id = :id AND i.finished_at IS NOT NULL
    UNION ALL
    SELECT c.created_at, 'created', 'Contact created',
           CASE WHEN c.import_id IS NOT NULL THEN 'import:' || c.import_id
                WHEN f.at IS NULL THEN c.consent_source
                WHEN f.at < c.created_at + interval '1 second' THEN f.source END,
           NULL, NULL, NULL, NULL
    FROM contacts c LEFT JOIN LATERAL (
        SELECT at, source FROM consent_changes WHERE contact_id = c.id ORDER BY at, id LIMIT 1
    ) AS f ON true WHERE c.id = :id
) AS entries ORDER BY at DESC LIMIT :limit
"""


async def timeline(tx: Transaction, contact_id: UUID, limit: int) -> list[dict[str, Any]]:
    """What happened to a contact, newest first."""
    rows = await tx.execute(text(_TIMELINE), {"id": contact_id, "limit": limit})
    return [dict(row._mapping) for row in rows]
