"""The hub: one reader of the live stream per process, and a bounded, conflating mailbox per client."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import msgspec
import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone.streams import StreamBusy, StreamRefused, position
from event_stream_engine.backbone.streams.opening import Transport
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.errors import TooManyRequests
from event_stream_engine.events.base import Envelope
from event_stream_engine.events.monitoring import LiveUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger()

CLIENTS = Gauge("ese_live_clients", "Open live connections of this process")
CONFLATED = Counter("ese_live_conflated_total", "Frames replaced by a newer one before they were sent")
DROPPED = Counter("ese_live_dropped_total", "Frames not sent; the client was told to fetch again", ["reason"])

STREAM = LiveUpdate.stream
CLIENTS_MAX = 500
WAITING_MAX = 2000
REPLAY_MAX = 5000
FRAME_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
_EPOCH_KEY = "ese:live:epoch"
_DASHBOARD = "dashboard"


@dataclass(frozen=True, slots=True)
class Frame:
    """What one client is sent. `update` None stands for `resync`."""

    entry_id: str
    update: LiveUpdate | None = None


@dataclass(eq=False)
class Mailbox:
    """A client's waiting frames, the newest per entity; more than `WAITING_MAX` become one `resync`."""

    topics: frozenset[str]
    waiting: dict[tuple[str, str], Frame] = field(default_factory=dict)
    overflowed: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, entry_id: str, update: LiveUpdate) -> None:
        for wanted in self._matching(update):
            key = (wanted.kind, wanted.entity_id)
            if self.waiting.pop(key, None) is not None:
                CONFLATED.inc()
            self.waiting[key] = Frame(entry_id, wanted)
            self.arrived.set()
        if len(self.waiting) > WAITING_MAX:
            DROPPED.labels("mailbox_full").inc(len(self.waiting))
            self.waiting.clear()
            self.overflowed = True

    def take(self) -> list[Frame]:
        self.arrived.clear()
        frames = list(self.waiting.values())
        self.waiting.clear()
        if self.overflowed:
            self.overflowed = False
            return [Frame(""), *frames]
        return frames

    def _matching(self, update: LiveUpdate) -> list[LiveUpdate]:
        single = f"{update.topic.removesuffix('s')}:{update.entity_id}"
        matching = [update] if update.topic in self.topics or single in self.topics else []
        if _DASHBOARD in self.topics:
            matching.append(LiveUpdate(topic=_DASHBOARD, kind=_DASHBOARD, entity_id=_DASHBOARD, version=0))
        return matching


class Hub:
    """`run` follows the stream; `follow` serves one client."""

    def __init__(self, redis: "Redis", streams: Transport | None = None) -> None:
        self._redis = redis
        self._streams: Transport = streams or RedisStreams(redis)
        self._mailboxes: set[Mailbox] = set()
        self._position = ""
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Read the stream until stopped; an interruption is caught up from the last position.

        Cancelling is not enough: the Redis client takes a cancellation for its own when a reply arrives with it.
        """
        failures = 0
        while not self._stopped.is_set():
            try:
                if not self._position:
                    self._position = await self._streams.last_id(STREAM)
                for entry in await self._streams.tail(STREAM, self._position, 500, 1000):
                    self._position = entry.entry_id
                    self._deliver(entry)
                failures = 0
            except (StreamBusy, StreamRefused, RedisError, OSError) as error:
                failures += 1
                log.warning("live updates interrupted", error=str(error)[:200])
                await asyncio.sleep(min(0.2 * 2**failures, 5))

    @property
    def position(self) -> str:
        """The last entry handed to the mailboxes; empty before the first reading."""
        return self._position

    def stop(self) -> None:
        """End the reading and every client's stream; browsers reconnect to whoever serves next."""
        self._stopped.set()
        for mailbox in self._mailboxes:
            mailbox.arrived.set()

    async def epoch(self) -> str:
        """Names this life of the stream: a position from another life cannot be resumed."""
        await self._redis.set(_EPOCH_KEY, secrets.token_hex(4), nx=True)
        return cast(str, await self._redis.get(_EPOCH_KEY))

    async def follow(self, topics: frozenset[str], after: str | None) -> AsyncIterator[list[Frame]]:
        """Frames for one client as they come; an empty list is a heartbeat. Raises `TooManyRequests`."""
        with self._mailbox(topics) as mailbox:
            if after is None:
                yield mailbox.take()
            else:
                for frame in await self._missed(mailbox, after):
                    yield [frame]
            while not self._stopped.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(mailbox.arrived.wait(), HEARTBEAT_SECONDS)
                yield mailbox.take()
                await asyncio.sleep(FRAME_SECONDS)

    async def _missed(self, mailbox: Mailbox, after: str) -> list[Frame]:
        """What happened since `after`, or one `resync` when that is no longer known."""
        epoch, _, entry_id = after.partition(":")
        try:
            position(entry_id)
        except ValueError:
            return [Frame("")]
        first = await self._streams.first_id(STREAM)
        if epoch != await self.epoch() or first is None or position(entry_id) < position(first):
            return [Frame("")]
        entries = await self._streams.tail(STREAM, entry_id, REPLAY_MAX + 1, 1)
        if len(entries) > REPLAY_MAX:
            DROPPED.labels("resume_too_old").inc(len(entries))
            return [Frame("")]
        replayed = Mailbox(mailbox.topics)
        for entry in entries:
            replayed.offer(entry.entry_id, _update(entry))
        return replayed.take()

    @contextmanager
    def _mailbox(self, topics: frozenset[str]) -> "Iterator[Mailbox]":
        if len(self._mailboxes) >= CLIENTS_MAX:
            raise TooManyRequests(f"{CLIENTS_MAX} browsers are connected already. Try again shortly.")
        mailbox = Mailbox(topics)
        self._mailboxes.add(mailbox)
        CLIENTS.set(len(self._mailboxes))
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            CLIENTS.set(len(self._mailboxes))

    def _deliver(self, entry: Envelope) -> None:
        update = _update(entry)
        for mailbox in self._mailboxes:
            mailbox.offer(entry.entry_id, update)


def _update(entry: Envelope) -> LiveUpdate:
    return msgspec.json.decode(entry.data, type=LiveUpdate)
