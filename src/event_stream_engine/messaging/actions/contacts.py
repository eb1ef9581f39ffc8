"""Contacts: add, change, remove, and what consent allows."""

from dataclasses import dataclass, replace
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.events.messaging import ConsentChanged
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.erasing import erase
from event_stream_engine.messaging.actions.suppressions import lift, suppressed
from event_stream_engine.messaging.model.contacts import (
    TOPICS_MAX,
    Consent,
    Contact,
    ContactExists,
    ContactNotFound,
    checked_attributes,
    checked_phone,
    checked_timezone,
    staff_may_set,
)
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.store.suppressions import Suppression
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.pages import require_version


@dataclass(frozen=True)
class ContactChange:
    """What to set; None leaves a field as it is."""

    phone: str | None = None
    attributes: dict[str, str] | None = None
    consent: Consent | None = None
    topics: list[str] | None = None
    timezone: str | None = None
    locale: str | None = None


async def add_contact(tx: Transaction, given: ContactChange, *, by: Principal) -> Contact:
    """Raises `ContactExists` or `Invalid`."""
    phone = checked_phone(given.phone or "")
    now = clock.now()
    consent = given.consent or "unknown"
    contact = Contact(
        id=new_id(),
        phone=phone.e164,
        country=phone.country,
        attributes=checked_attributes(given.attributes or {}),
        consent=consent,
        consent_source=None if consent == "unknown" else "staff",
        consent_changed_at=None if consent == "unknown" else now,
        topics=_topics(given.topics or []),
        timezone=checked_timezone(given.timezone),
        locale=given.locale or None,
        created_at=now,
        updated_at=now,
        version=1,
    )
    existing = await store.contact_by_phone_for_update(tx, contact.phone)
    if existing is not None or not await store.add(tx, contact):
        known = existing.phone if existing else contact.phone
        raise ContactExists(f"{known} is in your contacts already: search for it and edit it.")
    kept = (await suppressed(tx, [contact.phone])).get(contact.phone)
    if kept is not None:
        contact = await _keep_consent(tx, contact, kept, previous="unknown")
    elif consent != "unknown":
        await change_consent(tx, contact, "unknown", consent, source="staff", by=by.account_id)
    await _changed(tx, contact.id)
    await audit.record(tx, by.account_id, "contact.add", contact.id, {"consent_kept": True} if kept else None)
    return contact


async def _keep_consent(tx: Transaction, contact: Contact, kept: Suppression, *, previous: str) -> Contact:
    """What the person said before the contact was erased stands, whatever is stated now."""
    consent: Consent = "stopped" if kept.consent == "stopped" else "opted_out"
    changed = replace(contact, consent=consent, consent_source=kept.source, consent_changed_at=kept.said_at)
    await store.save(tx, changed)
    await change_consent(
        tx, contact, "unknown", consent, source=kept.source, detail="Said before the contact was erased"
    )
    return changed


async def change_contact(
    tx: Transaction, contact_id: UUID, given: ContactChange, *, by: Principal, if_match: str | None
) -> Contact:
    """Raises `ContactNotFound`, `ConsentLocked`, `ContactExists`, `Stale` or `Invalid`."""
    contact, others = await _line_of(tx, contact_id)
    require_version(if_match, contact.version)
    now = clock.now()
    changed = replace(contact, updated_at=now, version=contact.version + 1)
    if given.phone is not None:
        changed = await _with_phone(tx, changed, given.phone)
    if given.attributes is not None:
        changed = replace(changed, attributes=checked_attributes(given.attributes))
    if given.topics is not None:
        changed = replace(changed, topics=_topics(given.topics))
    if given.timezone is not None:
        changed = replace(changed, timezone=checked_timezone(given.timezone))
    if given.locale is not None:
        changed = replace(changed, locale=given.locale or None)
    if given.consent is not None and given.consent != contact.consent:
        staff_may_set(contact.consent, given.consent)
        changed = replace(changed, consent=given.consent, consent_source="staff", consent_changed_at=now)
        await change_consent(tx, contact, contact.consent, given.consent, source="staff", by=by.account_id)
        if given.consent == "opted_in":
            await lift(tx, changed.phone, by_the_person=False)
    elif given.phone is not None and changed.phone != contact.phone:
        kept = (await suppressed(tx, [changed.phone])).get(changed.phone)
        if kept is not None and contact.consent != "stopped":
            changed = await _keep_consent(tx, changed, kept, previous=contact.consent)
    await store.save(tx, changed)
    if given.consent in ("opted_out", "stopped"):
        await _opt_out_too(tx, others, given.consent, by=by.account_id)
    await _changed(tx, contact.id)
    await audit.record(tx, by.account_id, "contact.change", contact.id, {"fields": _given(given)})
    return changed


