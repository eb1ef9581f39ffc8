"""What the things in the audit trail are called."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, select

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import campaigns, contacts, imports, segments, senders, templates

_NAMED: Mapping[str, tuple[Table, ColumnElement[str]]] = {
    "campaign": (campaigns, campaigns.c.name),
    "contact": (contacts, contacts.c.phone),
    "import": (imports, imports.c.name),
    "segment": (segments, segments.c.name),
    "sender": (senders, senders.c.name),
    "template": (templates, templates.c.name),
}
KINDS = frozenset(_NAMED)


async def names(tx: Transaction, wanted: Mapping[str, set[UUID]]) -> dict[UUID, str]:
    """By id; `wanted` holds ids by kind. A contact is called by its number. What is deleted is left out."""
    found: dict[UUID, str] = {}
    for kind, ids in wanted.items():
        table, name = _NAMED[kind]
        rows: Any = await tx.execute(select(table.c.id, name).where(table.c.id.in_(ids)))
        found |= {row[0]: row[1] for row in rows}
    return found
