"""Frames as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from event_stream_engine.live.hub import Frame, Hub

_ENCODER = msgspec.json.Encoder()


async def _always() -> bool:
    return True


async def stream(
    hub: Hub,
    topics: frozenset[str],
    after: str | None,
    lifetime: float,
    *,
    goes_on: Callable[[], Awaitable[bool]] = _always,
    shown: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> AsyncIterator[bytes]:
    """The body of `GET /api/v1/live`; ends after `lifetime` seconds, when the session must be renewed, and before the
    next frame (a heartbeat at the latest) once `goes_on` says no. `shown` is what the client may see of a patch."""
    epoch = await hub.epoch()
    ends = asyncio.get_running_loop().time() + lifetime
    yield b"retry: 2000\n: connected\n\n"
    async for frames in hub.follow(topics, after):
        if not await goes_on():
            return
        yield b"".join(_encode(frame, epoch, shown) for frame in frames) or _heartbeat(hub, epoch)
        if asyncio.get_running_loop().time() > ends:
            return


def _heartbeat(hub: Hub, epoch: str) -> bytes:
    """Says that the line is alive, and where a client stands that was sent nothing: it can resume from there.

    Called in the same step as the mailbox was found empty, so that nothing lies between the two."""
    position = b"id: %s:%s\n" % (epoch.encode(), hub.position.encode()) if hub.position else b""
    return position + b"event: heartbeat\ndata: {}\n\n"


def _encode(frame: Frame, epoch: str, shown: Callable[[dict[str, Any]], dict[str, Any]] | None) -> bytes:
    if frame.update is None:
        return b"event: resync\ndata: {}\n\n"
    update = frame.update
    data = _ENCODER.encode(
        {
            "topic": update.topic,
            "kind": update.kind,
            "id": update.entity_id,
            "version": update.version,
            "patch": shown(update.patch) if shown else update.patch,
        }
    )
    return b"id: %s:%s\nevent: update\ndata: %s\n\n" % (epoch.encode(), frame.entry_id.encode(), data)
