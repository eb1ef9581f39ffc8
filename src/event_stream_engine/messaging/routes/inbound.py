"""Up to when inbound messages are known, and catching up."""

from datetime import datetime

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine import audit, jobs
from event_stream_engine.messaging import inbound_tasks
from event_stream_engine.messaging.actions import listing
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body, Moment
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/monitoring/inbound", tags=["monitoring"], route_class=Route)


class InboundListing(BaseModel):
    """What Twilio was asked for. Everything that reached the address before `complete_until` is applied."""

    model_config = ConfigDict(from_attributes=True)

    address: str = Field(description="The sender; empty: every sender of the account.")
    channel: str
    complete_until: datetime
    succeeded_at: datetime | None = Field(description="When Twilio last listed all of it; null: never yet.")
    failing_since: datetime | None
    error: str | None


class InboundListings(BaseModel):
    items: list[InboundListing]


class CatchUpInput(Body):
    since: Moment | None = Field(None, description="From this moment on; without it from where the lists stand.")


@router.get("/listings", summary="Up to when inbound messages are known", dependencies=[needs("monitoring:read")])
async def list_listings(tx: Tx) -> InboundListings:
    return InboundListings(items=[InboundListing.model_validate(one) for one in await listing.due(tx)])


@router.post(
    "/catch-up",
    status_code=202,
    summary="Ask Twilio for inbound messages",
    response_class=Response,
    dependencies=[needs("monitoring:operate")],
)
async def catch_up(body: CatchUpInput, by: Account, tx: Tx) -> Response:
    """A worker applies those that no webhook brought. It does so every 30 seconds by itself."""
    await audit.record(tx, by.account_id, "inbound.catch_up", "", {"since": body.since and body.since.isoformat()})
    if body.since is None:
        await jobs.start(inbound_tasks.catch_up_inbound, expires=300)
    else:
        await jobs.start(inbound_tasks.catch_up_inbound_since, body.since.isoformat())
    return Response(status_code=202)
