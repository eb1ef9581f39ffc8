"""The hub: one reader of the live stream, one channel of monitoring events, a bounded mailbox per client."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import msgspec
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone.streams import StreamBusy, StreamRefused, position
from event_stream_engine.backbone.streams.opening import Transport
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.supervising import pause
from event_stream_engine.errors import TooManyRequests
from event_stream_engine.events.base import Envelope
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.channel import Channel, new_epoch
from event_stream_engine.live.mailbox import DROPPED, SLOW_SECONDS, WAITING_MAX, Mailbox
from event_stream_engine.live.messages import Frame, Message
from event_stream_engine.live.queues import portions
from event_stream_engine.telemetry import Repeated

CLIENTS = Gauge("ese_live_clients", "Open live connections of this process")
__all__ = ["SLOW_SECONDS", "WAITING_MAX", "Cursor", "Frame", "Hub", "Mailbox"]

STREAM = LiveUpdate.stream
CLIENTS_MAX = 1000
REPLAY_MAX = 5000
FRAME_SECONDS = 0.25
"""The pause between two batches to a client that follows entities."""
MESSAGE_SECONDS, MESSAGE_SECONDS_EACH = 0.02, 0.0001
"""The pause where only monitoring events are followed, and what each client of the server adds where they are many:
nobody sees it, and a hundred events a second go to hundreds of clients in a fraction of the batches."""
RECONNECT_SECONDS_MAX = 3.0
HEARTBEAT_SECONDS = 10.0
LEAVE_SECONDS, CLOSE_SECONDS = 3.0, 0.1
"""What a hub that stops gives its clients to hear of it, and the last of them to see its connection closed."""
_EPOCH_KEY = "ese:live:epoch"


@dataclass
class Cursor:
    """Where a client stands: `<epoch>:<entry id>` in the updates, then `~<epoch>:<offset>` in the monitoring events;
    a part is there once it is known. To the client it is one text, to be given back as it was."""

    entry: str = ""
    offset: str = ""

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        entry, _, offset = (text or "").partition("~")
        return cls(entry, offset)

    def __str__(self) -> str:
        return f"{self.entry}~{self.offset}" if self.offset else self.entry

    def monitoring(self) -> tuple[str | None, int | None]:
        """The epoch and offset it names, None where it names none."""
        epoch, _, offset = self.offset.partition(":")
        return (epoch, int(offset)) if offset.isascii() and offset.isdigit() else (None, None)


class Hub:
    """`run` follows the stream; `follow` serves one client."""

    def __init__(
        self,
        redis: "Redis | None",
        streams: Transport | None = None,
        channel: Channel | None = None,
        *,
        clients_max: int = CLIENTS_MAX,
    ) -> None:
        """`redis` None: only monitoring events, as the channel has them."""
        self._redis, self._clients_max = redis, clients_max
        self._streams = streams or (RedisStreams(redis) if redis is not None else None)
        self._mailboxes: set[Mailbox] = set()
        self._position = ""
        self._stopped = asyncio.Event()
        self._empty = asyncio.Event()
        self.channel = channel or Channel()
        self.channel.listeners.append(self._hand_out)
        self.channel.restarted.append(self._begin_anew)
        self.updates = Ledger("updates", lambda: sum(len(box.waiting) for box in self._mailboxes)).export()
        self.events = Ledger("clients", lambda: sum(len(box.messages) for box in self._mailboxes)).export()

    async def run(self) -> None:
        """Read the stream until stopped; an interruption is caught up from the last position.

        Cancelling is not enough: the Redis client takes a cancellation for its own when a reply arrives with it.
        """
        if self._streams is None:
            return
        failures = 0
        interrupted = Repeated("live updates interrupted", "live updates resumed")
        while not self._stopped.is_set():
            try:
                if not self._position:
                    self._position = await self._streams.last_id(STREAM)
                for entry in await self._streams.tail(STREAM, self._position, 500, 1000):
                    self._position = entry.entry_id
                    self._deliver(entry)
                interrupted.worked()
                failures = 0
            except (StreamBusy, StreamRefused, RedisError, OSError) as error:
                failures += 1
                interrupted.failed(type(error).__name__, detail=str(error)[:200])
                await asyncio.sleep(min(0.2 * 2**failures, 5))

    @property
    def position(self) -> str:
        """The last entry handed to the mailboxes; empty before the first reading."""
        return self._position

    @property
    def clients(self) -> int:
        return len(self._mailboxes)

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def reconnect_after(self) -> float:
        """Seconds that a client whose stream ends is asked to wait: all of them at once would be a stampede."""
        return random.uniform(0.0, RECONNECT_SECONDS_MAX)  # noqa: S311  # no secret

    def stop(self) -> None:
        """End the reading and every client's stream; browsers reconnect to whoever serves next."""
        self._stopped.set()
        for mailbox in self._mailboxes:
            mailbox.arrived.set()

    async def leave(self) -> None:
        """`stop`, and wait until every client has been told, at most `LEAVE_SECONDS`."""
        self.stop()
        if self._mailboxes:
            self._empty.clear()
            await pause(self._empty, LEAVE_SECONDS)
            await asyncio.sleep(CLOSE_SECONDS)

    async def epoch(self) -> str:
        """Names this life of the stream: a position from another life cannot be resumed."""
        if self._redis is None:
            return self.channel.epoch
        await self._redis.set(_EPOCH_KEY, new_epoch(), nx=True)
        return cast(str, await self._redis.get(_EPOCH_KEY))

    async def follow(self, topics: frozenset[str], after: str | None) -> AsyncIterator[list[Frame]]:
        """Frames for one client as they come; an empty list is a heartbeat. It ends when the hub stops, or when the
        client is too slow. Raises `TooManyRequests`."""
        with self.mailbox(topics) as mailbox:
            async for frames in self.frames(mailbox, after):
                yield frames

    async def frames(self, mailbox: Mailbox, after: str | None) -> AsyncIterator[list[Frame]]:
        """The same for a client whose mailbox the caller watches."""
        cursor = Cursor.read(after)
        if mailbox.hears_events:
            for portion in self._subscribed(mailbox, *cursor.monitoring()):
                yield portion
                del portion
        if mailbox.hears_updates and cursor.entry:
            for frame in await self._missed(mailbox, cursor.entry):
                yield [frame]
        elif mailbox.hears_updates:
            yield mailbox.take()
        while not self._stopped.is_set() and not mailbox.slow.is_set():
            if not mailbox.arrived.is_set():
                await pause(mailbox.arrived, HEARTBEAT_SECONDS)
            if mailbox.begins_anew:
                mailbox.begins_anew = False
                for portion in self._subscribed(mailbox, None, None):
                    yield portion
                    del portion
            yield mailbox.take()
            await asyncio.sleep(FRAME_SECONDS if mailbox.hears_updates else self._message_seconds())

    def _message_seconds(self) -> float:
        return max(MESSAGE_SECONDS, MESSAGE_SECONDS_EACH * len(self._mailboxes))

    def _subscribed(self, mailbox: Mailbox, epoch: str | None, offset: int | None) -> Iterator[list[Frame]]:
        """Where the client begins; the live messages that came before this answer are in it, and leave the mailbox.
        What was missed beyond the first batch follows as if it came now."""
        recovery = self.channel.since(epoch, offset)
        mailbox.supersede(recovery.offset)
        wanted = [message for message in recovery.messages if mailbox.wants(message)]
        first, *more = portions(wanted, mailbox.batch_bytes_max) if recovery.is_recovered else [wanted]
        upto = more[0][0].offset - 1 if more else recovery.offset
        yield [Frame(str(upto), recovery=replace(recovery, offset=upto, messages=tuple(first)))]
        for portion in more:
            if mailbox.begins_anew:  # these offsets mean nothing any more
                return
            yield [Frame.of(message) for message in portion]

    async def _missed(self, mailbox: Mailbox, after: str) -> list[Frame]:
        """What happened since `after`, or one `resync` when that is no longer known."""
        epoch, _, entry_id = after.partition(":")
        assert self._streams is not None, "only a hub with Redis has updates"
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
    def mailbox(self, topics: frozenset[str]) -> Iterator[Mailbox]:
        """A client's, for the length of the block. Raises `TooManyRequests`."""
        if len(self._mailboxes) >= self._clients_max:
            raise TooManyRequests(f"{self._clients_max} browsers are connected already. Try again shortly.")
        mailbox = Mailbox(topics, self.updates, self.events)
        self._mailboxes.add(mailbox)
        CLIENTS.set(len(self._mailboxes))
        try:
            yield mailbox
        finally:
            mailbox.close()
            self._mailboxes.discard(mailbox)
            CLIENTS.set(len(self._mailboxes))
            if not self._mailboxes:
                self._empty.set()

    def _deliver(self, entry: Envelope) -> None:
        update = _update(entry)
        for mailbox in tuple(self._mailboxes):
            mailbox.offer(entry.entry_id, update)

    def _hand_out(self, message: Message) -> None:
        for mailbox in tuple(self._mailboxes):
            mailbox.offer_message(message)

    def _begin_anew(self) -> None:
        """The channel begins another life: what waits belongs to the old one."""
        for mailbox in tuple(self._mailboxes):
            mailbox.messages.drop_all("epoch_ended")
            mailbox.begins_anew = mailbox.hears_events
            mailbox.arrived.set()


def _update(entry: Envelope) -> LiveUpdate:
    return msgspec.json.decode(entry.data, type=LiveUpdate)
