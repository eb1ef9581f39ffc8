"""One confirmation for each opt-out, within five minutes."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.gateway import Accepted, Held, NotSent, Rejected, SendOutcome, Throttled
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.replies import Reading
from event_stream_engine.messaging.model.replies.confirmations import WITHIN, confirmation_text, is_answered_by_twilio
from event_stream_engine.messaging.store import confirmations as store
from event_stream_engine.messaging.store.confirmations import Confirmation
from event_stream_engine.messaging.twilio.webhooks import InboundForm

CLAIM_SECONDS = 60
"""A claimed confirmation that is older than this was lost with its worker."""


async def request_confirmation(
    tx: Transaction, inbound_id: UUID, form: InboundForm, reading: Reading, contact: Contact | None
) -> None:
    """Ask for the confirmation of an opt-out that just took effect, unless Twilio sends one itself."""
    if is_answered_by_twilio(form.body, form.channel, is_provider_verdict=reading.basis == "provider"):
        return
    body = confirmation_text(contact.locale if contact else None, reading.language)
    now = clock.now()
    await store.add(tx, Confirmation(inbound_id, form.from_, form.to, form.channel, body), now + WITHIN, now)


async def has_open(tx: Transaction) -> bool:
    """Whether any confirmation waits or is under way."""
    return await store.has_open(tx)


async def claim_confirmations(tx: Transaction, limit: int) -> tuple[Sequence[Confirmation], int]:
    """Those to be sent now, and how many came too late."""
    now = clock.now()
    late = await store.expire(tx, now)
    late += await store.give_up(tx, now - timedelta(seconds=CLAIM_SECONDS))
    return await store.claim(tx, now, limit), late


async def settle_confirmation(tx: Transaction, inbound_id: UUID, outcome: SendOutcome) -> str:
    """Write the outcome; the status. What provably did not leave waits for the next round, until it expires."""
    match outcome:
        case Accepted(sid=sid):
            status = "sent"
            await store.settle(tx, inbound_id, status, provider_sid=sid)
        case Rejected(code=code, message=message):
            status = "failed"
            await store.settle(tx, inbound_id, status, error=f"{code}: {message}"[:500])
        case Throttled() | NotSent() | Held():
            status = "waiting"
            await store.settle(tx, inbound_id, status)
        case _:
            status = "unknown"
            await store.settle(tx, inbound_id, status)
    return status
