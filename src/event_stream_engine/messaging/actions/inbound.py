"""What people write to us: an opt-out is in force before Twilio has our answer; the rest follows as events."""

from dataclasses import dataclass, replace
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
from event_stream_engine.messaging.actions.confirmations import request_confirmation
from event_stream_engine.messaging.actions.contacts import change_consent
from event_stream_engine.messaging.actions.suppressions import lift, suppress, suppressed
from event_stream_engine.messaging.model.contacts import (
    Consent,
    Contact,
    PhoneInvalid,
    masked,
    parse_phone,
)
from event_stream_engine.messaging.model.replies import Reading, read_reply
from event_stream_engine.messaging.store import contacts as contacts_store
from event_stream_engine.messaging.store import inbound as store
from event_stream_engine.messaging.store import keywords as keywords_store
from event_stream_engine.messaging.store.suppressions import Suppression
from event_stream_engine.messaging.twilio.webhooks import InboundForm

log = structlog.get_logger()

UNREAD = Counter("ese_unread_stops_total", "STOPs from senders that are no number a contact could have")

BODY_SHOWN = 500
CLOCKS_DIFFER = timedelta(seconds=5)
"""Twilio lists whole seconds of its own clock."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was not known before, and how it was read."""

    id: UUID
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Change:
    """What a message did to a contact. `previous` is None where nothing changed."""

    contact: Contact | None
    effect: str
    previous: Consent | None = None


async def receive(tx: Transaction, form: InboundForm, *, received_at: datetime | None = None) -> Received | None:
    """Keep the message and, for an opt-out and START, change consent in the same transaction.

    None when it was received before: a replay changes nothing. `received_at` is when the carrier received it, if that
    was not just now: what the person or the team has said since stands.
    """
    reading = read_reply(
        form.body,
        await keywords_store.stop_words(tx),
        button=form.button_payload,
        opt_out_type=form.opt_out_type,
        has_media=form.num_media > 0,
    )
    now = clock.now()
    said_at = received_at or now
    inbound_id = new_id()
    row = {
        "id": inbound_id,
        "sid": form.sid,
        "phone": form.from_,
        "sender": form.to,
        "channel": form.channel,
        "kind": reading.kind,
        "basis": reading.basis,
        "score": reading.score,
        "review": "open" if reading.needs_review else None,
        "body": form.body.replace("\x00", ""),
        "form": dict(form.raw),
        "received_at": said_at,
    }
    if not await store.add(tx, row):
        return None
    if reading.kind in ("stop", "start"):
        change = await _change_consent(tx, form, reading, said_at, is_late=received_at is not None)
        contact_id = change.contact.id if change.contact else None
        await store.mark_applied(tx, inbound_id, contact_id=contact_id, effect=change.effect, at=now)
        if reading.kind == "stop" and change.previous is not None:
            await store.save_previous_consent(tx, inbound_id, change.previous)
            await request_confirmation(tx, inbound_id, form, reading, change.contact)
    await outbox.record(
        tx,
        InboundReceived(
            inbound_id=str(inbound_id), phone=form.from_, kind=reading.kind, channel=form.channel,
            sender=form.to, received_at=said_at,
        ),
    )  # fmt: skip
    return Received(inbound_id, reading)


async def _change_consent(
    tx: Transaction, form: InboundForm, reading: Reading, said_at: datetime, *, is_late: bool
) -> _Change:
    """Of every contact of the line: two may be spellings of one number. What became of the first that changed."""
    contacts = await contacts_store.contacts_by_phone_for_update(tx, form.from_)
    if not contacts:
        new = await _new_contact(tx, form)
        if new is None:
            return _Change(None, await _suppress(tx, form, reading, said_at))
        contacts = [new]
    changes = [await _apply_consent(tx, one, form, reading, said_at, is_late=is_late) for one in contacts]
    if any(change.contact and change.contact.consent == "opted_in" for change in changes):
        await lift(tx, form.from_, by_the_person=True)
    return next((change for change in changes if change.previous), changes[0])


async def _suppress(tx: Transaction, form: InboundForm, reading: Reading, said_at: datetime) -> str:
    """A sender that is no number a contact could have: what it says holds for whatever is ever sent to it."""
    if reading.kind == "start":
        is_lifted = await lift(tx, form.from_, by_the_person=True)
        return "May be written to again" if is_lifted else "The number cannot be read: nothing to change"
    await suppress(tx, form.from_, Suppression("stopped", _source(reading), said_at))
    UNREAD.inc()
    log.error("STOP from unreadable number", inbound_sid=form.sid)
    return "The number cannot be read: nothing is ever sent to it"


async def _apply_consent(
    tx: Transaction, contact: Contact, form: InboundForm, reading: Reading, said_at: datetime, *, is_late: bool
) -> _Change:
    wanted: Consent = "stopped" if reading.kind == "stop" else "opted_in"
    if contact.consent == wanted:
        return _Change(contact, "Nothing to change")
    if is_late and await _is_overtaken(tx, contact, wanted, said_at):
        return _Change(contact, "Nothing to change: a later change of consent stands")
    changed = replace(
        contact,
        consent=wanted,
        consent_source=_source(reading),
        consent_changed_at=said_at,
        updated_at=clock.now(),
        version=contact.version + 1,
    )
    await contacts_store.save(tx, changed)
    detail = form.body[:BODY_SHOWN]
    await change_consent(tx, contact, contact.consent, wanted, source=_source(reading), detail=detail)
    return _Change(changed, _effect(reading), contact.consent)


def _source(reading: Reading) -> str:
    return "inbound:wording" if reading.basis == "wording" else f"inbound:{reading.kind}"


def _effect(reading: Reading) -> str:
    if reading.kind == "start":
        return "Opted in"
    return "Gets no messages until this is reviewed" if reading.needs_review else "Gets no more messages"


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
    """Open the contact's WhatsApp window, link the message to the contact and the campaign, and show it on the
    screens."""
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
    if contacts:
        await store.save_campaign(tx, inbound_id, [contact.id for contact in contacts])
    patch = {
        "id": event.inbound_id, "phone": event.phone, "phone_masked": masked(event.phone),
        "name": contacts[0].attributes.get("name") if contacts else None, "channel": event.channel,
        "kind": event.kind, "text": row.body[:BODY_SHOWN], "received_at": event.received_at,
        "applied": True, "effect": effect, "contact_id": str(contact_id) if contact_id else None,
        "basis": row.basis, "review": row.review,
    }  # fmt: skip
    await outbox.record(
        tx, LiveUpdate(topic="inbound", kind="inbound", entity_id=event.inbound_id, version=1, patch=patch)
    )
