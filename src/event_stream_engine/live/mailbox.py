"""A client's waiting frames, bounded: updates conflate by entity, monitoring events by key and worth."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Counter

from event_stream_engine.events.monitoring import Category, LiveUpdate
from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.messages import Frame, Message
from event_stream_engine.live.queues import WorthQueue

CONFLATED = Counter("ese_live_conflated_total", "Frames replaced by a newer one before they were sent")
DROPPED = Counter("ese_live_dropped_total", "Frames not sent; the client was told to fetch again", ["reason"])

WAITING_MAX = 2000
MESSAGES_MAX = 1024
MESSAGE_BYTES_MAX = 2**20
BATCH_BYTES_MAX = 2**17
"""Of monitoring events taken at once: each client's batch is a text of its own, and a server keeps memory for the
largest it ever wrote."""
SLOW_SECONDS = 5.0
_DASHBOARD = "dashboard"
_MONITORING = "monitoring"
_UPDATE = Category.USER_ACTIVITY
"""Every update counts as one of these: what people do on screens."""


@dataclass(eq=False)
class Mailbox:
    """A client's waiting frames.

    Updates: the newest per entity; more than `WAITING_MAX` become one `resync`. Monitoring events: at most 1,024 and
    1 MiB; the least worth goes first and is announced as skipped; a critical one never goes: then, or when it stays
    full for 5 seconds, the client `is_slow` and its connection is to be ended.
    """

    topics: frozenset[str]
    updates: Ledger = field(default_factory=lambda: Ledger("updates"))
    events: Ledger = field(default_factory=lambda: Ledger("clients"))
    clock: Callable[[], float] = time.monotonic
    batch_bytes_max: int = BATCH_BYTES_MAX
    waiting: dict[tuple[str, str], Frame] = field(default_factory=dict)
    overflowed: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    begins_anew: bool = False
    _full_since: float | None = None
    _ticket: int = 0
    _offered: int = 0
    _sent: int = 0

    def __post_init__(self) -> None:
        self.messages: WorthQueue[Message] = WorthQueue(
            self.events, MESSAGES_MAX, MESSAGE_BYTES_MAX, kept=(Category.CRITICAL,), conflate=True
        )
        wanted = {topic.partition(":")[2] for topic in self.topics if topic.partition(":")[0] == _MONITORING}
        self._categories = frozenset(Category) if "" in wanted else frozenset(set(Category) & wanted)

    @property
    def hears_updates(self) -> bool:
        return any(topic.partition(":")[0] != _MONITORING for topic in self.topics)

    @property
    def hears_events(self) -> bool:
        return bool(self._categories)

    def wants(self, message: Message) -> bool:
        return message.category in self._categories

    def offer(self, entry_id: str, update: LiveUpdate) -> None:
        for wanted in self._matching(update):
            key = (wanted.kind, wanted.entity_id)
            self.updates.accepted += 1
            if self.waiting.pop(key, None) is not None:
                CONFLATED.inc()
                self.updates.conflated += 1
            self.waiting[key] = Frame(entry_id, wanted)
            self.arrived.set()
        if len(self.waiting) > WAITING_MAX:
            DROPPED.labels("mailbox_full").inc(len(self.waiting))
            self.updates.drop("mailbox_full", _UPDATE, len(self.waiting))
            self.waiting.clear()
            self.overflowed = True

    def offer_message(self, message: Message) -> None:
        if not self.wants(message):
            return
        self._offered = message.offset
        shed = self.messages.shed
        kept = self.messages.offer(message)
        if self.messages.shed == shed and not self.messages.is_full:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = self.clock()
        if not kept or (self._full_since is not None and self.clock() - self._full_since >= SLOW_SECONDS):
            self.slow.set()
        self.arrived.set()

    def supersede(self, offset: int) -> None:
        """The client is about to be told everything up to here in another way: what waits is in that."""
        superseded = len(self.messages.take(MESSAGES_MAX + 1))
        self.events.conflated += superseded
        self._ticket, self._sent, self._offered = self.messages.next_ticket, offset, offset

    def take(self) -> list[Frame]:
        """What waits, in batches of `batch_bytes_max`; `arrived` stays set while there is more."""
        self.arrived.clear()
        frames = list(self.waiting.values())
        self.updates.delivered += len(frames)
        self.waiting.clear()
        if self.overflowed:
            self.overflowed = False
            frames = [Frame(""), *frames]
        return frames + self._messages()

    def close(self) -> None:
        """Nobody will take them any more."""
        self.updates.drop("disconnected", _UPDATE, len(self.waiting))
        self.waiting.clear()
        self.messages.drop_all("slow" if self.slow.is_set() else "disconnected")

    def _messages(self) -> list[Frame]:
        """The oldest waiting messages; a range that went meanwhile is announced where it was."""
        self._full_since = None
        frames: list[Frame] = []
        for ticket, message in self.messages.take(MESSAGES_MAX + 1, self.batch_bytes_max):
            if ticket != self._ticket:
                frames.append(self._skipped(message.offset - 1))
            self._ticket, self._sent = ticket + 1, message.offset
            frames.append(Frame.of(message))
            self.events.delivered += 1
        if len(self.messages):
            self.arrived.set()
        elif self._ticket != self.messages.next_ticket:  # the newest itself was shed
            frames.append(self._skipped(self._offered))
            self._ticket, self._sent = self.messages.next_ticket, self._offered
        return frames

    def _skipped(self, last: int) -> Frame:
        return Frame(str(last), skipped=(self._sent + 1, last))

    def _matching(self, update: LiveUpdate) -> list[LiveUpdate]:
        single = f"{update.topic.removesuffix('s')}:{update.entity_id}"
        matching = [update] if update.topic in self.topics or single in self.topics else []
        if _DASHBOARD in self.topics:
            matching.append(LiveUpdate(topic=_DASHBOARD, kind=_DASHBOARD, entity_id=_DASHBOARD, version=0))
        return matching
