"""Messages one by one: a campaign's people, and the log over all campaigns."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.store import searching
from event_stream_engine.messaging.tables import contacts, messages

_KEY = (messages.c.updated_at, messages.c.id)


def of_campaign(
    campaign_id: UUID, *, statuses: list[str], reason: str | None, error_code: int | None, search: str | None
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
        people = select(contacts.c.id).where(searching.of_contacts(search))
        clauses.append(or_(searching.of_phones(columns.phone, search), columns.contact_id.in_(people)))
    return and_(*clauses)


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


async def page(tx: Transaction, where: ColumnElement[bool], after: tuple[Any, ...] | None, limit: int) -> Sequence[Any]:
    """The most recently changed first."""
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
