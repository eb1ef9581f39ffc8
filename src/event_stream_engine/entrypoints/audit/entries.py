"""Audit entries as they are shown: with the names of the people and API keys in them, and as CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field

from event_stream_engine.audit import reports
from event_stream_engine.audit.reports import Search
from event_stream_engine.database import Database, Transaction
from event_stream_engine.identity import api as identity
from event_stream_engine.messaging.model.personal import scrubbed
from event_stream_engine.messaging.reports import naming
from event_stream_engine.messaging.routes.csv_safe import harmless

COLUMNS = ("id", "at", "actor", "actor_id", "key", "key_id", "action", "entity_id", "subject", "detail", "request_id",
           "hash")  # fmt: skip


class AuditEntry(BaseModel):
    id: int
    at: datetime
    actor_id: UUID | None = Field(description="Null: the platform itself, or the command line.")
    actor: str | None
    key_id: UUID | None = Field(description="The API key by which the request came.")
    key: str | None = Field(description="That key's name.")
    action: str = Field(examples=["campaign.launch"])
    entity: str
    entity_id: str
    subject: str | None = Field(
        description="What the subject is called: an account, an API key, whose session it was, a campaign, a contact "
        "by its number, an import, a segment, a sender or a template. Null once it is deleted."
    )
    detail: dict[str, Any]
    request_id: UUID | None
    hash: str


async def entries(tx: Transaction, rows: Sequence[Any], *, reveal: bool) -> list[AuditEntry]:
    """With names; without `reveal` phone numbers are masked and email addresses hidden, in names and details too."""
    people = await identity.names(tx, {who for row in rows for who in _accounts(row)})
    keys = await identity.key_names(tx, {key for row in rows for key in _keys(row)})
    things = await naming.names(tx, _things(rows))
    found = [{**row._mapping, **_names(row, people, keys, things)} for row in rows]
    return [AuditEntry.model_validate(entry if reveal else _masked(entry)) for entry in found]


def _things(rows: Sequence[Any]) -> dict[str, set[UUID]]:
    """The ids of campaigns, contacts and the like, by kind."""
    found: dict[str, set[UUID]] = {}
    for row in rows:
        if row.entity in naming.KINDS and (thing := _uuid(row.entity_id)):
            found.setdefault(row.entity, set()).add(thing)
    return found


def _names(row: Any, people: dict[UUID, str], keys: dict[UUID, str], things: dict[UUID, str]) -> dict[str, str | None]:
    whose, key, thing = _subject_account(row), _subject_key(row), _uuid(row.entity_id)
    subject = people.get(whose) if whose else keys.get(key) if key else things.get(thing) if thing else None
    return {"actor": people.get(row.actor_id), "key": keys.get(row.key_id), "subject": subject}


def _accounts(row: Any) -> Iterator[UUID]:
    yield from (who for who in (row.actor_id, _subject_account(row)) if who)


def _keys(row: Any) -> Iterator[UUID]:
    yield from (key for key in (row.key_id, _subject_key(row)) if key)


def _subject_account(row: Any) -> UUID | None:
    if row.entity == "account":
        return _uuid(row.entity_id)
    if row.entity == "session":  # it began for who signed in; whoever ended it says in the detail whose it was
        return _uuid(row.detail.get("account")) or row.actor_id
    return None


def _subject_key(row: Any) -> UUID | None:
    return _uuid(row.entity_id) if row.entity == "api_key" else None


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _masked(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, **{name: _scrubbed(entry[name]) for name in ("actor", "key", "subject", "detail")}}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _scrubbed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    return scrubbed(value) if isinstance(value, str) else value


async def as_csv(database: Database, search: Search, *, reveal: bool) -> AsyncIterator[str]:
    """All that match, newest first, in pieces of some 2,000 entries."""
    yield _lines([COLUMNS])
    async with database.transaction() as tx:
        async for rows in reports.newest_first(tx, search):
            yield _lines([_cells(entry) for entry in await entries(tx, rows, reveal=reveal)])


def _cells(entry: AuditEntry) -> list[object]:
    fields = {**entry.model_dump(), "at": entry.at.isoformat(), "detail": msgspec.json.encode(entry.detail).decode()}
    return ["" if fields[name] is None else fields[name] for name in COLUMNS]


def _lines(rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([harmless(str(cell)) for cell in row] for row in rows)
    return written.getvalue()
