"""A campaign's people, one by one."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, cast, func, or_, select, true, tuple_

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.messages import STATUSES
from event_stream_engine.messaging.store import searching
from event_stream_engine.messaging.tables import campaign_counts, contacts, messages

_KEY = (messages.c.updated_at, messages.c.id)


@dataclass(frozen=True)
class People:
    """Some people of a campaign. `search` is what a search box holds, `found` the contacts that it finds."""

    campaign_id: UUID
    statuses: Sequence[str] = ()
    reason: str | None = None
    error_code: int | None = None
    search: str | None = None
    found: Sequence[UUID] = ()

    @property
    def are_too_many(self) -> bool:
        return len(self.found) > searching.FOUND_MAX


async def with_contacts_found(tx: Transaction, people: People) -> People:
    """The same people with the contacts that the search finds. With few of them an index leads to their messages, with
    many each page of the campaign holds some."""
    return replace(people, found=await searching.people_found(tx, people.search)) if people.search else people


def matching(people: People) -> ColumnElement[bool]:
    """The filter."""
    columns = messages.c
    clauses = [_narrowed(people)]
    if people.search and people.are_too_many:
        some = select(contacts.c.id).where(searching.of_contacts(people.search))
        clauses.append(or_(columns.contact_id.in_(some), _without_contact(columns, people.search)))
    elif people.search and people.found:
        clauses.append(or_(columns.contact_id.in_(people.found), _without_contact(columns, people.search)))
    elif people.search:  # no contact has the number now, but a message may have it
        clauses.append(searching.of_phones(columns.phone, people.search))
    return and_(*clauses)


def _narrowed(people: People) -> ColumnElement[bool]:
    """The filter, apart from the search."""
    columns = messages.c
    clauses: list[ColumnElement[bool]] = [columns.campaign_id == people.campaign_id]
    if people.statuses:
        clauses.append(columns.status.in_(people.statuses))
    if people.reason:
        clauses.append(columns.reason == people.reason)
    if people.error_code is not None:
        clauses.append(columns.error_code == people.error_code)
    return and_(*clauses)


def _without_contact(columns: Any, search: str) -> ColumnElement[bool]:
    """Messages whose contact was deleted, by their number."""
    return and_(columns.contact_id.is_(None), searching.of_phones(columns.phone, search))


LOOKED_AT_FIRST = 1000
"""Where a search finds very many contacts, so many of the latest messages usually hold a page of them."""


async def recipients(tx: Transaction, people: People, after: tuple[Any, ...] | None, limit: int) -> Sequence[Any]:
    """The most recently changed first."""
    found: Sequence[Any] = ()
    if people.search and people.are_too_many:
        found = (await tx.execute(_lately(people, people.search, after, limit))).all()
    if len(found) < limit:
        found = (await tx.execute(_page(people, matching(people), after, limit))).all()
    return found


def _lately(people: People, search: str, after: tuple[Any, ...] | None, limit: int) -> Select[tuple[Any, ...]]:
    latest = _page(people, _narrowed(people), after, LOOKED_AT_FIRST).subquery()
    person = searching.of_person(latest.c.contact_id, search, people.found)
    where = or_(person, _without_contact(latest.c, search))
    return select(latest).where(where).order_by(latest.c.updated_at.desc(), latest.c.id.desc()).limit(limit)


def _page(
    people: People, where: ColumnElement[bool], after: tuple[Any, ...] | None, limit: int
) -> Select[tuple[Any, ...]]:
    if people.reason or people.error_code is not None:  # indexes of their own, migration 0030
        query = select(messages).where(where).order_by(*(c.desc() for c in _KEY)).limit(limit)
        return query if after is None else query.where(tuple_(*_KEY) < after)
    return recipients_query(where, people.statuses, after, limit)


def recipients_query(
    where: ColumnElement[bool], statuses: Sequence[str], after: tuple[Any, ...] | None, limit: int
) -> Select[tuple[Any, ...]]:
    """The first of each status, by the index of migration 0029, merged."""
    status = func.unnest(cast([*(statuses or STATUSES)], ARRAY(Text))).table_valued("status").render_derived()
    first = select(messages).where(where, messages.c.status == status.c.status).order_by(*(c.desc() for c in _KEY))
    if after is not None:
        first = first.where(tuple_(*_KEY) < after)
    each = first.limit(limit).lateral()
    merged: Select[tuple[Any, ...]] = select(each).select_from(status.join(each, true()))
    return merged.order_by(each.c.updated_at.desc(), each.c.id.desc()).limit(limit)


COUNTED_MAX = 50_000
"""Of a larger audience, the campaign's counters tell how many people have a status."""


async def shown_count(tx: Transaction, people: People) -> int | None:
    """How many there are, by the counters if they are many; None where so many contacts match the search that counting
    would take seconds."""
    if people.are_too_many:
        return None
    if not (people.search or people.reason or people.error_code is not None):
        columns = campaign_counts.c
        query = select(campaign_counts).where(columns.campaign_id == people.campaign_id, columns.retired_at.is_(None))
        counts = (await tx.execute(query)).one_or_none()
        if counts is not None and counts.audience > COUNTED_MAX:
            return sum(int(counts._mapping[status]) for status in people.statuses or STATUSES)
    return await count(tx, people)


async def count(tx: Transaction, people: People) -> int:
    query = select(func.count()).select_from(messages).where(matching(people))
    return (await tx.execute(query)).scalar_one()


async def stream(tx: Transaction, where: ColumnElement[bool]) -> AsyncIterator[Sequence[Any]]:
    """All messages that match, in slices, through a server-side cursor."""
    result = await tx.stream(select(messages).where(where).order_by(messages.c.id))
    async for rows in result.partitions(1000):
        yield rows
