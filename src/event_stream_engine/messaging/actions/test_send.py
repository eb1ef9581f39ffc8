"""One message of a campaign to one number, before anybody else gets it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.campaigns import find_campaign, frozen_parts
from event_stream_engine.messaging.actions.sending import status_callback
from event_stream_engine.messaging.actions.suppressions import suppressed
from event_stream_engine.messaging.gateway import (
    Accepted,
    Held,
    MessageGateway,
    OutgoingMessage,
    Rejected,
)
from event_stream_engine.messaging.model.contacts import ConsentLocked, Contact, checked_phone
from event_stream_engine.messaging.model.messages import Message, Status, advance, settle
from event_stream_engine.messaging.model.templates import content_variables, render
from event_stream_engine.messaging.store import contacts as contact_store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.resilience import CircuitOpen
from event_stream_engine.settings import Settings
from event_stream_engine.web.auth import Principal


@dataclass(frozen=True)
class TestSent:
    """What became of it; `detail` says what to do if it failed."""

    message_id: UUID
    status: Status
    detail: str | None


async def send_test(
    tx: Transaction,
    campaign_id: UUID,
    phone: str,
    gateway: MessageGateway,
    settings: Settings,
    *,
    by: Principal,
) -> TestSent:
    """Raises `CampaignNotFound`, `CampaignNotReady`, `ConsentLocked` for a number that wrote STOP, `Invalid`, or
    `CircuitOpen` while Twilio is left alone: then nothing is sent, and nothing is written.

    The ledger row and the request share a transaction: a crash in between may leave a delivered test message
    without a row, never a campaign's.
    """
    campaign = await find_campaign(tx, campaign_id)
    parts = campaign.frozen or await frozen_parts(tx, campaign)
    number = checked_phone(phone).e164
    contact = await contact_store.contact_by_phone_for_update(tx, number)
    is_suppressed = bool(await suppressed(tx, [number]))
    if is_suppressed or (contact is not None and contact.consent == "stopped"):
        raise ConsentLocked("This number wrote STOP. Not even a test goes there until it writes START.")
    message = Message(new_id(), None, None, number, "sending", attempt=1)
    request = _request(parts, message, contact, settings)
    await ledger.add_test_message(tx, message.id, number, request.body or "", clock.now() + timedelta(seconds=60))
    outcome = await gateway.send(request)
    if isinstance(outcome, Held):
        raise CircuitOpen("Twilio", outcome.retry_after)
    await audit.record(tx, by.account_id, "campaign.test_send", campaign_id)
    now = clock.now()
    if isinstance(outcome, Accepted):
        step, detail = advance(message, "accepted", now, sid=outcome.sid), None
    elif isinstance(outcome, Rejected):
        step = settle(message, "failed", now, error_code=outcome.code or outcome.http_status)
        known = describe(outcome.code)
        detail = f"{known.title}. {known.what_to_do}"
    else:
        step = settle(message, "failed", now, reason="not_sent")
        detail = "Twilio gave no clear answer; the message may still arrive. Check before trying again."
    if step is None:
        return TestSent(message.id, "accepted", None)
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
