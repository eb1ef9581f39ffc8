"""`/api/v1/audit`: who did what, searched, exported, and proved unchanged."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from event_stream_engine import audit
from event_stream_engine.audit import reports
from event_stream_engine.audit.reports import Search
from event_stream_engine.entrypoints.audit.entries import AuditEntry, as_csv, entries
from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.routes.csv_safe import attachment
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Moment
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/audit", tags=["audit"], route_class=Route)

PROVED_AT_ONCE = 100_000
"""Entries that a request follows, the newest ones; `ese audit verify` follows all."""

Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


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
    since: Annotated[Moment | None, Query(description="From this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
    key_id: Annotated[UUID | None, Query(description="What was done by this API key.")] = None,
) -> Search:
    if since and until and until <= since:
        raise Invalid.field("until", "The range ends before it begins: give an `until` that is later than `since`.")
    return Search(actor_id, action, entity_id, since, until, key_id)


Wanted = Annotated[Search, Depends(_search)]


@router.get("", summary="The audit trail", dependencies=[needs("audit:read")])
async def list_audit(search: Wanted, by: Account, tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[AuditEntry]:
    """Newest first, of all time or from `since` until `until`."""
    before = decode_cursor(cursor, int)
    rows = await reports.page(tx, search, before[0] if before else None, limit + 1)
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    return Page(items=await entries(tx, rows[:limit], reveal=by.may("contacts:reveal")), next_cursor=more)


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
    body = as_csv(platform.database, search, reveal=by.may("contacts:reveal"))
    return StreamingResponse(body, media_type="text/csv; charset=utf-8", headers=attachment("Audit trail"))
