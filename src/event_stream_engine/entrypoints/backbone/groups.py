"""`/api/v1/backbone/groups`: lag, what is parked, pause and resume."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field

from event_stream_engine import audit
from event_stream_engine.backbone import groups
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.people import named, shown_key
from event_stream_engine.messaging.model.personal import scrubbed
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Limit, Page
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/backbone", route_class=Route, tags=["backbone"])

GroupName = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]*$")]


class LagSample(BaseModel):
    at: datetime
    events: int
    seconds: float


class GroupShape(BaseModel):
    """`lag_events` are committed events that the group hears and has not taken charge of."""

    group: str
    streams: list[str]
    state: Literal["running", "paused", "waiting", "no_consumer"]
    holder: str | None
    lag_events: int
    lag_seconds: float
    consumed_total: int
    parked_keys: int
    parked_events: int
    dead_letters: int
    last_consumed_at: datetime | None
    paused_by: str | None
    paused_at: datetime | None
    pause_reason: str | None
    lag_history: list[LagSample]


class ParkedShape(BaseModel):
    """`next_attempt_at` is null for an event that waits behind another one of its key."""

    event_id: UUID
    stream: str
    entry_id: str
    type: str
    key: str
    failed: int
    crashed: int
    taken_over: int
    next_attempt_at: datetime | None
    first_failed_at: datetime | None
    error: str | None
    replay_id: UUID | None


class PauseIn(Body):
    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")


class Retried(BaseModel):
    retried: int


@router.get("/groups", summary="Consumer groups", dependencies=[needs("streams:read")])
async def list_groups(tx: Tx) -> Page[GroupShape]:
    return Page(items=await named(tx, [GroupShape.model_validate(found) for found in await groups.reports(tx)]))


@router.get("/groups/{group}", summary="A consumer group", dependencies=[needs("streams:read")])
async def show_group(group: GroupName, tx: Tx) -> GroupShape:
    return await _group(tx, group)


@router.post("/groups/{group}/pause", summary="Pause a group", dependencies=[needs("streams:operate")])
async def pause_group(group: GroupName, body: PauseIn, account: Account, tx: Tx) -> GroupShape:
    """Its owner stops within a second, after the batch in hand; events wait in the stream."""
    await groups.pause(tx, group, by=str(account.account_id), reason=body.reason)
    await audit.record(tx, account.account_id, "consumer_group.pause", group, {"reason": body.reason})
    return await _group(tx, group)


@router.post("/groups/{group}/resume", summary="Resume a group", dependencies=[needs("streams:operate")])
async def resume_group(group: GroupName, account: Account, tx: Tx) -> GroupShape:
    await groups.resume(tx, group)
    await audit.record(tx, account.account_id, "consumer_group.resume", group)
    return await _group(tx, group)


@router.get(
    "/groups/{group}/parked",
    summary="Events that failed, and those that wait behind them",
    dependencies=[needs("streams:read")],
)
async def list_parked(group: GroupName, tx: Tx, limit: Limit = 50) -> Page[ParkedShape]:
    rows = await groups.parked(tx, group, limit)
    return Page(items=[ParkedShape.model_validate(_as_listed(row)) for row in rows])


@router.post("/groups/{group}/parked/retry", summary="Try what is parked now", dependencies=[needs("streams:operate")])
async def retry_parked(group: GroupName, account: Account, tx: Tx) -> Retried:
    retried = await groups.retry_now(tx, group)
    await audit.record(tx, account.account_id, "consumer_group.retry", group, {"retried": retried})
    return Retried(retried=retried)


def _as_listed(row: Mapping[str, Any]) -> dict[str, Any]:
    error = row["error"] and scrubbed(row["error"])
    return {**row, "key": shown_key(row["key"]), "error": error}


async def _group(tx: Transaction, group: str) -> GroupShape:
    return (await named(tx, [GroupShape.model_validate(await groups.report(tx, group))]))[0]
