"""The protocol over a WebSocket: text messages, each with one or more JSON objects `{event, id, data}`, one a line."""

import asyncio
from contextlib import aclosing
from typing import Protocol

from event_stream_engine.backbone.supervising import end
from event_stream_engine.live.hub import Hub
from event_stream_engine.live.mailbox import Mailbox
from event_stream_engine.live.protocol import ANYBODY, Viewer, speak

SLOW = 4008
RESTARTING = 1012
SESSION_OVER = 4001
LEAVE_SECONDS = 1.0


class Socket(Protocol):
    """An accepted WebSocket."""

    async def send_text(self, data: str) -> None: ...


async def serve(
    hub: Hub, socket: Socket, topics: frozenset[str], after: str | None, lifetime: float, viewer: Viewer = ANYBODY
) -> int:
    """Speak until it is over; the code to close the connection with. A client that does not read is left as soon as
    its mailbox says so, also in the middle of a sending. Raises `TooManyRequests`, and what the socket raises."""
    with hub.mailbox(topics) as mailbox:
        sending = asyncio.create_task(_send(hub, socket, mailbox, after, lifetime, viewer))
        slow = asyncio.create_task(mailbox.slow.wait())
        try:
            await asyncio.wait({sending, slow}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                return SLOW
            await sending
            if mailbox.slow.is_set():
                return SLOW
            return RESTARTING if hub.is_stopped else SESSION_OVER
        finally:
            await end(sending, slow, within=LEAVE_SECONDS)  # a server may not be able to take a sending back


async def _send(hub: Hub, socket: Socket, mailbox: Mailbox, after: str | None, lifetime: float, viewer: Viewer) -> None:
    async with aclosing(speak(hub, mailbox, after, lifetime, viewer)) as speaking:
        async for said in speaking:
            await socket.send_text("\n".join([each.json for each in said]))
            del said
