"""Reports and monitoring of messaging."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, cast, get_args
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse
from redis.exceptions import RedisError

from event_stream_engine import audit
from event_stream_engine.database import Database
from event_stream_engine.live.circuits import Told, told
from event_stream_engine.live.heartbeats import Heard, heard
from event_stream_engine.messaging.actions.campaigns import find_campaign
from event_stream_engine.messaging.model.compliance import reason_title
from event_stream_engine.messaging.model.messages import MessageNotFound
from event_stream_engine.messaging.model.messages import Status as MessageStatus
from event_stream_engine.messaging.model.outcomes import delivery_rate
from event_stream_engine.messaging.reports import campaigns, dashboard, messages, standstill
from event_stream_engine.messaging.reports import message_log as the_log
from event_stream_engine.messaging.routes import masking
from event_stream_engine.messaging.routes import report_schemas as schemas
from event_stream_engine.messaging.routes.campaigns import shapes
from event_stream_engine.messaging.routes.csv_safe import attachment, harmless
from event_stream_engine.messaging.routes.schemas import Counts
from event_stream_engine.messaging.store import campaigns as campaign_store
from event_stream_engine.messaging.store import contacts as contact_store
from event_stream_engine.messaging.store import inbound as inbound_store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.web.auth import Account, Principal
from event_stream_engine.web.bodies import LocalMoment
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1", route_class=Route)

Statuses = Annotated[list[MessageStatus] | None, Query()]
Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Code = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
Moment = Annotated[LocalMoment | None, Query()]


@router.get(
    "/reporting/campaigns/{campaign_id}/summary",
    tags=["reporting"],
    summary="A campaign's report",
    dependencies=[needs("campaigns:read")],
)
async def campaign_summary(campaign_id: UUID, platform: ThePlatform) -> schemas.CampaignSummary:
    """Every message is counted once, and all figures are of one moment; `counts` sum to the audience."""
    known, breakers = await _heard(platform)
    async with platform.database.transaction(fail_fast=True) as tx:
        await campaigns.at_one_moment(tx)
        campaign = await find_campaign(tx, campaign_id)
        shaped = (await shapes(tx, [campaign]))[0]
        summary = await campaigns.summary(tx, campaign_id, campaign.status, shaped.effective_messages_per_second)
        still = await standstill.standing_still(tx, [campaign_id], known, breakers)
    shaped = shaped.model_copy(update={"counts": Counts.model_validate(summary["counts"])})
    values = {**summary, "campaign": shaped, "standstill": still.get(campaign_id)}
    return schemas.CampaignSummary.model_validate(values)


@router.get(
    "/reporting/campaigns/{campaign_id}/recipients",
    tags=["reporting"],
    summary="A campaign's people",
    dependencies=[needs("campaigns:read")],
)
async def campaign_recipients(
    campaign_id: UUID,
    by: Account,
    tx: Tx,
    status: Statuses = None,
    reason: Text = None,
    error_code: Code = None,
    search: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Recipient]:
    """One row per person, the most recently changed first. `total` is null where over 5,000 contacts match `search`."""
    masking.check_search(by, search)
    await find_campaign(tx, campaign_id)
    people = await messages.with_contacts_found(
        tx, messages.People(campaign_id, status or (), reason, error_code, search)
    )
    found = await messages.recipients(tx, people, decode_cursor(cursor, datetime, UUID), limit + 1)
    total = await messages.shown_count(tx, people)
    names = await contact_store.names(tx, [row.contact_id for row in found[:limit]])
    items = [_recipient(row, names.get(row.contact_id), by) for row in found[:limit]]
    return Page(items=items, next_cursor=_next(found, limit), total=total)


@router.get(
    "/reporting/campaigns/{campaign_id}/recipients.csv",
    tags=["reporting"],
    summary="Export a campaign's people",
    response_class=StreamingResponse,
    dependencies=[needs("contacts:export")],
)
async def export_recipients(
    campaign_id: UUID,
    by: Account,
    tx: Tx,
    platform: ThePlatform,
    status: Statuses = None,
    reason: Text = None,
    error_code: Code = None,
    search: Text = None,
) -> StreamingResponse:
    campaign = await find_campaign(tx, campaign_id)
    people = await messages.with_contacts_found(
        tx, messages.People(campaign_id, status or (), reason, error_code, search)
    )
    where = messages.matching(people)
    day = (campaign.launched_at or campaign.created_at).date()
    given = {"status": [*(status or [])], "reason": reason, "error_code": error_code, "search": search}
    detail = {
        "filter": {name: value for name, value in given.items() if value},
        "rows": await messages.count(tx, people),
    }
    await audit.record(tx, by.account_id, "campaign.export_recipients", campaign_id, detail)
    return StreamingResponse(
        _csv(platform.database, where),
        media_type="text/csv; charset=utf-8",
        headers=attachment(f"{campaign.name} {day}"),
    )


@router.get(
    "/reporting/messages/status", tags=["reporting"], summary="The message log", dependencies=[needs("campaigns:read")]
)
async def message_log(
    by: Account,
    tx: Tx,
    campaign_id: UUID | None = None,
    status: Statuses = None,
    start_date: Moment = None,
    end_date: Moment = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.MessageLog:
    """Messages created from `start_date` (inclusive) to `end_date` (exclusive), and their sums.

    Test messages come first, then the campaigns, the newest first; of each the most recently changed message first. The
    sums come from the campaigns' counters, which follow their messages within moments."""
    chosen = the_log.Filter(campaign_id, status or [], _aware(start_date), _aware(end_date))
    after = decode_cursor(cursor, *get_args(the_log.Cursor))
    found, following, sums = await the_log.page(tx, chosen, cast("the_log.Cursor | None", after), limit)
    names = await contact_store.names(tx, [row.contact_id for row in found])
    items = [schemas.Message.model_validate(_message(row, by, names.get(row.contact_id))) for row in found]
    next_cursor = encode_cursor(*following) if following else None
    return schemas.MessageLog(items=items, next_cursor=next_cursor, summary=_sums(sums))


