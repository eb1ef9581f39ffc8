"""One message of a campaign to one number, before anybody else gets it: claimed, sent, and settled."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Conflict
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.campaigns import find_campaign, frozen_parts
from event_stream_engine.messaging.actions.sending import status_callback
from event_stream_engine.messaging.actions.suppressions import suppressed
from event_stream_engine.messaging.gateway import (
    Accepted,
    Held,
    OutgoingMessage,
    Rejected,
    SendOutcome,
    Unknown,
)
from event_stream_engine.messaging.model.contacts import ConsentLocked, Contact, checked_phone
from event_stream_engine.messaging.model.messages import Message, Status, advance, settle
from event_stream_engine.messaging.model.templates import content_variables, render
from event_stream_engine.messaging.store import contacts as contact_store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.settings import Settings
from event_stream_engine.web.auth import Principal

_GRACE = timedelta(seconds=15)  # an unanswered request may still arrive at Twilio


class PersonBusy(Conflict):
    """Another message to this person from this sender may be under way."""

    code = "person_busy"


@dataclass(frozen=True)
class TestSent:
    """What became of it; `detail` says what to do if it failed."""

    message_id: UUID
    status: Status
    detail: str | None


@dataclass(frozen=True)
class TestMessage:
    """A test message that was claimed and must now be sent."""

    message: Message
    request: OutgoingMessage


async def claim_test(
    tx: Transaction, campaign_id: UUID, phone: str, settings: Settings, *, by: Principal
) -> TestMessage:
    """Write the message down before it leaves. Raises `CampaignNotFound`, `CampaignNotReady`, `Invalid`,
    `ConsentLocked` for a number that wrote STOP, or `PersonBusy`."""
    campaign = await find_campaign(tx, campaign_id)
    parts = campaign.frozen or await frozen_parts(tx, campaign)
    number = checked_phone(phone).e164
    contact = await contact_store.contact_by_phone_for_update(tx, number)
    is_suppressed = bool(await suppressed(tx, [number]))
    if is_suppressed or (contact is not None and contact.consent == "stopped"):
        raise ConsentLocked("This number wrote STOP. Not even a test goes there until it writes START.")
    sender = f"{parts['channel']}:{parts['sender_address']}"
    await ledger.lock_sender(tx, sender)
    if await ledger.busy_phones(tx, [number], sender):
        raise PersonBusy("Another message to this number is on its way from the same sender. Try again in a minute.")
    now = clock.now()
    message = Message(new_id(), None, None, number, "sending", attempt=1)
    request = _request(parts, message, contact, settings)
    lease_until = now + timedelta(seconds=settings.messaging.lease_seconds)
    await ledger.add_test_message(tx, message.id, number, request.body or "", sender, lease_until, now)
    await audit.record(tx, by.account_id, "campaign.test_send", campaign_id)
    return TestMessage(message, request)


async def settle_test(tx: Transaction, sent: TestMessage, outcome: SendOutcome) -> TestSent:
    """Write what Twilio answered. A receipt that came first has moved the message already: it stays."""
    now = clock.now()
    message = (await ledger.lock(tx, [sent.message.id])).get(sent.message.id)
    if message is None:
        return TestSent(sent.message.id, "failed", "The message was deleted.")
    if isinstance(outcome, Held):
        await ledger.remove_test_message(tx, message.id)
        return TestSent(message.id, "failed", "Nothing was sent.")
    if isinstance(outcome, Accepted):
        step, detail = advance(message, "accepted", now, sid=outcome.sid), None
    elif message.status != "sending" or message.attempt != sent.message.attempt:
        return TestSent(message.id, message.status, None)
    elif isinstance(outcome, Rejected):
        step = settle(message, "failed", now, error_code=outcome.code or outcome.http_status)
        known = describe(outcome.code)
        detail = f"{known.title}. {known.what_to_do}"
    elif isinstance(outcome, Unknown):
        step = settle(message, "unknown", now, reason=outcome.reason[:200], due_at=now + _GRACE)
        detail = "Twilio gave no clear answer; the message may still arrive. Check before trying again."
    else:
        step = settle(message, "failed", now, reason="not_sent")
        detail = "Twilio was not reached, and nothing was sent. Try again."
    if step is None:
        return TestSent(message.id, message.status, None)
    await ledger.save(tx, [step.message], now)
    return TestSent(message.id, step.message.status, detail)


def _request(parts: dict[str, str], message: Message, contact: Contact | None, settings: Settings) -> OutgoingMessage:
    attributes = contact.attributes if contact else {}
    variables = None
    if parts["content_sid"]:
        numbered = content_variables(parts["body"], attributes, message.phone)
        variables = msgspec.json.encode(numbered).decode()
    return OutgoingMessage(
        to=message.phone,
        sender=parts["sender_address"],
        channel="whatsapp" if parts["channel"] == "whatsapp" else "sms",
        body=render(parts["body"], attributes, message.phone).text,
        content_sid=parts["content_sid"],
        content_variables=variables,
        status_callback=status_callback(settings.http.origin).format(message.id),
    )
