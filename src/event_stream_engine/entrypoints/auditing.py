"""`/api/v1/audit`: who did what, searched, exported, and proved unchanged; `ese audit verify`."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from event_stream_engine import audit
from event_stream_engine.audit import reports
from event_stream_engine.audit.reports import Search
from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.identity import api as identity
from event_stream_engine.messaging.routes.csv_safe import attachment, harmless
from event_stream_engine.settings import load_settings
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = APIRouter(prefix="/api/v1/audit", tags=["audit"], route_class=Route)

PROVED_AT_ONCE = 100_000
"""Entries that a request follows, the newest ones; `ese audit verify` follows all."""

Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


class AuditEntry(BaseModel):
    id: int
    at: datetime
    actor_id: UUID | None = Field(description="Null: the platform itself.")
    actor: str | None
    action: str = Field(examples=["campaign.launch"])
    entity: str
    entity_id: str
    detail: dict[str, Any]
    request_id: UUID | None
    hash: str


class AuditActions(BaseModel):
    items: list[str]


class AuditProof(BaseModel):
    holds: bool
    checked: int
    complete: bool = Field(description="All entries were followed, from the first one.")
    first_id: int | None
    last_id: int | None
    last_hash: str | None = Field(description="Keep it elsewhere: it proves later that nothing newer was cut off.")
    broken_at: int | None = Field(description="The first entry that does not follow from the one before.")


def _search(
    actor_id: UUID | None = None,
    action: Annotated[
        str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="`campaign.launch`, or `campaign.*`.")
    ] = None,
    entity_id: Text = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Search:
    return Search(actor_id, action, entity_id, since, until)


Wanted = Annotated[Search, Depends(_search)]


@router.get("", summary="The audit trail", dependencies=[needs("audit:read")])
async def list_audit(search: Wanted, tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditEntry]:
    """Newest first."""
    before = decode_cursor(cursor, int)
    rows = await reports.page(tx, search, before[0] if before else None, limit + 1)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=await _entries(tx, rows[:limit]), next_cursor=more)


@router.get("/actions", summary="The actions that were recorded", dependencies=[needs("audit:read")])
async def list_audit_actions(tx: Tx) -> AuditActions:
    return AuditActions(items=await reports.actions(tx))


@router.get("/verification", summary="Whether the audit trail is unchanged", dependencies=[needs("audit:read")])
async def verify_audit(tx: Tx) -> AuditProof:
    """Follows the hash chain of the newest 100,000 entries; `ese audit verify` follows all."""
    proof = await audit.prove(tx, newest=PROVED_AT_ONCE)
    complete = proof.first_id is None or await reports.start_of_newest(tx, PROVED_AT_ONCE) == 0
    return AuditProof(
        holds=proof.holds, checked=proof.checked, complete=complete, first_id=proof.first_id, last_id=proof.last_id,
        last_hash=proof.last_hash, broken_at=proof.broken_at,
    )  # fmt: skip


@router.get(
    "/export.csv",
    summary="Export the audit trail",
    response_class=StreamingResponse,
    dependencies=[needs("audit:read")],
)
async def export_audit(search: Wanted, by: Account, tx: Tx, platform: ThePlatform) -> StreamingResponse:
    """All that match, newest first. The export is an entry itself."""
    given = {name: str(value) for name, value in vars(search).items() if value is not None}
    rows = await reports.count(tx, search)
    await audit.record(tx, by.account_id, "audit.export", "all", {"filter": given, "rows": rows})
    return StreamingResponse(
        _csv(platform.database, search), media_type="text/csv; charset=utf-8", headers=attachment("Audit trail")
    )


async def _entries(tx: Transaction, rows: Any) -> list[AuditEntry]:
    names = await identity.names(tx, {row.actor_id for row in rows if row.actor_id})
    return [AuditEntry.model_validate({**row._mapping, "actor": names.get(row.actor_id)}) for row in rows]


_COLUMNS = ("id", "at", "actor", "actor_id", "action", "entity_id", "detail", "request_id", "hash")


async def _csv(database: Database, search: Search) -> AsyncIterator[str]:
    yield _lines([_COLUMNS])
    async with database.transaction() as tx:
        async for rows in reports.newest_first(tx, search):
            yield _lines([_cells(entry) for entry in await _entries(tx, rows)])


def _cells(entry: AuditEntry) -> list[object]:
    fields = {**entry.model_dump(), "at": entry.at.isoformat(), "detail": msgspec.json.encode(entry.detail).decode()}
    return ["" if fields[name] is None else fields[name] for name in _COLUMNS]


def _lines(rows: Any) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([harmless(str(cell)) for cell in row] for row in rows)
    return written.getvalue()


def verify(known: str) -> int:
    """Print whether the whole trail holds; the exit status."""
    proof = asyncio.run(_prove(_known(known) if known else None))
    typer.echo(f"{proof.checked} entries follow from one another")
    if proof.broken_at is not None:
        typer.echo(f"entry {proof.broken_at} does NOT follow from the one before: it, or that one, was changed")
    if proof.known_holds is False:
        typer.echo("the entry given with --known is gone, or another")
    if proof.holds and proof.last_id is not None:
        typer.echo(f"the trail holds; keep this elsewhere, for --known: {proof.last_id}:{proof.last_hash}")
    return 0 if proof.holds else 1


def _known(written: str) -> tuple[int, str]:
    entry_id, _, hashed = written.partition(":")
    if not entry_id.isdigit() or len(hashed) != 64:
        raise Invalid("--known is <id>:<hash>, as an earlier run printed it.")
    return int(entry_id), hashed


async def _prove(known: tuple[int, str] | None) -> audit.Proof:
    database = Database(load_settings().database_url, pool_size=1, application="ese-audit")
    try:
        async with database.transaction() as tx:
            return await audit.prove(tx, known=known)
    finally:
        await database.close()