async def _line_of(tx: Transaction, contact_id: UUID) -> tuple[Contact, list[Contact]]:
    """The contact, and those whose numbers are other spellings of its line, all locked. Raises `ContactNotFound`."""
    known = await store.contact(tx, contact_id)
    line = await store.contacts_by_phone_for_update(tx, known.phone) if known else []
    contact = next((one for one in line if one.id == contact_id), None)
    if contact is None:
        raise ContactNotFound("This contact does not exist. It may have been deleted.")
    return contact, [one for one in line if one.id != contact_id]


async def _opt_out_too(tx: Transaction, others: list[Contact], consent: Consent, *, by: UUID) -> None:
    """Who does not want messages does not want them on another spelling of the number."""
    now = clock.now()
    for other in others:
        if other.consent in ("stopped", consent):
            continue
        changed = replace(
            other, consent=consent, consent_source="staff", consent_changed_at=now, updated_at=now,
            version=other.version + 1,
        )  # fmt: skip
        await store.save(tx, changed)
        await change_consent(tx, other, other.consent, consent, source="staff", by=by)
        await _changed(tx, other.id)


async def remove_contact(tx: Transaction, contact_id: UUID, *, by: Principal) -> None:
    """Erase the person everywhere (`erasing`). Raises `ContactNotFound`.

    Messages already sent stay counted, without number and text; a STOP or an opt-out stays in force as a keyed hash.
    """
    contact = await store.contact_for_update(tx, contact_id)
    if contact is None:
        raise ContactNotFound("This contact does not exist. It may have been deleted.")
    erasure_id = await erase(tx, contact, by=by.account_id)
    await _changed(tx, contact_id)
    await audit.record(tx, by.account_id, "contact.remove", contact_id, {"erasure_id": str(erasure_id)})


async def change_consent(
    tx: Transaction,
    contact: Contact,
    previous: str,
    consent: str,
    *,
    source: str,
    by: UUID | None = None,
    detail: str | None = None,
) -> None:
    """Write the proof of a change of consent, and the fact."""
    await store.add_consent_change(
        tx, contact.id, previous, consent, source=source, at=clock.now(), detail=detail, actor_id=by
    )
    await outbox.record(
        tx,
        ConsentChanged(contact_id=str(contact.id), previous=previous, consent=consent, source=source),
    )


async def _with_phone(tx: Transaction, contact: Contact, written: str) -> Contact:
    phone = checked_phone(written)
    others = await store.contacts_by_phone_for_update(tx, phone.e164)
    is_same_line = phone.e164 in spellings(contact.phone)
    if any(other.id != contact.id and (other.phone == phone.e164 or not is_same_line) for other in others):
        raise ContactExists(f"{phone.e164} belongs to another contact.")
    return replace(contact, phone=phone.e164, country=phone.country)


def _topics(topics: list[str]) -> list[str]:
    named = list(dict.fromkeys(topic.strip() for topic in topics if topic.strip()))
    if len(named) > TOPICS_MAX or any(len(topic) > 100 or "\x00" in topic for topic in named):
        raise Invalid.field("topics", f"At most {TOPICS_MAX} topics of at most 100 characters.")
    return named


def _given(change: ContactChange) -> list[str]:
    return [name for name, value in vars(change).items() if value is not None]


async def _changed(tx: Transaction, contact_id: UUID) -> None:
    await outbox.record(tx, LiveUpdate(topic="contacts", kind="contacts", entity_id=str(contact_id), version=0))
