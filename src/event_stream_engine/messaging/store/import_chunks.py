"""Writing one chunk of an import: staged by COPY, then merged into the contacts set by set.

The rows of one number within a chunk are one staged row, so that writing a file anew changes nothing: an older row
is never written over the newer one that follows it. Rows are taken in steps: 0 the numbers that the file had not
before, 1 those that an earlier chunk had.

All locks on contacts are taken in the order of their numbers, so that two imports of overlapping files wait for
each other and never in a circle.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from event_stream_engine.database import Transaction, copy, raw
from event_stream_engine.messaging.model.import_rows import Merged, Refused, attributes_json
from event_stream_engine.messaging.store.suppressions import Suppression

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_contacts (
    step smallint NOT NULL, number bigint NOT NULL, line bigint NOT NULL, phone text NOT NULL, country text,
    attributes jsonb NOT NULL, consent text NOT NULL, topics text[] NOT NULL, timezone text, locale text,
    consent_at timestamptz
) ON COMMIT DELETE ROWS
"""
_COLUMNS = (
    "step", "number", "line", "phone", "country", "attributes", "consent", "topics", "timezone", "locale", "consent_at",
)  # fmt: skip

# The tables may have grown a thousandfold since a statement was planned first. Fresh statistics make PostgreSQL plan
# each chunk anew, and one index look-up a row is right for any size.
_PLAN = (
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off; "
    "SET LOCAL jit = off"
)
_PLAN_ANEW = "ANALYZE staged_contacts (step, phone)"

_REMEMBER = """
INSERT INTO import_numbers (import_id, phone, line, number)
SELECT $1::uuid, phone, line, number FROM staged_contacts WHERE step = 0 ORDER BY phone COLLATE "C"
ON CONFLICT DO NOTHING
"""
_REPEATED = """
UPDATE staged_contacts s SET step = 1 FROM import_numbers n
WHERE s.step = 0 AND n.import_id = $1 AND n.phone = s.phone COLLATE "C" AND n.number <> s.number
RETURNING s.phone, n.line AS first_line
"""

_CREATE = """
INSERT INTO contacts (phone, country, attributes, consent, consent_source, consent_changed_at, topics, timezone,
                      locale, import_id, created_at, updated_at)
SELECT phone, country, attributes, consent, CASE WHEN consent <> 'unknown' THEN $2::text END,
       CASE WHEN consent <> 'unknown' THEN coalesce(consent_at, $3::timestamptz) END, topics, timezone, locale,
       $1::uuid, $3::timestamptz, $3::timestamptz
FROM staged_contacts WHERE step = 0 ORDER BY phone
ON CONFLICT (phone) DO NOTHING
"""

_LOCK = """
SELECT count(*) FROM (
    SELECT c.id FROM staged_contacts s JOIN contacts c ON c.phone = s.phone
    WHERE s.step = $1 ORDER BY c.phone FOR UPDATE OF c
) AS locked
"""


def _rank(column: str) -> str:
    return f"array_position(ARRAY['unknown', 'opted_in', 'opted_out', 'stopped'], {column})"


_RISES = f"{_rank('s.consent')} > {_rank('c.consent')}"
_CHANGES = f"""(
    NOT c.attributes @> s.attributes OR NOT c.topics @> s.topics
    OR s.timezone IS NOT NULL AND s.timezone IS DISTINCT FROM c.timezone
    OR s.locale IS NOT NULL AND s.locale IS DISTINCT FROM c.locale
    OR {_RISES}
)"""

_JOINED = "staged_contacts s JOIN contacts c ON c.phone = s.phone WHERE s.step = $1"

# Only an opt-out that the file speaks against counts as kept.
_KEPT = "s.consent = 'opted_in' AND c.consent IN ('opted_out', 'stopped')"
_IGNORED = f"s.consent IN ('opted_out', 'stopped') AND {_RISES}"