@router.get(
    "/messages/{message_id}",
    tags=["reporting"],
    summary="One message and its receipts",
    dependencies=[needs("campaigns:read")],
)
async def get_message(message_id: UUID, by: Account, tx: Tx) -> schemas.MessageDetail:
    row = await ledger.message_row(tx, message_id)
    if row is None:
        raise MessageNotFound("There is no message with this id.")
    receipts = await ledger.receipts(tx, message_id)
    names = await contact_store.names(tx, [row.contact_id])
    return schemas.MessageDetail.model_validate({**_message(row, by, names.get(row.contact_id)), "receipts": receipts})


@router.get(
    "/monitoring/inbound", tags=["monitoring"], summary="What people wrote", dependencies=[needs("monitoring:read")]
)
async def list_inbound(
    by: Account,
    tx: Tx,
    kind: Annotated[list[str] | None, Query(max_length=6)] = None,
    review: Annotated[schemas.Review | None, Query(description="`open`: possible opt-outs that wait.")] = None,
    search: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Inbound]:
    """Newest first."""
    masking.check_search(by, search)
    after = decode_cursor(cursor, datetime, UUID)
    found = await inbound_store.page(tx, kinds=kind or [], review=review, search=search, after=after, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    next_cursor = encode_cursor(last.received_at, last.id) if last else None
    names = await contact_store.names(tx, [row.contact_id for row in found[:limit]])
    shown = [schemas.Inbound.of(row, names.get(row.contact_id)) for row in found[:limit]]
    return Page(items=[masking.inbound(item, by) for item in shown], next_cursor=next_cursor)


@router.get(
    "/monitoring/dashboard", tags=["monitoring"], summary="The overview", dependencies=[needs("monitoring:read")]
)
async def get_dashboard(tx: Tx, platform: ThePlatform) -> schemas.Dashboard:
    figures = await dashboard.figures(tx, *await _heard(platform))
    running = await campaign_store.page(tx, statuses=["running"], search=None, after=None, limit=20)
    ended = await campaign_store.page(tx, statuses=["completed", "canceled"], search=None, after=None, limit=5)
    lists = {"running": await shapes(tx, running), "ended": await shapes(tx, ended)}
    return schemas.Dashboard.model_validate({**figures, **lists})


async def _heard(platform: ThePlatform) -> tuple[Heard | None, Sequence[Told]]:
    """Who is alive, and how their breakers are; while Redis does not answer, nothing is known of the processes."""
    try:
        return await heard(platform.redis), await told(platform.redis)
    except RedisError:
        return None, ()


def _aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _next(found: Any, limit: int) -> str | None:
    if len(found) <= limit:
        return None
    return encode_cursor(found[limit - 1].updated_at, found[limit - 1].id)


def _message(row: Any, by: Principal, name: str | None) -> dict[str, Any]:
    title = describe(row.error_code).title if row.error_code is not None else None
    fields = {
        **row._mapping,
        "message_id": row.id,
        "error_title": title,
        "reason_title": reason_title(row.reason),
        "name": name,
    }
    return masking.message(fields, by)


def _recipient(row: Any, name: str | None, by: Principal) -> schemas.Recipient:
    return schemas.Recipient.model_validate(_message(row, by, name))


def _sums(by_status: dict[str, int]) -> schemas.StatusSummary:
    total = sum(by_status.values())
    delivered = by_status.get("delivered", 0) + by_status.get("read", 0)
    failed = sum(by_status.get(name, 0) for name in ("failed", "undelivered", "refused", "canceled"))
    rate = delivery_rate(delivered, by_status.get("failed", 0) + by_status.get("undelivered", 0))
    pending = total - delivered - failed
    return schemas.StatusSummary(total=total, delivered=delivered, failed=failed, pending=pending, delivery_rate=rate)


_COLUMNS = (
    "phone", "status", "reason", "error_code", "error", "accepted_at", "sent_at", "delivered_at", "read_at",
    "updated_at", "message_id", "provider_sid",
)  # fmt: skip


async def _csv(database: Database, where: Any) -> AsyncIterator[str]:
    yield _line(_COLUMNS)
    async with database.transaction() as tx:
        async for rows in messages.stream(tx, where):
            yield "".join(_line(_cells(row)) for row in rows)


def _cells(row: Any) -> list[Any]:
    code = row.error_code
    times = (row.accepted_at, row.sent_at, row.delivered_at, row.read_at, row.updated_at)
    return [
        row.phone,
        row.status,
        reason_title(row.reason) or "",
        code if code is not None else "",
        describe(code).title if code is not None else "",
        *(moment.isoformat() if moment else "" for moment in times),
        row.id,
        row.provider_sid or "",
    ]


def _line(cells: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(harmless(str(cell)) for cell in cells)
    return buffer.getvalue()
