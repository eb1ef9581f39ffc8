"""What an error says about the contact: opted out at the carrier, or unreachable on this channel."""

from collections.abc import Sequence
from dataclasses import replace

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.actions.contacts import change_consent
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.messages import Step
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.twilio.errors import describe


async def learn_from(tx: Transaction, steps: Sequence[Step]) -> None:
    """Apply the suppression of each failed message to its contact, in one order for all who do so."""
    for step in sorted(steps, key=lambda step: str(step.message.contact_id)):
        message = step.message
        if message.error_code is None or message.contact_id is None or message.campaign_id is None:
            continue
        suppression = describe(message.error_code).suppression
        if suppression == "none":
            continue
        contact = await store.contact_for_update(tx, message.contact_id)
        if contact is None:
            continue
        if suppression == "opt_out":
            for same_line in await store.contacts_by_phone_for_update(tx, contact.phone):
                await _opt_out(tx, same_line, message.error_code)
        else:
            channel = await ledger.channel_of(tx, message.campaign_id)
            await _block(tx, contact, channel)


async def _opt_out(tx: Transaction, contact: Contact, code: int) -> None:
    if contact.consent == "stopped":
        return
    now = clock.now()
    changed = replace(
        contact, consent="stopped", consent_source=f"twilio:{code}", consent_changed_at=now,
        updated_at=now, version=contact.version + 1,
    )  # fmt: skip
    await store.save(tx, changed)
    await change_consent(tx, contact, contact.consent, "stopped", source=f"twilio:{code}")


async def _block(tx: Transaction, contact: Contact, channel: str) -> None:
    if channel not in contact.blocked_channels:
        blocked = [*contact.blocked_channels, channel]
        await store.save(tx, replace(contact, blocked_channels=blocked, version=contact.version + 1))
