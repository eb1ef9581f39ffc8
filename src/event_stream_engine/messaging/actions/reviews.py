"""What a person decides about a reply: it is an opt-out, or it is not. Either can be taken back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Conflict, NotFound
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.messaging.actions.contacts import change_consent
from event_stream_engine.messaging.model.contacts import Consent, Contact
from event_stream_engine.messaging.store import contacts as contacts_store
from event_stream_engine.messaging.store import inbound as store
from event_stream_engine.web.auth import Principal

Decision: TypeAlias = Literal["opt_out", "not_opt_out"]
SOURCE = "inbound:review"
_TAKEN_BACK = ("inbound:wording", SOURCE)
"""Consent that a review may restore: no keyword, button or verdict of the provider decided it."""


class InboundNotFound(NotFound):
    code = "inbound_not_found"
    title = "There is no such message"


class OptOutStands(Conflict):
    """The person was unmistakable, so no review takes the opt-out back."""

    code = "opt_out_stands"


async def review(tx: Transaction, inbound_id: UUID, decision: Decision, *, by: Principal) -> Any:
    """Decide about one message; its row as it is then. The same decision again changes nothing.

    `not_opt_out` gives the contact back the consent from before the message, unless it changed since or the person
    opted out in another message. Raises `InboundNotFound`, or `OptOutStands` for a STOP by keyword, button or provider.
    """
    row = await store.inbound_for_update(tx, inbound_id)
    if row is None:
        raise InboundNotFound("The message does not exist. It may have been erased with its contact.")
    if row.kind == "stop" and row.basis != "wording" and row.review is None:
        raise OptOutStands("This person opted out with a keyword. Only their own START opts them in again.")
    if row.review != decision:
        contacts = await contacts_store.contacts_by_phone_for_update(tx, row.phone)
        values = await (_confirm if decision == "opt_out" else _reject)(tx, row, contacts)
        values |= {"review": decision, "reviewed_by": by.account_id, "reviewed_at": clock.now()}
        await store.save_review(tx, inbound_id, values)
        await audit.record(tx, by.account_id, "inbound.review", inbound_id, {"decision": decision})
        patch = {"review": decision, "kind": values["kind"], "effect": values["effect"]}
        await outbox.record(
            tx, LiveUpdate(topic="inbound", kind="inbound_review", entity_id=str(inbound_id), version=2, patch=patch)
        )
    return await store.inbound(tx, inbound_id)


async def _confirm(tx: Transaction, row: Any, contacts: Sequence[Contact]) -> dict[str, Any]:
    values: dict[str, Any] = {"kind": "stop", "effect": "Gets no more messages"}
    for contact in contacts:
        if contact.consent != "stopped":
            await _change(tx, contact, "stopped", row)
            values |= {"consent_before": contact.consent, "contact_id": contact.id}
    return values


async def _reject(tx: Transaction, row: Any, contacts: Sequence[Contact]) -> dict[str, Any]:
    kind = "media" if row.form.get("NumMedia", "0") not in ("", "0") else "text"
    values = {"kind": kind, "effect": "Not an opt-out"}
    for contact in contacts:
        before = await _consent_before(tx, row, contact)
        if before is not None:
            await _change(tx, contact, before, row)
            values["effect"] = "Not an opt-out: consent is as it was before"
    return values


async def _consent_before(tx: Transaction, row: Any, contact: Contact) -> Consent | None:
    """What the contact's consent was before it ended, if nothing but messages without a keyword ended it and none of
    the others still stands; else None."""
    if contact.consent != "stopped" or contact.consent_source not in _TAKEN_BACK:
        return None
    ended = await store.last_opt_out(tx, contact.id)
    if ended is None or await store.has_other_opt_out(tx, contact.id, ended.received_at, row.id):
        return None
    before: Consent = ended.consent_before
    return before


async def _change(tx: Transaction, contact: Contact, wanted: Consent, row: Any) -> None:
    now = clock.now()
    changed = replace(
        contact, consent=wanted, consent_source=SOURCE, consent_changed_at=now, updated_at=now,
        version=contact.version + 1,
    )  # fmt: skip
    await contacts_store.save(tx, changed)
    await change_consent(tx, contact, contact.consent, wanted, source=SOURCE, detail=row.body[:500])
