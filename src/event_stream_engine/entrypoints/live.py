"""`GET /api/v1/live`: the one live stream of a browser; `/api/v1/live/ws`: the same over a WebSocket."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Header, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from event_stream_engine.backbone.supervising import end
from event_stream_engine.errors import EseError, Invalid
from event_stream_engine.live import Hub, stream
from event_stream_engine.live.protocol import Viewer
from event_stream_engine.live.websocket import serve
from event_stream_engine.messaging.routes.masking import live_patch
from event_stream_engine.web.auth import Account, authenticate_socket, unchanged
from event_stream_engine.web.guards import needs, socket_guard, socket_needs
from event_stream_engine.web.openapi import Router

router = Router(prefix="/api/v1", tags=["live"])

TOPICS_MAX = 50
LIFETIME_SECONDS = 600.0
"""Then the stream ends and the browser comes back, with a session that is still valid."""
CLOSE_SECONDS = 5.0
"""What a client gets to take its close code."""
REFUSED = 4000
"""Close codes of a refused WebSocket: 4000 and the HTTP status that the stream would have answered, so 4401."""


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
            "`contacts`, `inbound`, `monitoring`, `monitoring:<category>`, separated by commas.",
        ),
    ],
    after: Annotated[str | None, Query(max_length=100, description="Resume after this event id.")] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamingResponse:
    """Server-Sent Events: `update` with {topic, kind, id, version, patch}, `resync`: fetch everything
    again, or `heartbeat` at least every ten seconds, whose id a client may resume after. With a `monitoring` topic
    also `subscribed` {channel, epoch, offset, recovered, events}, `monitoring` with one event each, and `skipped`
    {from, to}: offsets that were conflated or shed. `reconnect` {delay_ms} and `slow` end the stream."""
    hub: Hub = request.app.state.platform.shared["hub"]
    return StreamingResponse(
        stream(
            hub,
            _wanted(topics),
            last_event_id or after,
            LIFETIME_SECONDS,
            Viewer(unchanged(request, by), live_patch(by)),
        ),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


@router.websocket("/live/ws")
@socket_needs("monitoring:read")
async def live_socket(socket: WebSocket, topics: str = "", after: str | None = None) -> None:
    """What `GET /api/v1/live` says, as text messages of one or more JSON objects {event, id, data}, one a line."""
    try:
        by = await authenticate_socket(socket)
        socket_guard(live_socket).check(by)
        wanted = _wanted(topics[:4000])
        viewer = Viewer(unchanged(socket, by), live_patch(by))
    except EseError as error:
        await socket.accept()
        await socket.close(REFUSED + error.status, error.code)
        return
    await socket.accept()
    hub: Hub = socket.app.state.platform.shared["hub"]
    try:
        serving = serve(hub, socket, wanted, after[:100] if after else None, LIFETIME_SECONDS, viewer)
        code = await _unless_gone(socket, serving)
        if code is not None:
            await _close(socket, code)
    except EseError as error:
        await socket.close(REFUSED + error.status, error.code)
    except (WebSocketDisconnect, RuntimeError):  # it went away; the server says so in either way
        return


async def _unless_gone(socket: WebSocket, speaking: Coroutine[Any, Any, int]) -> int | None:
    """What `speaking` ends with; None when the client goes first: sending to it would not say so."""
    serving, gone = asyncio.create_task(speaking), asyncio.create_task(_gone(socket))
    try:
        await asyncio.wait({serving, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await serving if serving.done() else None
    finally:
        await end(serving, gone, within=CLOSE_SECONDS)


async def _gone(socket: WebSocket) -> None:
    """Once the client closes or is cut off; what it says is nothing to us."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(socket: WebSocket, code: int) -> None:
    """A client that does not read may not take this either."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code)


def _wanted(topics: str) -> frozenset[str]:
    wanted = frozenset(topic for topic in topics.split(",") if topic)
    if not 0 < len(wanted) <= TOPICS_MAX:
        raise Invalid.field("topics", f"Name 1 to {TOPICS_MAX} topics.")
    return wanted
