"""What is said to a client, whatever carries it: named events with a position to resume from.

subscribed  {channel, epoch, offset, recovered, events}  first, where monitoring events are followed; `recovered`:
            `events` is what was missed, else the latest state to begin from
monitoring  one monitoring event
skipped     {from, to}: offsets in between that this client will not get (conflated or shed)
update      {topic, kind, id, version, patch}            an entity changed
resync      fetch every entity again
heartbeat   nothing happened; the position stands for now
slow        the client reads too slowly and is cut off (WebSocket: close code 4008)
reconnect   {delay_ms}: the server goes; come back after that (WebSocket: close code 1012)
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from event_stream_engine.live.hub import Cursor, Hub
from event_stream_engine.live.mailbox import Mailbox
from event_stream_engine.live.messages import SHARED_MAX, Frame, Message, Recovery

_ENCODER = msgspec.json.Encoder()
_NOTHING = b"{}"


@dataclass(frozen=True)
class Said:
    """One event as it goes out; `position` empty: none that could be resumed from."""

    name: str
    position: str
    data: bytes

    @cached_property
    def json(self) -> str:
        """As one object; many clients may be said the same."""
        return f'{{"event":"{self.name}","id":"{self.position}","data":{self.data.decode()}}}'


async def _always() -> bool:
    return True


@dataclass(frozen=True)
class Viewer:
    """Who listens: whether they still may, and what they may see of a patch (None: all of it)."""

    goes_on: Callable[[], Awaitable[bool]] = _always
    shown: Callable[[dict[str, Any]], dict[str, Any]] | None = None


ANYBODY = Viewer()


async def speak(
    hub: Hub, mailbox: Mailbox, after: str | None, lifetime: float, viewer: Viewer = ANYBODY
) -> AsyncGenerator[list[Said], None]:
    """Everything for one client, in batches; ends after `lifetime` seconds, when the session must be renewed, and
    before the next batch (a heartbeat at the latest) once the viewer may not go on."""
    cursor, begins_at = Cursor.read(after), hub.position  # in one step with the mailbox: nothing lies between the two
    epoch = await hub.epoch() if mailbox.hears_updates else ""
    if mailbox.hears_updates and not cursor.entry and begins_at:
        cursor.entry = f"{epoch}:{begins_at}"
    ends = asyncio.get_running_loop().time() + lifetime
    async for frames in hub.frames(mailbox, after):
        said = [_say(hub, frame, cursor, epoch, viewer) for frame in frames]
        said = said or [_heartbeat(hub, mailbox, cursor, epoch)]
        if not await viewer.goes_on():
            return
        yield said
        del frames, said  # a client that hears nothing for hours keeps nothing of what it was said last
        if asyncio.get_running_loop().time() > ends:
            return
    if mailbox.slow.is_set():
        yield [Said("slow", str(cursor), _NOTHING)]
    elif hub.is_stopped:
        yield [Said("reconnect", str(cursor), b'{"delay_ms":%d}' % (hub.reconnect_after() * 1000))]


def _heartbeat(hub: Hub, mailbox: Mailbox, cursor: Cursor, epoch: str) -> Said:
    """Says that the line is alive, and where a client stands that was sent nothing: it can resume from there.

    Called in the same step as the mailbox was found empty, so that nothing lies between the two."""
    if mailbox.hears_updates and hub.position:
        cursor.entry = f"{epoch}:{hub.position}"
    if mailbox.hears_events:
        cursor.offset = f"{hub.channel.epoch}:{hub.channel.top}"
    return Said("heartbeat", str(cursor), _NOTHING)


def _say(hub: Hub, frame: Frame, cursor: Cursor, epoch: str, viewer: Viewer) -> Said:
    if frame.update is not None:
        cursor.entry = f"{epoch}:{frame.entry_id}"
        return Said("update", str(cursor), _update(frame, viewer))
    if frame.is_resync:
        return Said("resync", "", _NOTHING)
    recovery = frame.recovery
    if frame.message is not None and not cursor.entry:
        said = _to_all(hub.channel.epoch, frame.message)
        cursor.offset = said.position.removeprefix("~")
        return said
    cursor.offset = f"{recovery.epoch if recovery else hub.channel.epoch}:{frame.entry_id}"
    if recovery is not None:
        return Said("subscribed", str(cursor), _subscribed(recovery))
    if frame.message is not None:
        return Said("monitoring", str(cursor), frame.message.json)
    assert frame.skipped is not None
    return Said("skipped", str(cursor), b'{"from":%d,"to":%d}' % frame.skipped)


@lru_cache(SHARED_MAX)
def _to_all(epoch: str, message: Message) -> Said:
    """What everybody is said who follows nothing but monitoring events."""
    return Said("monitoring", str(Cursor(offset=f"{epoch}:{message.offset}")), message.json)


def _subscribed(recovery: Recovery) -> bytes:
    head = b'{"channel":"monitoring","epoch":"%s","offset":%d,"recovered":%s,"events":[' % (
        recovery.epoch.encode(),
        recovery.offset,
        b"true" if recovery.is_recovered else b"false",
    )
    return head + b",".join(message.json for message in recovery.messages) + b"]}"


def _update(frame: Frame, viewer: Viewer) -> bytes:
    update = frame.update
    assert update is not None
    return _ENCODER.encode(
        {
            "topic": update.topic,
            "kind": update.kind,
            "id": update.entity_id,
            "version": update.version,
            "patch": viewer.shown(update.patch) if viewer.shown else update.patch,
        }
    )
