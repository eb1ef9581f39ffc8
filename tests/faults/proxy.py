"""A TCP proxy that fails the way networks do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Fault = Literal["none", "replies lost", "half open", "one byte at a time", "late", "reset in the middle"]

_LATE_SECONDS = 0.5


@dataclass
class Proxy:
    """Between clients and the server at `target` (host, port), which may be moved; `fault` applies at once."""

    target: tuple[str, int]
    port: int = 0
    fault: Fault = "none"
    passed: int = 0
    """Bytes that were carried from clients to the server."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def address(self, url: str) -> str:
        """The same URL through here."""
        parts = urlsplit(url)
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"
        return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._carry(reader, back, to_server=True), self._carry(there, writer, to_server=False))
        except OSError:
            pass
        finally:
            self._open -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, to_server: bool) -> None:
        while data := await source.read(65536):
            if self.fault == "half open" or (self.fault == "replies lost" and not to_server):
                continue
            if self.fault == "reset in the middle" and to_server and len(data) > 1:
                sink.write(data[: len(data) // 2])
                await sink.drain()
                raise ConnectionResetError
            if self.fault == "late":
                await asyncio.sleep(_LATE_SECONDS)
            for piece in _pieces(data) if self.fault == "one byte at a time" else [data]:
                sink.write(piece)
                await sink.drain()
            self.passed += len(data) if to_server else 0
        raise ConnectionResetError


def _pieces(data: bytes) -> list[bytes]:
    """The beginning byte by byte: a whole batch that way would outlast every timeout."""
    return [*(data[at : at + 1] for at in range(min(200, len(data)))), data[200:]]


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server of `url`."""
    parts = urlsplit(url)
    proxy = Proxy((parts.hostname or "127.0.0.1", parts.port or 6379))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.cut()
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1)
