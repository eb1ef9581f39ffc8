"""`GET /api/v1/monitoring/holds`: what operators keep from working, for the banner of every page."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from event_stream_engine.backbone import groups
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.people import named
from event_stream_engine.messaging.actions.preflight import LAUNCH_GROUPS
from event_stream_engine.messaging.twilio.guarded import SENDING
from event_stream_engine.monitoring import circuits
from event_stream_engine.monitoring.store import OrderRow
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/monitoring", tags=["monitoring"], route_class=Route)


class HoldOnPart(BaseModel):
    """A circuit that an operator holds open, or a consumer group that one has paused."""

    kind: Literal["circuit", "group"]
    name: str = Field(examples=["twilio"])
    process: str = Field(description="The kind of process that is concerned; empty: all of them.")
    by: str | None = Field(description="Who ordered it; null: somebody at the command line.")
    since: datetime
    reason: str | None
    stops_sending: bool = Field(description="No message leaves while it lasts.")


class Holds(BaseModel):
    items: list[HoldOnPart] = Field(description="What stops sending first, then the oldest first.")


@router.get("/holds", dependencies=[needs("monitoring:read")], summary="What operators hold open or have paused")
async def list_holds(tx: Tx) -> Holds:
    """From the orders themselves, so it is known at once, whether or not a process has obeyed yet."""
    found = [*map(_circuit, await circuits.held_open(tx)), *await _groups(tx)]
    found.sort(key=lambda one: (not one.stops_sending, one.since))
    return Holds(items=await named(tx, found))


def _circuit(row: OrderRow) -> HoldOnPart:
    return HoldOnPart(
        kind="circuit",
        name=row.breaker,
        process=row.process,
        by=str(row.ordered_by) if row.ordered_by else None,
        since=row.ordered_at,
        reason=row.reason or None,
        stops_sending=row.breaker == SENDING and row.process in (circuits.EVERYBODY, "work"),
    )


async def _groups(tx: Transaction) -> list[HoldOnPart]:
    return [
        HoldOnPart(
            kind="group",
            name=row["group_name"],
            process="consume",
            by=row["paused_by"],
            since=row["paused_at"],
            reason=row["pause_reason"] or None,
            stops_sending=row["group_name"] in LAUNCH_GROUPS,
        )
        for row in await groups.paused(tx)
    ]
