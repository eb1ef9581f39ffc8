"""Searching people and texts whatever the accents and the punctuation of numbers; migration 0026 has the indexes."""

from sqlalchemy import ColumnElement, Function, and_, false, func, literal_column, or_, select

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


def of_inbound(given: str) -> ColumnElement[bool]:
    """Inbound messages by their number and text, and by who the contact is."""
    columns = inbound_messages.c
    people = columns.contact_id.in_(select(contacts.c.id).where(of_contacts(given)))
    return or_(_found(func.body_terms(columns.phone, columns.body), columns.phone, given), people)


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
