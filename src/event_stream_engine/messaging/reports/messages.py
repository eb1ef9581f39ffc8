"""Messages one by one: a campaign's people, and the log over all campaigns."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, cast, func, or_, select, true, tuple_

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.messages import STATUSES
from event_stream_engine.messaging.store import searching
from event_stream_engine.messaging.tables import contacts, messages

_KEY = (messages.c.updated_at, messages.c.id)
FOUND_MAX = 5000


async def of_campaign(
    tx: Transaction,
    campaign_id: UUID,
    *,
    statuses: list[str],
    reason: str | None,
    error_code: int | None,
    search: str | None,
) -> ColumnElement[bool]:
    """The filter of a campaign's people."""
    columns = messages.c
    clauses: list[ColumnElement[bool]] = [columns.campaign_id == campaign_id]
    if statuses:
        clauses.append(columns.status.in_(statuses))
    if reason:
        clauses.append(columns.reason == reason)
    if error_code is not None:
        clauses.append(columns.error_code == error_code)
    if search:
        clauses.append(await _found(tx, search))
    return and_(*clauses)


async def _found(tx: Transaction, search: str) -> ColumnElement[bool]:
    """The contacts are looked for first: with few of them an index leads to their messages, with many each page of the
    campaign holds some. Where no contact has the number any more, the messages' own numbers are looked through."""
    people = select(contacts.c.id).where(searching.of_contacts(search))
    found = list((await tx.execute(people.limit(FOUND_MAX + 1))).scalars())
    columns = messages.c
    by_number = searching.of_phones(columns.phone, search)
    if not found:
        return by_number
    chosen = columns.contact_id.in_(people) if len(found) > FOUND_MAX else columns.contact_id.in_(found)
    return or_(chosen, and_(columns.contact_id.is_(None), by_number))


def in_log(
    *, campaign_id: UUID | None, statuses: list[str], start: datetime | None, end: datetime | None
) -> ColumnElement[bool]:
    """The filter of the message log; `start` inclusive, `end` exclusive, by creation."""
    columns = messages.c
    clauses: list[ColumnElement[bool]] = [columns.id.is_not(None)]
    if campaign_id:
        clauses.append(columns.campaign_id == campaign_id)
    if statuses:
        clauses.append(columns.status.in_(statuses))
    if start:
        clauses.append(columns.created_at >= start)
    if end:
        clauses.append(columns.created_at < end)
    return and_(*clauses)


async def recipients(
    tx: Transaction, where: ColumnElement[bool], statuses: list[str], after: tuple[Any, ...] | None, limit: int
) -> Sequence[Any]:
    """A campaign's people, the most recently changed first."""
    found: Sequence[Any] = (await tx.execute(recipients_query(where, statuses, after, limit))).all()
    return found


def recipients_query(
    where: ColumnElement[bool], statuses: list[str], after: tuple[Any, ...] | None, limit: int
) -> Select[tuple[Any, ...]]:
    """The first of each status, by the index of migration 0029, merged."""
    status = func.unnest(cast(statuses or list(STATUSES), ARRAY(Text))).table_valued("status").render_derived()
    first = select(messages).where(where, messages.c.status == status.c.status).order_by(*(c.desc() for c in _KEY))
    if after is not None:
        first = first.where(tuple_(*_KEY) < after)
    each = first.limit(limit).lateral()
    merged: Select[tuple[Any, ...]] = select(each).select_from(status.join(each, true()))
    return merged.order_by(each.c.updated_at.desc(), each.c.id.desc()).limit(limit)


async def page(tx: Transaction, where: ColumnElement[bool], after: tuple[Any, ...] | None, limit: int) -> Sequence[Any]:
    """The log, the most recently changed first."""
    query = select(messages).where(where).order_by(*(c.desc() for c in _KEY)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*_KEY) < after)
    return (await tx.execute(query)).all()


async def count(tx: Transaction, where: ColumnElement[bool]) -> int:
    return (await tx.execute(select(func.count()).select_from(messages).where(where))).scalar_one()


async def stream(tx: Transaction, where: ColumnElement[bool]) -> AsyncIterator[Sequence[Any]]:
    """All messages that match, in slices, through a server-side cursor."""
    result = await tx.stream(select(messages).where(where).order_by(messages.c.id))
    async for rows in result.partitions(1000):
        yield rows


async def by_status(tx: Transaction, where: ColumnElement[bool]) -> dict[str, int]:
    query = select(messages.c.status, func.count()).where(where).group_by(messages.c.status)
    return {row[0]: row[1] for row in await tx.execute(query)}
