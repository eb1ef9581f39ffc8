"""A door in front of a server: it counts who knocks, and passes everything on while the server is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit


@dataclass
class Gate:
    """`url`: the server's address through the door. `knocks`: connections asked for, those in vain included."""

    url: str
    knocks: int = 0


@asynccontextmanager
async def gated(url: str) -> AsyncIterator[Gate]:
    """A door in front of the server of `url`, for the length of the block."""
    parts = urlsplit(url)
    target = parts.hostname or "127.0.0.1", parts.port or 5432
    server = await asyncio.start_server(lambda reader, writer: _pass(gate, target, reader, writer), "127.0.0.1", 0)
    netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    gate = Gate(urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment)))
    try:
        yield gate
    finally:
        server.close()


async def _pass(
    gate: Gate, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    gate.knocks += 1
    try:
        there, back = await asyncio.open_connection(*target)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_carry(reader, back), _carry(there, writer))
    finally:
        writer.transport.abort()
        back.transport.abort()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until either side ends: the other learns of it at once."""
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.transport.abort()
