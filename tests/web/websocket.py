"""A WebSocket client that calls the application without a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from tests.web.client import ORIGIN


class Socket:
    """What the server said, in order; the close code once it closed."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self._given: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._given.put_nowait({"type": "websocket.connect"})

    async def hear(self, event: str) -> dict[str, Any]:
        """The next message of that event; others before it are left out."""
        async with asyncio.timeout(20):
            while True:
                message = await self.said.get()
                assert message is not None, f"closed with {self.closed}"
                if message["event"] == event:
                    return message

    async def end(self) -> tuple[int, str]:
        async with asyncio.timeout(20):
            while await self.said.get() is not None:
                pass
        assert self.closed is not None
        return self.closed

    async def receive(self) -> dict[str, Any]:
        return await self._given.get()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            for line in message["text"].split("\n"):
                self.said.put_nowait(json.loads(line))
        elif message["type"] == "websocket.close":
            self.closed = message.get("code", 1000), message.get("reason") or ""
            self.said.put_nowait(None)


@asynccontextmanager
async def connected(app: FastAPI, path: str, **headers: str) -> AsyncIterator[Socket]:
    path, _, query = path.partition("?")
    given = {"host": ORIGIN.split("//")[1], **headers}
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": path,
        "raw_path": path.encode(), "root_path": "", "client": ("127.0.0.1", 1), "server": None, "subprotocols": [],
        "query_string": query.encode(), "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }  # fmt: skip
    socket = Socket()
    serving = asyncio.create_task(app(scope, socket.receive, socket.send))  # type: ignore[arg-type]
    try:
        yield socket
    finally:
        serving.cancel()
        await asyncio.wait({serving})
