"""Contacts."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from event_stream_engine import audit
from event_stream_engine.database import Database, Transaction
from event_stream_engine.messaging.actions import contacts as actions
from event_stream_engine.messaging.actions.segments import rule_of
from event_stream_engine.messaging.model.compliance import reason_title
from event_stream_engine.messaging.model.contacts import Contact, ContactNotFound, origin_of_consent
from event_stream_engine.messaging.model.imports import ABOUT_CONSENT
from event_stream_engine.messaging.reports import person
from event_stream_engine.messaging.routes import masking, schemas
from event_stream_engine.messaging.routes.csv_safe import harmless
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.store.segments import clause
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    set_version,
)
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/contacts", tags=["contacts"], route_class=Route)

Search = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Sort = Literal["created_at", "-created_at", "phone"]


@router.get("", summary="List and search contacts", dependencies=[needs("contacts:read")])
async def list_contacts(
    by: Account,
    tx: Tx,
    search: Search = None,
    consent: schemas.Consent | None = None,
    topic: Search = None,
    segment_id: UUID | None = None,
    sort: Sort = "-created_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Contact]:
    """`search` finds words of attribute values by their beginning, accents aside, and numbers by their first or last
    digits, in any punctuation. `total` counts all that match; it is null where a search finds over 100,000. Searching
    and sorting by number need contacts:reveal."""
    masking.check_search(by, search, "phone" if sort == "phone" else None)
    rule = clause(await rule_of(tx, segment_id)) if segment_id else None
    where = store.matching(search=search, consent=consent, topic=topic, rule=rule)
    first = str if sort == "phone" else datetime
    is_search = bool(search and search.strip())
    total = await (store.count_found(tx, where) if is_search else store.count(tx, where))
    after, by_search = decode_cursor(cursor, first, UUID), is_search and total is not None
    found = await store.page(tx, where, sort=sort, after=after, limit=limit + 1, by_search=by_search)
    items, more = found[:limit], len(found) > limit
    last = items[-1] if more else None
    next_cursor = encode_cursor(last.phone if sort == "phone" else last.created_at, last.id) if last else None
    return Page(items=[masking.contact(shape(item), by) for item in items], next_cursor=next_cursor, total=total)


@router.post("", status_code=201, summary="Add a contact", dependencies=[needs("contacts:write")])
async def add_contact(body: schemas.ContactInput, by: Account, tx: Tx, response: Response) -> schemas.ContactAdded:
    """`consent_kept` when the person wrote STOP, or was opted out, before an earlier contact of this number was
    deleted: then the new one is so too, whatever `consent` says."""
    contact = await actions.add_contact(tx, actions.ContactChange(**body.model_dump()), by=by)
    set_version(response, contact.version)
    shown = masking.contact(await told(tx, contact), by)
    return schemas.ContactAdded(**shown.model_dump(), consent_kept=contact.consent != body.consent)


@router.get("/attributes", summary="The attributes that contacts have", dependencies=[needs("contacts:read")])
async def list_attributes(by: Account, tx: Tx) -> schemas.AttributeList:
    """Names, how many of the newest 20,000 contacts have them, and sample values."""
    found = schemas.AttributeList.model_validate({"items": await store.attributes(tx)})
    return masking.attributes(found, by)


@router.get(
    "/export.csv", summary="Export contacts", response_class=StreamingResponse, dependencies=[needs("contacts:export")]
)
async def export_contacts(
    by: Account,
    tx: Tx,
    platform: ThePlatform,
    search: Search = None,
    consent: schemas.Consent | None = None,
    topic: Search = None,
    segment_id: UUID | None = None,
) -> StreamingResponse:
    """CSV of all that match. Cells that a spreadsheet would run as a formula are led by an apostrophe."""
    rule = clause(await rule_of(tx, segment_id)) if segment_id else None
    where = store.matching(search=search, consent=consent, topic=topic, rule=rule)
    names = [row["name"] for row in await store.attributes(tx)]
    given = {"search": search, "consent": consent, "topic": topic, "segment_id": segment_id and str(segment_id)}
    detail = {"filter": {name: value for name, value in given.items() if value}, "rows": await store.count(tx, where)}
    await audit.record(tx, by.account_id, "contact.export", "all", detail)
    return StreamingResponse(
        _csv(platform.database, where, names),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="contacts.csv"'},
    )


@router.get("/{contact_id}", summary="One contact", dependencies=[needs("contacts:read")])
async def get_contact(contact_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Contact:
    contact = await store.contact(tx, contact_id)
    if contact is None:
        raise ContactNotFound("This contact does not exist. It may have been deleted.")
    set_version(response, contact.version)
    return masking.contact(await told(tx, contact), by)


@router.get(
    "/{contact_id}/record.json",
    summary="All that is stored about one person",
    dependencies=[needs("contacts:export")],
)
async def export_person(contact_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.PersonRecord:
    """For a person who asks what is stored about them. The answer is a file to download, and its making is audited."""
    contact = await store.contact(tx, contact_id)
    if contact is None:
        raise ContactNotFound("This contact does not exist. It may have been deleted.")
    found = schemas.PersonRecord.model_validate(await person.record(tx, contact))
    await audit.record(tx, by.account_id, "contact.export_record", contact_id)
    response.headers["content-disposition"] = f'attachment; filename="person-{contact_id}.json"'
    return found


@router.patch("/{contact_id}", summary="Change a contact", dependencies=[needs("contacts:write")])
async def change_contact(
    contact_id: UUID,
    body: schemas.ContactPatch,
    by: Account,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.Contact:
    """A contact that wrote STOP cannot be opted in here: only the person can, by writing START."""
    change = actions.ContactChange(**body.model_dump())
    contact = await actions.change_contact(tx, contact_id, change, by=by, if_match=if_match)
    set_version(response, contact.version)
    return masking.contact(await told(tx, contact), by)


@router.delete("/{contact_id}", status_code=204, summary="Delete a contact", dependencies=[needs("contacts:write")])
async def remove_contact(contact_id: UUID, by: Account, tx: Tx) -> None:
    """Erases the person: numbers, texts and names in messages, receipts, inbound messages, import rows and events.
    Counts stay. A STOP or an opt-out stays in force as a keyed hash of the number."""
    await actions.remove_contact(tx, contact_id, by=by)


@router.get("/{contact_id}/timeline", summary="What happened to a contact", dependencies=[needs("contacts:read")])
async def contact_timeline(contact_id: UUID, by: Account, tx: Tx, limit: Limit = 100) -> schemas.Timeline:
    if await store.contact(tx, contact_id) is None:
        raise ContactNotFound("This contact does not exist. It may have been deleted.")
    entries = await store.timeline(tx, contact_id, limit)
    found = schemas.Timeline.model_validate(
        {"items": [{**entry, "reason_title": reason_title(entry["reason"])} for entry in entries]}
    )
    return masking.timeline(found, by)


def shape(contact: Contact) -> schemas.Contact:
    return schemas.Contact.model_validate(contact)


async def told(tx: Transaction, contact: Contact) -> schemas.Contact:
    """One contact, with the origin of its consent in words."""
    source = contact.consent_source
    stated = await person.stated_source(tx, source) if source and source.startswith("import:") else None
    return shape(contact).model_copy(update={"consent_origin": origin_of_consent(source, stated)})


async def _csv(database: Database, where: Any, names: list[str]) -> AsyncIterator[str]:
    columns = ["phone", "consent", *ABOUT_CONSENT, "timezone", "locale", "topics", *names]
    yield _line(columns)
    async with database.transaction() as tx:
        stated = await person.stated_sources(tx)
        async for contacts in store.stream(tx, where):
            yield "".join(_line(_cells(contact, names, stated)) for contact in contacts)


def _cells(contact: Contact, names: list[str], stated: dict[str, str]) -> list[str]:
    source, since = contact.consent_source, contact.consent_changed_at
    return [
        contact.phone,
        contact.consent,
        origin_of_consent(source, stated.get(source or "")) or "",
        since.isoformat(timespec="seconds") if since else "",
        contact.timezone or "",
        contact.locale or "",
        ",".join(contact.topics),
        *(contact.attributes.get(name, "") for name in names),
    ]


def _line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(harmless(cell) for cell in cells)
    return buffer.getvalue()