_RECORD_CONSENT = f"""
INSERT INTO consent_changes (contact_id, previous, consent, source, detail, actor_id, at)
SELECT c.id, c.consent, s.consent, $3::text, $4::text, $5::uuid, coalesce(s.consent_at, $6::timestamptz)
FROM {_JOINED} AND ($2::uuid IS NULL OR c.import_id = $2)
AND {_RISES} ORDER BY c.phone RETURNING contact_id, previous, consent
"""  # noqa: S608

_UPDATE = f"""
UPDATE contacts c SET
    attributes = c.attributes || s.attributes,
    topics = CASE WHEN c.topics @> s.topics THEN c.topics
        ELSE c.topics || ARRAY(SELECT t FROM unnest(s.topics) AS t WHERE NOT t = ANY (c.topics)) END,
    timezone = coalesce(s.timezone, c.timezone),
    locale = coalesce(s.locale, c.locale),
    consent = CASE WHEN {_RISES} THEN s.consent ELSE c.consent END,
    consent_source = CASE WHEN {_RISES} THEN $3::text ELSE c.consent_source END,
    consent_changed_at = CASE WHEN {_RISES} THEN coalesce(s.consent_at, $4::timestamptz) ELSE c.consent_changed_at END,
    updated_at = $4, version = c.version + 1
FROM staged_contacts s
WHERE s.step = $1 AND s.phone = c.phone AND ($2::uuid IS NULL OR c.import_id = $2) AND {_CHANGES}
"""  # noqa: S608

_LOOK = f"""
SELECT count(*) FILTER (WHERE c.id IS NULL) AS created,
       count(*) FILTER (WHERE c.id IS NOT NULL AND NOT $2::boolean AND {_CHANGES}) AS updated,
       count(*) FILTER (WHERE {_KEPT}) AS kept,
       count(*) FILTER (WHERE $2::boolean AND {_IGNORED}) AS ignored,
       count(*) AS rows
FROM staged_contacts s LEFT JOIN contacts c ON c.phone = s.phone WHERE s.step = $1
"""  # noqa: S608


@dataclass(frozen=True)
class Writing:
    """Under which terms a chunk is written."""

    import_id: UUID
    source: str
    detail: str
    actor_id: UUID | None
    create_only: bool
    at: datetime


@dataclass(frozen=True)
class ConsentStep:
    """A contact whose consent the file changed."""

    contact_id: UUID
    previous: str
    consent: str


@dataclass(frozen=True)
class Outcome:
    """What became of the first rows of each number. `ignored`: opt-outs that `create_only` did not apply."""

    created: int
    updated: int
    kept: int
    ignored: int


# A line that a contact or an earlier row of the file has in another spelling; a contact's spelling comes first.
_OTHERWISE = """
SELECT DISTINCT ON (g.written) g.written, found.phone
FROM unnest($2::text[], $3::text[]) AS g (written, other)
JOIN LATERAL (
    SELECT c.phone, 0 AS rank FROM contacts c WHERE c.phone = g.other
    UNION ALL
    SELECT n.phone, 1 FROM import_numbers n WHERE n.import_id = $1 AND n.phone = g.other
) AS found ON true
WHERE NOT EXISTS (SELECT FROM contacts c WHERE c.phone = g.written)
  AND NOT EXISTS (SELECT FROM import_numbers n WHERE n.import_id = $1 AND n.phone = g.written)
ORDER BY g.written, found.rank
"""


async def known_otherwise(tx: Transaction, import_id: UUID, written: dict[str, str]) -> dict[str, str]:
    """Of numbers in other spellings (`other` to the one the file has), those that are known, by the file's."""
    connection = await raw(tx)
    rows = await connection.fetch(_OTHERWISE, import_id, list(written.values()), list(written))
    return {row["written"]: row["phone"] for row in rows}


async def stage(tx: Transaction, import_id: UUID, rows: bytes, firsts: int) -> dict[str, int]:
    """Stage rows (CSV in the order of the columns, `firsts` of them of step 0).

    Gives the numbers that an earlier chunk had, with the line where they stood first.
    """
    connection = await raw(tx)
    await connection.execute(_STAGE)
    await connection.execute(_PLAN)
    await connection.copy_to_table("staged_contacts", source=io.BytesIO(rows), columns=_COLUMNS, format="csv")
    if _count(await connection.execute(_REMEMBER, import_id)) == firsts:
        return {}
    await connection.execute(_PLAN_ANEW)
    return {row["phone"]: row["first_line"] for row in await connection.fetch(_REPEATED, import_id)}


