"""`/api/v1/backbone/{streams,relay}`: what is published, by whom, and what waits."""

import asyncio
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from event_stream_engine import audit
from event_stream_engine.backbone import reports
from event_stream_engine.backbone.relay import positions
from event_stream_engine.backbone.streams import StreamBusy, StreamRefused, StreamWriter, position
from event_stream_engine.errors import NotFound
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Limit, Page
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/backbone", route_class=Route, tags=["backbone"])

_ANSWER_SECONDS = 5.0
"""A transport that has not answered by then is shown as busy."""


class StreamShape(BaseModel):
    """`entries`, the ids and `last_at` are null while the transport does not answer."""

    stream: str
    transport: str
    first_entry_id: str | None
    last_entry_id: str | None
    last_at: datetime | None
    entries: int | None
    unpublished_events: int
    oldest_unpublished_seconds: float | None
    parked_rows: int
    state: Literal["ok", "busy", "refused"]
    code: str | None
    groups: list[str]


class Memory(BaseModel):
    used_bytes: int
    max_bytes: int | None


class Blocker(BaseModel):
    pid: int
    application: str
    state: str | None
    age_seconds: float
    query_started_at: datetime | None


class Retention(BaseModel):
    days: int
    oldest_partition: str | None
    held_by: str | None


class RelayShape(BaseModel):
    holder: str | None
    epoch: int | None
    works: bool
    last_tick_at: datetime | None
    ticks_per_minute: int
    events_per_minute: int
    generation: int
    generation_refused: str | None
    memory: Memory | None
    blockers: list[Blocker]
    retention: Retention


class ParkedRow(BaseModel):
    """An event that no stream took: a tombstone stands in its place."""

    stream: str
    entry_id: str
    event_id: str
    code: str
    detail: str
    parked_at: datetime


@router.get("/streams", summary="Streams and what waits to be published", dependencies=[needs("streams:read")])
async def list_streams(tx: Tx, platform: ThePlatform) -> Page[StreamShape]:
    transport, name = platform.transport, platform.settings.kafka.streams
    asked = [_stream(transport, found, name) for found in await reports.streams(tx)]
    return Page(items=list(await asyncio.gather(*asked)))


async def _stream(transport: StreamWriter, found: reports.StreamReport, name: str) -> StreamShape:
    state, code = found.state, found.code
    first = last = entries = None
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            first, last = await transport.first_id(found.stream), await transport.last_id(found.stream)
            entries = await transport.length(found.stream)
    except StreamBusy as error:
        state, code = "refused" if isinstance(error, StreamRefused) else "busy", error.code
    except TimeoutError:
        state, code = "busy", "timeout"
    return StreamShape.model_validate({
        "stream": found.stream, "transport": name, "first_entry_id": first, "last_entry_id": last,
        "last_at": _moment(last), "entries": entries, "unpublished_events": found.unpublished_events,
        "oldest_unpublished_seconds": reports.age_seconds(found.oldest_unpublished_at),
        "parked_rows": found.parked_rows, "state": state, "code": code, "groups": list(found.groups),
    })  # fmt: skip


def _moment(entry_id: str | None) -> datetime | None:
    if entry_id in (None, "0-0"):
        return None
    assert entry_id is not None
    return datetime.fromtimestamp(position(entry_id)[0] / 1000, UTC)


@router.post(
    "/streams/{stream}/rebuild",
    summary="Empty a stream and fill it again from the outbox",
    dependencies=[needs("streams:operate")],
)
async def rebuild_stream(stream: str, account: Account, tx: Tx) -> dict[str, str]:
    """Groups keep their place: what they have taken charge of is recognised."""
    if not await positions.ask_to_rebuild(tx, stream):
        raise NotFound(f"There is no stream {stream}. `GET /api/v1/backbone/streams` names them.")
    await audit.record(tx, account.account_id, "stream.rebuild", stream)
    return {"stream": stream, "state": "rebuilding"}


@router.get("/relay", summary="The relay", dependencies=[needs("streams:read")])
async def show_relay(tx: Tx, platform: ThePlatform) -> RelayShape:
    found = await reports.relay(tx)
    used = found.pop("memory_used")
    memory_max = found.pop("memory_max")
    return RelayShape.model_validate({
        **found,
        "ticks_per_minute": found["ticks_per_minute"] or 0,
        "events_per_minute": found["events_per_minute"] or 0,
        "memory": None if used is None else {"used_bytes": used, "max_bytes": memory_max or None},
        "blockers": await reports.blockers(tx),
        "retention": {
            "days": platform.settings.backbone.retention_days,
            "oldest_partition": found["oldest_partition"],
            "held_by": found["held_by"],
        },
    })  # fmt: skip


@router.get("/parked-rows", summary="Events that no stream took", dependencies=[needs("streams:read")])
async def list_parked_rows(tx: Tx, limit: Limit = 50) -> Page[ParkedRow]:
    rows = await reports.parked_rows(tx, limit)
    return Page(items=[ParkedRow.model_validate({**row, "event_id": str(row["event_id"])}) for row in rows])
