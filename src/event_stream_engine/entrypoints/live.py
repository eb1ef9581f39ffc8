"""`GET /api/v1/live`: the one live stream of a browser."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from event_stream_engine.errors import Invalid
from event_stream_engine.live import Hub, stream
from event_stream_engine.messaging.routes.masking import live_patch
from event_stream_engine.web.auth import Account, unchanged
from event_stream_engine.web.guards import needs

router = APIRouter(prefix="/api/v1", tags=["live"])

TOPICS_MAX = 50
LIFETIME_SECONDS = 600.0
"""Then the stream ends and the browser comes back, with a session that is still valid."""


@router.get(
    "/live",
    summary="Live updates",
    response_class=StreamingResponse,
    responses={429: {}},
    dependencies=[needs("monitoring:read")],
)
async def live(
    request: Request,
    by: Account,
    topics: Annotated[
        str,
        Query(
            max_length=4000,
            description="`dashboard`, `campaigns`, `campaign:<id>`, `imports`, `import:<id>`, "
            "`contacts`, `inbound`, separated by commas.",
        ),
    ],
    after: Annotated[str | None, Query(max_length=100, description="Resume after this event id.")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamingResponse:
    """Server-Sent Events: `update` with {topic, kind, id, version, patch}, `resync`: fetch everything
    again, or `heartbeat` at least every ten seconds, whose id a client may resume after."""
    wanted = frozenset(topic for topic in topics.split(",") if topic)
    if not 0 < len(wanted) <= TOPICS_MAX:
        raise Invalid.field("topics", f"Name 1 to {TOPICS_MAX} topics.")
    hub: Hub = request.app.state.platform.shared["hub"]
    return StreamingResponse(
        stream(
            hub, wanted, last_event_id or after, LIFETIME_SECONDS, goes_on=unchanged(request, by), shown=live_patch(by)
        ),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )
