"""Twilio's status callbacks: kept as they come, applied later, in any order, any number of times."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import StatusCallbackReceived
from event_stream_engine.messaging.actions.pausing import watch
from event_stream_engine.messaging.actions.suppressing import learn_from
from event_stream_engine.messaging.model.messages import FROM_PROVIDER, Message, Step, advance
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.twilio.webhooks import StatusForm


def receipt(form: StatusForm, message_id: UUID | None) -> StatusCallbackReceived:
    """The fact that Twilio called; recording it is all that happens while Twilio waits."""
    return StatusCallbackReceived(
        sid=form.sid,
        status=form.status,
        message_id=str(message_id) if message_id else None,
        error_code=form.error_code,
        received_at=clock.now(),
        form=dict(form.raw),
    )


async def apply_receipts(tx: Transaction, callbacks: Sequence[StatusCallbackReceived]) -> None:
    """Move the messages that the callbacks tell of; a callback about nobody's message is only kept."""
    by_id = await ledger.lock(tx, [UUID(c.message_id) for c in callbacks if c.message_id])
    by_sid = await ledger.lock_by_sid(tx, [c.sid for c in callbacks if not c.message_id])
    owners = await ledger.sid_owners(tx, [c.sid for c in callbacks if _is_first(c, by_id)])
    current: dict[UUID, Message] = {}
    steps: list[Step] = []
    rows = []
    for callback in callbacks:
        message = by_id.get(UUID(callback.message_id)) if callback.message_id else by_sid.get(callback.sid)
        if message is not None and _is_foreign(callback, message, owners):
            message = None  # another message's receipt under our id: replayed, forged, or matched to the wrong message
        rows.append(_row(callback, message))
        status = FROM_PROVIDER.get(callback.status)
        if message is None or status is None:
            continue
        message = current.get(message.id, message)
        at: datetime = callback.received_at
        step = advance(message, status, at, sid=callback.sid, error_code=callback.error_code)
        if step is not None:
            current[message.id] = step.message
            steps.append(step)
    await ledger.add_receipts(tx, rows)
    final = {step.message.id: step for step in steps}
    await ledger.save(tx, [step.message for step in final.values()], clock.now())
    await outbox.record_many(tx, [step.event for step in steps])
    await watch(tx, "receipt", steps)
    await learn_from(tx, list(final.values()))


def _is_first(callback: StatusCallbackReceived, by_id: Mapping[UUID, Message]) -> bool:
    """Whether it tells us the id that Twilio gave to the message."""
    message = by_id.get(UUID(callback.message_id)) if callback.message_id else None
    return message is not None and message.provider_sid is None


def _is_foreign(callback: StatusCallbackReceived, message: Message, owners: Mapping[str, UUID]) -> bool:
    owner = owners.get(callback.sid)
    return message.provider_sid not in (None, callback.sid) or owner not in (None, message.id)


def _row(callback: StatusCallbackReceived, message: Message | None) -> tuple[object, ...]:
    is_erased = message is not None and not message.phone
    form = msgspec.json.encode({} if is_erased else callback.form).decode()
    message_id = message.id if message else None
    return (callback.sid, callback.status, message_id, callback.error_code, form, callback.received_at)
