"""`/api/v1/backbone/replays`: a part of the log once more, for one group."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field, StrictBool

from event_stream_engine import audit
from event_stream_engine.backbone import replay
from event_stream_engine.backbone.replay import Range
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.people import named
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body, Moment
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/backbone", route_class=Route, tags=["backbone"])

EntryId = Field(None, max_length=60, pattern=r"^\d{1,19}-\d{1,19}$", examples=["1795231172902-17"])


class ReplayIn(Body):
    """Events that the group hears; without a range, all that the outbox still has."""

    group: str = Field(max_length=200)
    stream: str | None = Field(None, max_length=200)
    types: list[str] | None = Field(None, min_length=1, max_length=100)
    key: str | None = Field(None, max_length=512)
    from_time: Moment | None = None
    to_time: Moment | None = None
    from_entry_id: str | None = EntryId
    to_entry_id: str | None = EntryId
    per_second: int | None = Field(None, ge=1, le=10_000)
    dry_run: StrictBool = False


class ReplayShape(BaseModel):
    """`done` were applied or given up; `failed` are the dead letters among them. The ids of entries are null for a
    bound that was given as a time. On a dry run only `matched` says something, and `id` is null."""

    id: UUID | None
    group: str
    stream: str | None = None
    types: list[str] | None = None
    key: str | None = None
    status: Literal["pending", "running", "completed", "canceled", "failed"] | None = None
    matched: int
    done: int = 0
    failed: int = 0
    per_second: int | None = None
    error: str | None = None
    requested_by: str | None = None
    requested_at: datetime | None = None
    finished_at: datetime | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    from_entry_id: str | None = None
    to_entry_id: str | None = None


@router.post(
    "/replays",
    status_code=201,
    summary="Replay a part of the log to one group",
    dependencies=[needs("streams:operate")],
)
async def start_replay(body: ReplayIn, account: Account, tx: Tx, response: Response) -> ReplayShape:
    """`dry_run` answers 200 with how many events match. Other groups are not touched."""
    wanted = Range(
        body.group, body.stream, body.types, body.key, body.from_time, body.to_time, body.from_entry_id,
        body.to_entry_id, per_second=body.per_second,
    )  # fmt: skip
    if body.dry_run:
        response.status_code = 200
        return ReplayShape(id=None, group=body.group, matched=await replay.matching(tx, wanted))
    replay_id = await replay.request(tx, wanted, by=str(account.account_id))
    await audit.record(tx, account.account_id, "replay.request", replay_id, body.model_dump(mode="json"))
    return await _replay(tx, replay_id)


@router.get("/replays", summary="Replays", dependencies=[needs("streams:read")])
async def list_replays(tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[ReplayShape]:
    before = decode_cursor(cursor, UUID)
    found = await replay.page(tx, before[0] if before else None, limit + 1)
    more = encode_cursor(found[limit - 1]["id"]) if len(found) > limit else None
    return Page(items=await named(tx, [ReplayShape.model_validate(row) for row in found[:limit]]), next_cursor=more)


@router.get("/replays/{replay_id}", summary="A replay", dependencies=[needs("streams:read")])
async def show_replay(replay_id: UUID, tx: Tx) -> ReplayShape:
    return await _replay(tx, replay_id)


@router.post("/replays/{replay_id}/cancel", summary="Cancel a replay", dependencies=[needs("streams:operate")])
async def cancel_replay(replay_id: UUID, account: Account, tx: Tx) -> ReplayShape:
    """What it has applied stays applied."""
    await replay.cancel(tx, replay_id)
    await audit.record(tx, account.account_id, "replay.cancel", replay_id)
    return await _replay(tx, replay_id)


async def _replay(tx: Transaction, replay_id: UUID) -> ReplayShape:
    return (await named(tx, [ReplayShape.model_validate(await replay.one(tx, replay_id))]))[0]
