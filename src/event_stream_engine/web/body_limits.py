"""How large a request's body may be, and how long it may take to arrive.

A body is held in memory while it is read and checked, on the event loop that serves everybody, and anybody may send
one. Addresses in `exempt` have limits of their own, such as uploads, which go to a file.
"""

import asyncio
from typing import Final

from prometheus_client import Counter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_stream_engine.errors import TooLarge
from event_stream_engine.web.problems import problem

REFUSED = Counter("ese_request_bodies_refused_total", "Requests refused for their body", ["reason"])

RECEIVE_SECONDS: Final = 30.0
"""A body of at most some megabytes that takes longer comes from somebody who wants to hold a connection."""


class BodyLimits:
    """ASGI middleware. Answers 413 `too_large` before the body is read where its length is declared, and else once it
    has passed the limit; 408 `request_timed_out` when it does not arrive within `seconds`."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, seconds: float = RECEIVE_SECONDS, exempt: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._exempt):
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            error = self._too_large()
            await problem(error.status, error.code, error.title, error.detail)(scope, receive, send)
            return
        await self.app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        ends = asyncio.get_running_loop().time() + self._seconds
        received, is_whole = 0, False

        async def limited() -> Message:
            nonlocal received, is_whole
            if is_whole:  # from here on it waits for the client to leave, however long that takes
                return await receive()
            try:
                async with asyncio.timeout_at(ends):
                    message = await receive()
            except TimeoutError:
                REFUSED.labels("slow").inc()
                raise HTTPException(408, f"The body did not arrive within {self._seconds:g} seconds.") from None
            received += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if received > self._max_bytes:
                error = self._too_large()
                raise HTTPException(error.status, error.detail)  # the framework calls any other error a broken body
            return message

        return limited

    def _too_large(self) -> TooLarge:
        REFUSED.labels("large").inc()
        return TooLarge(f"The body may have {self._max_bytes:,} bytes at most (ESE_MAX_BODY_BYTES).")
