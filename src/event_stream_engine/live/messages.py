"""What goes to clients: a message at its place in a channel, and a frame of what one client is sent."""

from dataclasses import dataclass
from functools import lru_cache

from event_stream_engine.events.monitoring import Category, LiveUpdate

SHARED_MAX = 256
"""Of what every client is sent alike so many are kept, not made anew for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One monitoring event at its offset in the channel, encoded once for everybody. Equal only to itself."""

    offset: int
    category: Category
    json: bytes
    key: str | None = None
    """What it is the latest state of: a newer one of the same key replaces it while it waits."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.json)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The answer to a client that begins to follow: what it missed since the position it named, or, when that is no
    longer known, the latest state (`is_recovered` False). Live messages follow."""

    epoch: str
    offset: int
    is_recovered: bool
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What one client is sent: an update, a message, a range of offsets it will never get (`skipped`), the answer to
    its subscription; none of these: `resync`, fetch everything again."""

    entry_id: str
    update: LiveUpdate | None = None
    message: Message | None = None
    skipped: tuple[int, int] | None = None
    recovery: Recovery | None = None

    @staticmethod
    @lru_cache(SHARED_MAX)
    def of(message: Message) -> "Frame":
        return Frame(str(message.offset), message=message)

    @property
    def is_resync(self) -> bool:
        return not (self.update or self.message or self.skipped or self.recovery)