async def look(tx: Transaction, *, create_only: bool) -> Outcome:
    """What step 0 comes to beside the contacts as they are now; final once they are locked."""
    connection = await raw(tx)
    await connection.execute(_PLAN_ANEW)
    return _outcome(await connection.fetchrow(_LOOK, 0, create_only))


async def create(tx: Transaction, writing: Writing) -> int:
    """Create the contacts that do not exist yet; how many."""
    connection = await raw(tx)
    return _count(await connection.execute(_CREATE, writing.import_id, writing.source, writing.at))


async def lock(tx: Transaction, step: int) -> int:
    """Hold the existing contacts of a step until the commit: what they consent to does not change meanwhile."""
    connection = await raw(tx)
    await connection.execute(_PLAN_ANEW)
    return int(await connection.fetchval(_LOCK, step))


async def merge(tx: Transaction, writing: Writing, step: int) -> tuple[int, list[ConsentStep]]:
    """Merge a step into the contacts that exist: how many changed, and whose consent did."""
    connection = await raw(tx)
    only = writing.import_id if writing.create_only else None
    changed = await connection.fetch(
        _RECORD_CONSENT, step, only, writing.source, writing.detail, writing.actor_id, writing.at
    )
    updated = _count(await connection.execute(_UPDATE, step, only, writing.source, writing.at))
    return updated, [ConsentStep(*row) for row in changed]


# The contact says what its person said, and when; the import only brought the number back.
_KEEP_SOURCES = """
WITH kept AS (
    UPDATE contacts c SET consent_source = g.source, consent_changed_at = g.said_at
    FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS g (phone, consent, source, said_at)
    WHERE c.phone = g.phone AND c.consent = g.consent AND c.consent_source = $1
    RETURNING c.id, c.consent, g.source
)
INSERT INTO consent_changes (contact_id, previous, consent, source, detail)
SELECT id, 'unknown', consent, source, 'Said before the contact was erased' FROM kept k
WHERE NOT EXISTS (SELECT FROM consent_changes o WHERE o.contact_id = k.id AND o.consent = k.consent)
"""


async def keep_sources(tx: Transaction, source: str, kept: Mapping[str, Suppression]) -> None:
    """Where the consent of these numbers comes from, for contacts that this import (`source`) made or changed."""
    said = kept.values()
    columns = [s.consent for s in said], [s.source for s in said], [s.said_at for s in said]
    await (await raw(tx)).execute(_KEEP_SOURCES, source, list(kept), *columns)


async def refuse(tx: Transaction, import_id: UUID, refused: list[Refused]) -> None:
    """Keep the refused rows with their reasons."""
    columns = ("import_id", "number", "line", "reason_code", "reason", "row", "cells")
    rows = [(import_id, r.number, r.line, r.code, r.reason, r.row, r.cells) for r in refused]
    await copy(tx, "import_rejects", columns, rows)


async def remember_merged(tx: Transaction, import_id: UUID, merges: list[Merged]) -> None:
    """Keep which rows were merged into an earlier one, and what they say."""
    columns = ("import_id", "number", "line", "first_line", "phone", "stated")
    rows = [(import_id, m.number, m.line, m.first_line, m.phone, attributes_json(m.stated)) for m in merges]
    await copy(tx, "import_merges", columns, rows)


def _count(status: str) -> int:
    """The number of rows in a command's status, such as `INSERT 0 17`."""
    return int(status.rsplit(" ", 1)[1])


def _outcome(found: asyncpg.Record | None) -> Outcome:
    if found is None:
        raise AssertionError("an aggregate has one row")
    return Outcome(found["created"], found["updated"], found["kept"], found["ignored"])
