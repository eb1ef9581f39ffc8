"""`/api/v1/backbone/events` and the live tail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError

from event_stream_engine.backbone import reports, tracing
from event_stream_engine.backbone.fates import Fate, fates
from event_stream_engine.backbone.reports import EventFilter
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.entrypoints.backbone.people import check_search, shown_event, shown_key
from event_stream_engine.errors import Invalid, NotFound
from event_stream_engine.web.auth import Account, unchanged
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/backbone", route_class=Route, tags=["backbone"])

Name = Annotated[str | None, Query(max_length=512, pattern=r"^[^\x00]*$")]

TAIL_SECONDS = 600.0
TAIL_SLICE = 200
_POLL_SECONDS = 0.5
_HEARTBEAT_SECONDS = 10.0


class EventShape(BaseModel):
    """`entry_id` is null for an event that is committed and not yet published."""

    event_id: UUID
    stream: str
    entry_id: str | None
    type: str
    key: str
    time: datetime
    correlation_id: UUID | None


def in_list(row: Mapping[str, Any]) -> dict[str, Any]:
    """An event as lists and the tail show it: a key that is a phone number is masked there."""
    return {**row, "key": shown_key(row["key"])}


class GroupState(BaseModel):
    group: str
    state: Literal["applied", "parked", "dead", "waiting"] = Field(
        description="`waiting`: the group reacts to it and has not read as far."
    )


class EventDetail(EventShape):
    data: dict[str, Any]
    causation_id: UUID | None
    traceparent: str | None
    groups: list[GroupState]
    listeners: int = Field(description="Groups of this release that react to events of this type.")


class TracedShape(BaseModel):
    event_id: UUID
    causation_id: UUID | None
    stream: str
    type: str
    key: str
    time: datetime
    groups: list[GroupState]
    listeners: int


@router.get("/events", summary="Events, newest first", dependencies=[needs("streams:read")])
async def list_events(
    by: Account,
    tx: Tx,
    stream: Name = None,
    type_: Annotated[str | None, Query(alias="type", max_length=200, pattern=r"^[^\x00]*$")] = None,
    key: Name = None,
    event_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EventShape]:
    """As far back as the outbox is kept. Without data, and with phone numbers masked in keys: both are shown whole one
    event at a time."""
    check_search(by, key)
    after = decode_cursor(cursor, UUID)
    wanted = EventFilter(stream, type_, key, event_id, after[0] if after else None)
    try:
        found = await reports.events(tx, wanted, limit + 1)
    except DBAPIError as error:
        if "statement timeout" not in str(error):
            raise
        raise Invalid("Too few events match to find them quickly. Name the stream, or search by event id.") from error
    more = encode_cursor(found[limit - 1]["event_id"]) if len(found) > limit else None
    return Page(items=[EventShape.model_validate(in_list(row)) for row in found[:limit]], next_cursor=more)


@router.get(
    "/events/{event_id}", summary="One event, whole, and what became of it", dependencies=[needs("streams:read")]
)
async def show_event(event_id: UUID, by: Account, tx: Tx) -> EventDetail:
    found = await reports.event(tx, event_id)
    if found is None:
        raise NotFound("The outbox holds no event with this id (any more).")
    fate = (await fates(tx, [event_id])).get(event_id, Fate())
    return EventDetail.model_validate({**shown_event(found, by), **_said(fate)})


@router.get(
    "/events/{event_id}/trace", summary="Everything that shares its correlation", dependencies=[needs("streams:read")]
)
async def trace_event(event_id: UUID, tx: Tx) -> Page[TracedShape]:
    """A tree by `causation_id`, oldest first; `groups` react to the event, or have taken charge of it, each with how it
    fared there."""
    found = await tracing.trace(tx, event_id)
    if not found:
        raise NotFound("The outbox holds no event with this id or correlation (any more).")
    fate = await fates(tx, [event.event_id for event in found])
    return Page(items=[_traced(event, fate.get(event.event_id, Fate())) for event in found])


def _traced(event: tracing.TracedEvent, fate: Fate) -> TracedShape:
    return TracedShape.model_validate({**in_list(vars(event)), **_said(fate)})


def _said(fate: Fate) -> dict[str, Any]:
    return {"groups": [{"group": name, "state": state} for name, state in fate.groups], "listeners": fate.listeners}


@router.get(
    "/tail",
    summary="Events as they are published",
    response_class=StreamingResponse,
    dependencies=[needs("streams:read")],
)
async def tail_events(
    request: Request,
    by: Account,
    platform: ThePlatform,
    stream: Name = None,
    type_: Annotated[str | None, Query(alias="type", max_length=200, pattern=r"^[^\x00]*$")] = None,
    key: Name = None,
) -> StreamingResponse:
    """Server-Sent Events: `event: event` with one event (without its data), a comment every 10 s. It ends after ten
    minutes; `Last-Event-ID` is not needed, since the tail shows what comes. When more come than are shown, `event:
    skipped` says so."""
    check_search(by, key)
    body = _tail(platform.database, EventFilter(stream, type_, key), unchanged(request, by))
    return StreamingResponse(body, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _tail(
    database: Database, wanted: EventFilter, goes_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends, spoke = loop.time() + TAIL_SECONDS, loop.time()
    yield b"retry: 2000\n: connected\n\n"
    at: int | None = None
    while loop.time() < ends and await goes_on():
        try:
            async with database.transaction() as tx:
                newest = await reports.newest_tick(tx)
                found = await reports.published(tx, at or newest, newest, wanted, TAIL_SLICE + 1)
        except DATABASE_ERRORS:
            return  # the browser comes back
        at = newest
        for row in found[:TAIL_SLICE]:
            yield b"event: event\ndata: %s\n\n" % EventShape.model_validate(in_list(row)).model_dump_json().encode()
        if len(found) > TAIL_SLICE:
            yield b"event: skipped\ndata: %s\n\n" % msgspec.json.encode({"shown": TAIL_SLICE})
        if not found and loop.time() - spoke > _HEARTBEAT_SECONDS:
            yield b": alive\n\n"
        spoke = spoke if not found and loop.time() - spoke <= _HEARTBEAT_SECONDS else loop.time()
        await asyncio.sleep(_POLL_SECONDS)
