"""All that is stored about one person, to be handed to them (GDPR, article 15 and 20)."""

from typing import Any

from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.spellings import spellings

ROWS_MAX = 10_000
"""Of each kind, newest first."""

_PARTS = {
    "consent_history": """
SELECT at, previous, consent, source, detail FROM consent_changes WHERE contact_id = :id ORDER BY at DESC, id DESC
""",
    "messages": """
SELECT m.id, c.name AS campaign, s.address AS sender, m.phone, m.status, m.reason, m.error_code, m.body, m.provider_sid,
    m.created_at, m.accepted_at, m.sent_at, m.delivered_at, m.read_at
FROM messages m LEFT JOIN campaigns c ON c.id = m.campaign_id LEFT JOIN senders s ON s.id = c.sender_id
WHERE m.contact_id = :id ORDER BY m.created_at DESC, m.id DESC
""",
    "delivery_receipts": """
SELECT r.message_id, r.sid, r.status, r.error_code, r.received_at, r.form FROM delivery_receipts r
JOIN messages m ON m.id = r.message_id WHERE m.contact_id = :id ORDER BY r.received_at DESC, r.id DESC
""",
    "inbound_messages": """
SELECT id, sid, phone, sender, channel, kind, body, form, effect, received_at FROM inbound_messages
WHERE contact_id = :id ORDER BY received_at DESC, id DESC
""",
    "opt_out_confirmations": """
SELECT sender, channel, body, status, created_at FROM opt_out_confirmations WHERE phone = ANY (:phones)
ORDER BY created_at DESC, inbound_id DESC
""",
    "imports": """
SELECT i.id, i.name, i.options ->> 'consent_source' AS consent_source, i.finished_at FROM imports i
WHERE i.id = (SELECT import_id FROM contacts WHERE id = :id)
    OR i.id IN (SELECT import_id FROM import_merges WHERE phone = ANY (:phones))
    OR 'import:' || i.id IN (SELECT source FROM consent_changes WHERE contact_id = :id)
ORDER BY i.created_at DESC
""",
    "import_rows": """
SELECT m.import_id, m.line, m.stated FROM import_merges m WHERE m.phone = ANY (:phones)
ORDER BY m.import_id DESC, m.number DESC
""",
}


async def record(tx: Transaction, contact: Contact) -> dict[str, Any]:
    """The contact and what hangs on it; `left_out` names the parts that have more rows than are given."""
    given = {"id": contact.id, "phones": list(spellings(contact.phone)), "most": ROWS_MAX + 1}
    parts: dict[str, list[dict[str, Any]]] = {}
    for name, query in _PARTS.items():
        values = given if ":phones" in query else {key: given[key] for key in ("id", "most")}
        if ":id" not in query:
            values = {key: given[key] for key in ("phones", "most")}
        rows = await tx.execute(text(f"{query} LIMIT :most"), values)
        parts[name] = [dict(row._mapping) for row in rows]
    left_out = [name for name, rows in parts.items() if len(rows) > ROWS_MAX]
    return {
        "made_at": clock.now(),
        "contact": vars(contact),
        **{name: rows[:ROWS_MAX] for name, rows in parts.items()},
        "left_out": left_out,
    }


async def stated_source(tx: Transaction, import_source: str) -> str | None:
    """Where the file of an import (`import:<id>`) says that consent comes from."""
    query = "SELECT options ->> 'consent_source' FROM imports WHERE 'import:' || id = :source"
    found: str | None = (await tx.execute(text(query), {"source": import_source})).scalar_one_or_none()
    return found


async def stated_sources(tx: Transaction) -> dict[str, str]:
    """The same of every import, by `import:<id>`."""
    query = "SELECT 'import:' || id, options ->> 'consent_source' FROM imports WHERE options ? 'consent_source'"
    return {source: stated for source, stated in await tx.execute(text(query)) if stated}
