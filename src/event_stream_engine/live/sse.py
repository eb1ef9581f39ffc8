"""The protocol as Server-Sent Events."""

from collections.abc import AsyncIterator

from event_stream_engine.live.hub import Hub
from event_stream_engine.live.protocol import ANYBODY, Said, Viewer, speak


async def stream(
    hub: Hub, topics: frozenset[str], after: str | None, lifetime: float, viewer: Viewer = ANYBODY
) -> AsyncIterator[bytes]:
    """The body of `GET /api/v1/live`; ends after `lifetime` seconds, when the session must be renewed."""
    yield b"retry: 2000\n: connected\n\n"
    with hub.mailbox(topics) as mailbox:
        async for said in speak(hub, mailbox, after, lifetime, viewer):
            yield b"".join(_written(each) for each in said)
            del said


def _written(said: Said) -> bytes:
    position = b"id: %s\n" % said.position.encode() if said.position else b""
    return position + b"event: %s\ndata: %s\n\n" % (said.name.encode(), said.data)
