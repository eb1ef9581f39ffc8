"""Which values of contacts an import replaces: how many of each field, and the first ones as examples."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, select

from event_stream_engine.database import Transaction, raw
from event_stream_engine.messaging.tables import contacts, import_change_examples, import_changes

EXAMPLES = 10
FIELDS = 50
_SHOWN = 200
"""Characters of a value in an example."""

# What was empty and is filled in replaces nothing. Rows of step 0 only: a number's later rows are listed as merged.
_NOTE = f"""
WITH replaced AS (
    SELECT d.field, s.number, c.id, d.before, d.after,
           row_number() OVER (PARTITION BY d.field ORDER BY s.number) AS place
    FROM staged_contacts s JOIN contacts c ON c.phone = s.phone
    CROSS JOIN LATERAL (
        SELECT key AS field, c.attributes ->> key AS before, value AS after FROM jsonb_each_text(s.attributes)
        UNION ALL SELECT 'timezone', c.timezone, s.timezone
        UNION ALL SELECT 'locale', c.locale, s.locale
    ) AS d
    WHERE s.step = 0 AND d.before <> '' AND d.after <> d.before
), counted AS (
    INSERT INTO import_changes (import_id, field, changed)
    SELECT $1, field, count(*) FROM replaced GROUP BY field ORDER BY count(*) DESC, field LIMIT {FIELDS}
    ON CONFLICT (import_id, field) DO UPDATE SET changed = import_changes.changed + excluded.changed
)
INSERT INTO import_change_examples (import_id, field, number, contact_id, before, after)
SELECT $1, field, number, id, left(before, {_SHOWN}), left(after, {_SHOWN}) FROM replaced r
WHERE place + (SELECT count(*) FROM import_change_examples e WHERE e.import_id = $1 AND e.field = r.field) <= {EXAMPLES}
ON CONFLICT DO NOTHING
"""  # noqa: S608


@dataclass(frozen=True)
class Example:
    """One contact's value; it is gone with the contact."""

    contact_id: UUID
    phone: str
    before: str
    after: str


@dataclass(frozen=True)
class FieldChanges:
    field: str
    changed: int
    examples: list[Example]


async def note(tx: Transaction, import_id: UUID) -> None:
    """What the staged chunk replaces in the contacts as they are now: before it is merged into them."""
    await (await raw(tx)).execute(_NOTE, import_id)


async def of_import(tx: Transaction, import_id: UUID) -> list[FieldChanges]:
    """By field, the most changed first; at most 50."""
    counts = select(import_changes.c.field, import_changes.c.changed).where(import_changes.c.import_id == import_id)
    shown = import_change_examples.c
    query = (
        select(shown.field, shown.contact_id, contacts.c.phone, shown.before, shown.after)
        .join(contacts, contacts.c.id == shown.contact_id)
        .where(shown.import_id == import_id)
        .order_by(shown.number)
    )
    examples: dict[str, list[Example]] = {}
    for row in await tx.execute(query):
        examples.setdefault(row.field, []).append(Example(row.contact_id, row.phone, row.before, row.after))
    rows = await tx.execute(counts.order_by(import_changes.c.changed.desc(), import_changes.c.field).limit(FIELDS))
    return [FieldChanges(row.field, row.changed, examples.get(row.field, [])) for row in rows]


async def forget(tx: Transaction, import_id: UUID) -> None:
    for table in (import_change_examples, import_changes):
        await tx.execute(delete(table).where(table.c.import_id == import_id))
