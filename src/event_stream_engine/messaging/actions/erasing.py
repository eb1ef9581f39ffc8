"""Erasing a person everywhere. What an index finds is erased with the contact; the rest by a task, soon after.

What stays: the rows themselves, which hold nothing of the person any more; a keyed hash of the number where the person
had said no (`suppressions`); the audit trail's entry. Streams keep their entries for `ESE_STREAM_RETENTION_HOURS`.
"""

from datetime import timedelta
from uuid import UUID

import phonenumbers

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.encryption import process_keyring
from event_stream_engine.events.messaging import InboundReceived, StatusCallbackReceived
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.suppressions import suppress
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.spellings import spellings
from event_stream_engine.messaging.store import contacts as contact_store
from event_stream_engine.messaging.store import erasures as store
from event_stream_engine.messaging.store.erasures import Erasure
from event_stream_engine.messaging.store.suppressions import Suppression

EVENTS_SETTLE = timedelta(minutes=15)
"""Events are left alone for so long: until then their consumers read them as they were recorded."""


async def erase(tx: Transaction, contact: Contact, *, by: UUID | None) -> UUID:
    """Remove the contact and what is found by its id; the id of the erasure, which a task finishes."""
    if contact.consent in ("stopped", "opted_out"):
        source, at = contact.consent_source or "staff", contact.consent_changed_at or contact.updated_at
        await suppress(tx, contact.phone, Suppression(contact.consent, source, at))
    ids = await store.message_ids(tx, contact.id)
    erasure_id, now = new_id(), clock.now()
    sealed = process_keyring().encrypt(contact.phone.encode(), _about(erasure_id))
    await store.add(tx, erasure_id, contact.id, sealed, ids, by, now)
    erased = {
        "messages": await store.erase_messages(tx, ids),
        "receipts": await store.erase_receipts(tx, ids),
        "inbound_messages": await store.erase_inbound(tx, contact.id, spellings(contact.phone), now),
    }
    await store.note(tx, erasure_id, erased, None)
    await contact_store.remove(tx, contact.id)
    return erasure_id


async def go_on(tx: Transaction, erasure_id: UUID) -> bool:
    """Erase what is left of a person; True when that is all of it."""
    found = await store.take_one(tx, erasure_id)
    if found is None or found.phone is None:
        return True
    phone = process_keyring().decrypt(found.phone, _about(found.id)).decode()
    erased = dict(found.erased)
    for table, count in (await _erase_rest(tx, found, phone)).items():
        erased[table] = erased.get(table, 0) + count
    is_open = await store.open_messages(tx, found.message_ids, spellings(phone), found.created_at)
    is_done = not is_open and clock.now() - found.created_at > EVENTS_SETTLE
    await store.note(tx, found.id, erased, clock.now() if is_done else None)
    return is_done


async def _erase_rest(tx: Transaction, found: Erasure, phone: str) -> dict[str, int]:
    phones = spellings(phone)
    until = found.created_at
    sent = await store.erase_messages(tx, found.message_ids) + await store.erase_messages_to(tx, phones, until)
    receipts = await store.erase_receipts(tx, found.message_ids)
    inbound = await store.erase_inbound(tx, found.contact_id, phones, until)
    rejects, merges = await store.erase_import_rows(tx, phones, [_digits(one) for one in phones], until)
    return {
        "messages": sent,
        "receipts": receipts,
        "inbound_messages": inbound,
        "import_rejects": rejects,
        "import_merges": merges,
        "events": await _erase_events(tx, found, phones),
    }


async def _erase_events(tx: Transaction, found: Erasure, phones: tuple[str, ...]) -> int:
    """What people wrote, what the screens showed of it, and Twilio's callbacks, in the outbox."""
    before = clock.now() - EVENTS_SETTLE
    until = min(before, found.created_at)
    wrote = await outbox.redact(tx, InboundReceived.stream, phones, {"phone": ""}, before=until, new_key="erased")
    callers = [str(message_id) for message_id in found.message_ids]
    callbacks = await outbox.redact(tx, StatusCallbackReceived.stream, callers, {"form": {}}, before=before)
    about = ("contact_id", str(found.contact_id))
    blank: dict[str, object] = {"text": "", "phone": "", "phone_masked": "", "name": ""}
    shown = await outbox.redact_patches(tx, LiveUpdate.stream, "inbound", about, blank, before=before)
    return wrote + callbacks + shown


def _digits(phone: str) -> str:
    """The number without its country code, as a file may write it."""
    return str(phonenumbers.parse(phone).national_number)


def _about(erasure_id: UUID) -> str:
    return f"erasure:{erasure_id}"
