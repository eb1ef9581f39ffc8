"""What `ese contacts …` does."""

from typing import Any
from uuid import UUID

import msgspec
import typer

from event_stream_engine import audit
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.typed import in_transaction
from event_stream_engine.messaging.actions import erasing
from event_stream_engine.messaging.model.contacts import Contact, ContactNotFound, checked_phone
from event_stream_engine.messaging.reports import person
from event_stream_engine.messaging.store import contacts as store


def record(who: str, by: str) -> None:
    async def act(tx: Transaction) -> dict[str, Any]:
        contact = await _contact(tx, who)
        found = await person.record(tx, contact)
        await audit.record(tx, None, "contact.export_record", contact.id, {"by": by})
        return found

    typer.echo(msgspec.json.format(msgspec.json.encode(in_transaction(act))).decode())


def erase(who: str, by: str) -> None:
    async def act(tx: Transaction) -> UUID:
        contact = await _contact(tx, who)
        erasure_id = await erasing.erase(tx, contact, by=None)
        await audit.record(tx, None, "contact.remove", contact.id, {"erasure_id": str(erasure_id), "by": by})
        return erasure_id

    in_transaction(act)
    typer.echo("The contact is deleted. What no index finds is erased by the worker within twenty minutes.")


async def _contact(tx: Transaction, who: str) -> Contact:
    """Raises `ContactNotFound`, or `Invalid` for what is neither an id nor a number."""
    try:
        found = await store.contact_for_update(tx, UUID(who))
    except ValueError:
        found = await store.contact_by_phone_for_update(tx, checked_phone(who).e164)
    if found is None:
        raise ContactNotFound("No contact has this id or number.")
    return found
