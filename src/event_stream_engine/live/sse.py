"""Frames as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from event_stream_engine.live.hub import Frame, Hub

_ENCODER = msgspec.json.Encoder()


async def stream(hub: Hub, topics: frozenset[str], after: str | None, lifetime: float) -> AsyncIterator[bytes]:
    """The body of `GET /api/v1/live`; ends after `lifetime` seconds, when the session must be renewed."""
    epoch = await hub.epoch()
    ends = asyncio.get_running_loop().time() + lifetime
    yield b"retry: 2000\n: connected\n\n"
    async for frames in hub.follow(topics, after):
        yield b"".join(_encode(frame, epoch) for frame in frames) or b": still here\n\n"
        if asyncio.get_running_loop().time() > ends:
            return


def _encode(frame: Frame, epoch: str) -> bytes:
    if frame.update is None:
        return b"event: resync\ndata: {}\n\n"
    update = frame.update
    data = _ENCODER.encode(
        {
            "topic": update.topic,
            "kind": update.kind,
            "id": update.entity_id,
            "version": update.version,
            "patch": update.patch,
        }
    )
    return b"id: %s:%s\nevent: update\ndata: %s\n\n" % (epoch.encode(), frame.entry_id.encode(), data)
