"""`GET /api/v1/monitoring/events`: what was published and written, also long after the live channel forgot it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.events.monitoring import Category
from event_stream_engine.monitoring import store
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/monitoring", tags=["monitoring"], route_class=Route)


class StoredEvent(BaseModel):
    """A monitoring event, as the live stream brings it."""

    model_config = ConfigDict(from_attributes=True)
    event_id: UUID
    event_type: str = Field(examples=["circuit_breaker_transition"])
    timestamp: datetime
    source: str = Field(examples=["serve-17"])
    category: Category
    data: dict[str, Any]
    metadata: dict[str, Any]


@router.get("/events", summary="Stored monitoring events, the newest first", dependencies=[needs("monitoring:read")])
async def list_monitoring_events(
    tx: Tx,
    category: Annotated[Category, Query(description="Of this category only.")] = Category.CRITICAL,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[StoredEvent]:
    """Those that the flags send to the database (MONITORING_ADAPTER_TYPE `realtime` or `dual`), for
    ESE_MONITORING_RETENTION_DAYS; one that was just published is there after its flush."""
    found = await store.page(tx, category, decode_cursor(cursor, datetime, UUID), limit + 1)
    shown = found[:limit]
    following = encode_cursor(shown[-1].timestamp, shown[-1].event_id) if len(found) > limit else None
    return Page(items=[StoredEvent.model_validate(event) for event in shown], next_cursor=following)
