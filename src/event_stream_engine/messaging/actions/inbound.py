"""What people write to us: a STOP is in force before Twilio has our answer; the rest follows as events."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import InboundReceived
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.contacts import change_consent
from event_stream_engine.messaging.actions.suppressions import lift, suppress, suppressed
from event_stream_engine.messaging.model.contacts import (
    Consent,
    Contact,
    PhoneInvalid,
    masked,
    parse_phone,
)
from event_stream_engine.messaging.store import contacts as contacts_store
from event_stream_engine.messaging.store import inbound as store
from event_stream_engine.messaging.store.suppressions import Suppression
from event_stream_engine.messaging.twilio.webhooks import InboundForm

log = structlog.get_logger()

UNREAD = Counter("ese_unread_stops_total", "STOPs from senders that are no number a contact could have")

BODY_SHOWN = 500
CLOCKS_DIFFER = timedelta(seconds=5)
"""Twilio lists whole seconds of its own clock."""


async def receive(tx: Transaction, form: InboundForm, *, received_at: datetime | None = None) -> UUID | None:
    """Keep the message and, for STOP and START, change consent in the same transaction.

    None when it was received before: a replay changes nothing. `received_at` is when the carrier received it, if that
    was not just now: what the person or the team has said since stands.
    """
    now = clock.now()
    said_at = received_at or now
    inbound_id = new_id()
    row = {
        "id": inbound_id,
        "sid": form.sid,
        "phone": form.from_,
        "sender": form.to,
        "channel": form.channel,
        "kind": form.kind,
        "body": form.body.replace("\x00", ""),
        "form": dict(form.raw),
        "received_at": said_at,
    }
    if not await store.add(tx, row):
        return None
    if form.kind in ("stop", "start"):
        contact, effect = await _change_consent(tx, form, said_at, is_late=received_at is not None)
        await store.mark_applied(tx, inbound_id, contact_id=contact.id if contact else None, effect=effect, at=now)
    await outbox.record(
        tx,
        InboundReceived(
            inbound_id=str(inbound_id), phone=form.from_, kind=form.kind, channel=form.channel,
            sender=form.to, received_at=said_at,
        ),
    )  # fmt: skip
    return inbound_id


async def _change_consent(
    tx: Transaction, form: InboundForm, said_at: datetime, *, is_late: bool
) -> tuple[Contact | None, str]:
    """To every contact of the line: two may be spellings of one number. Gives the first and what became of it."""
    wanted: Consent = "stopped" if form.kind == "stop" else "opted_in"
    contacts = await contacts_store.contacts_by_phone_for_update(tx, form.from_)
    if not contacts:
        new = await _new_contact(tx, form)
        if new is None:
            return None, await _suppress(tx, form, said_at)
        contacts = [new]
    changed = [await _apply_consent(tx, contact, wanted, form, said_at, is_late=is_late) for contact in contacts]
    if any(contact.consent == "opted_in" for contact, _ in changed):
        await lift(tx, form.from_, by_the_person=True)
    return changed[0]


async def _suppress(tx: Transaction, form: InboundForm, said_at: datetime) -> str:
    """A sender that is no number a contact could have: what it says holds for whatever is ever sent to it."""
    if form.kind == "start":
        is_lifted = await lift(tx, form.from_, by_the_person=True)
        return "May be written to again" if is_lifted else "The number cannot be read: nothing to change"
    await suppress(tx, form.from_, Suppression("stopped", "inbound:stop", said_at))
    UNREAD.inc()
    log.error("a STOP came from a number that cannot be read", inbound_sid=form.sid)
    return "The number cannot be read: nothing is ever sent to it"


async def _apply_consent(
    tx: Transaction, contact: Contact, wanted: Consent, form: InboundForm, said_at: datetime, *, is_late: bool
) -> tuple[Contact, str]:
    if contact.consent == wanted:
        return contact, "Nothing to change"
    if is_late and await _is_overtaken(tx, contact, wanted, said_at):
        return contact, "Nothing to change: a later change of consent stands"
    changed = replace(
        contact,
        consent=wanted,
        consent_source=f"inbound:{form.kind}",
        consent_changed_at=said_at,
        updated_at=clock.now(),
        version=contact.version + 1,
    )
    await contacts_store.save(tx, changed)
    await change_consent(
        tx, contact, contact.consent, wanted, source=f"inbound:{form.kind}", detail=form.body[:BODY_SHOWN]
    )
    return changed, "Gets no more messages" if wanted == "stopped" else "Opted in"


async def _is_overtaken(tx: Transaction, contact: Contact, wanted: Consent, said_at: datetime) -> bool:
    """Whether a message that arrived late says what no longer holds.

    A STOP yields only to the person's own START, which must be later by more than the clocks may differ. A START
    yields to any later change.
    """
    if wanted == "stopped":
        return await store.has_later(tx, contact.id, "start", said_at + CLOCKS_DIFFER)
    if contact.consent_changed_at is not None and contact.consent_changed_at > said_at:
        return True
    if any(kept.said_at > said_at for kept in (await suppressed(tx, [contact.phone])).values()):
        return True
    return await store.has_later(tx, contact.id, "stop", said_at - CLOCKS_DIFFER)


async def _new_contact(tx: Transaction, form: InboundForm) -> Contact | None:
    """Somebody we do not know: remembered, so that a later import cannot write to who said STOP."""
    try:
        phone = parse_phone(form.from_, None)
    except PhoneInvalid:
        return None
    now = clock.now()
    contact = Contact(
        id=new_id(), phone=phone.e164, country=phone.country, attributes={}, consent="unknown",
        consent_source=None, consent_changed_at=None, topics=[], timezone=None, locale=None,
        created_at=now, updated_at=now, version=1,
    )  # fmt: skip
    await contacts_store.add(tx, contact)
    return await contacts_store.contact_by_phone_for_update(tx, phone.e164)


async def apply(tx: Transaction, event: InboundReceived) -> None:
    """Open the contact's WhatsApp window, link the message to the contact, and show it on the screens."""
    inbound_id = UUID(event.inbound_id)
    row = await store.inbound(tx, inbound_id)
    if row is None:
        return
    contacts = await contacts_store.contacts_by_phone_for_update(tx, event.phone)
    for contact in contacts:
        if contact.last_inbound_at is None or contact.last_inbound_at < event.received_at:
            await contacts_store.save(tx, replace(contact, last_inbound_at=event.received_at))
    contact_id = contacts[0].id if contacts else None
    effect = row.effect or ("Opened the 24-hour window" if event.channel == "whatsapp" and contacts else None)
    await store.mark_applied(tx, inbound_id, contact_id=contact_id, effect=effect, at=clock.now())
    patch = {
        "id": event.inbound_id, "phone_masked": masked(event.phone), "channel": event.channel,
        "kind": event.kind, "text": row.body[:BODY_SHOWN], "received_at": event.received_at,
        "applied": True, "effect": effect, "contact_id": str(contact_id) if contact_id else None,
    }  # fmt: skip
    await outbox.record(
        tx, LiveUpdate(topic="inbound", kind="inbound", entity_id=event.inbound_id, version=1, patch=patch)
    )
