"""Searching people and texts whatever the accents and the punctuation of numbers; migration 0026 has the indexes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import ColumnElement, Function, and_, false, func, literal_column, or_, select, text

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.searching import read_search
from event_stream_engine.messaging.tables import contacts, inbound_messages

Texts = ColumnElement[str]
_SIMPLE: ColumnElement[str] = literal_column("'simple'::regconfig")


def contains(column: Texts, given: str) -> ColumnElement[bool]:
    """The text anywhere in a column, whatever its accents and capitals. No index serves it: for short tables only."""
    return func.strpos(func.folded_text(column), func.folded_text(given)) > 0


def of_contacts(given: str) -> ColumnElement[bool]:
    """Contacts by their number and the values of their attributes."""
    return _found(func.contact_terms(contacts.c.phone, contacts.c.attributes), contacts.c.phone, given)


FOUND_MAX = 5000
"""So many contacts are found first and looked up by their ids; of more, each row is asked."""


async def people_found(tx: Transaction, given: str) -> list[UUID]:
    """The ids of contacts that match; one more than `FOUND_MAX` if there are more."""
    async with by_index(tx):
        found = await tx.execute(select(contacts.c.id).where(of_contacts(given)).limit(FOUND_MAX + 1))
        return list(found.scalars())


def of_person(contact_id: ColumnElement[UUID], given: str, found: Sequence[UUID]) -> ColumnElement[bool]:
    """Rows of the contacts that `people_found` returned. Where it returned too many, the contact of each row is asked
    for: a join would make a table of all of them first."""
    if len(found) <= FOUND_MAX:
        return contact_id.in_(found)
    return select(of_contacts(given)).where(contacts.c.id == contact_id).correlate_except(contacts).scalar_subquery()


def of_inbound(given: str, found: Sequence[UUID]) -> ColumnElement[bool]:
    """Inbound messages by their number and text, and by who the contact is (`people_found`)."""
    columns = inbound_messages.c
    by_text = _found(func.body_terms(columns.phone, columns.body), columns.phone, given)
    return or_(by_text, of_person(columns.contact_id, given, found)) if found else by_text


_BY_INDEX = """
SELECT set_config('enable_seqscan', :scans, true), set_config('enable_indexscan', :scans, true)
"""


@asynccontextmanager
async def by_index(tx: Transaction) -> AsyncIterator[None]:
    """Queries within are answered by the search indexes. PostgreSQL does not know that making the terms of a row takes
    30 us, nor how many rows match, and would often rather make them for each row of the table."""
    await tx.execute(text(_BY_INDEX), {"scans": "off"})
    yield
    await tx.execute(text(_BY_INDEX), {"scans": "on"})


def of_phones(column: Texts, given: str) -> ColumnElement[bool]:
    """Rows that are narrowed down otherwise, by parts of their number."""
    search = read_search(given)
    return or_(false(), column.in_(search.lines), *(column.contains(number) for number in search.numbers))


def _found(terms: "Function[str]", phone: Texts, given: str) -> ColumnElement[bool]:
    search = read_search(given)
    ways: list[ColumnElement[bool]] = []
    if search.words:
        ways.append(and_(*(terms.bool_op("@@")(func.word_query(word)) for word in search.words)))
    # A number begins with these digits, with or without its country code, or ends with them.
    written = " | ".join(f"'{digits}':*" for number in search.numbers for digits in (number, number[::-1]))
    if written:
        ways.append(terms.bool_op("@@")(func.to_tsquery(_SIMPLE, written)))
    if search.lines:
        ways.append(phone.in_(search.lines))
    return or_(*ways) if ways else false()
