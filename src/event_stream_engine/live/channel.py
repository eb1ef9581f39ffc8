"""The channel of monitoring events: contiguous offsets within an epoch, and a bounded history to resume from."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import accumulate, takewhile

import structlog

from event_stream_engine.live.messages import Message, Recovery

log = structlog.get_logger()

HISTORY_MAX = 10_000
HISTORY_BYTES_MAX = 16 * 2**20
HISTORY_SECONDS = 600.0
RESUME_MAX = 1000
RESUME_BYTES_MAX = 2**20
SNAPSHOT_MAX = 100
SNAPSHOT_BYTES_MAX = 2**17


def new_epoch() -> str:
    return secrets.token_hex(4)


class Channel:
    """`append` is heard by every listener at once, in order. Made for one event loop; nothing here waits.

    History: the newest 10,000 messages, 16 MiB or 10 minutes, whichever is less. An epoch is one life of the offsets:
    after `restart` no earlier position can be resumed.
    """

    def __init__(self, epoch: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.epoch = epoch or new_epoch()
        self.top = 0
        """The newest offset; 0 before the first."""
        self.listeners: list[Callable[[Message], None]] = []
        self.restarted: list[Callable[[], None]] = []
        self._clock = clock
        self._history: deque[tuple[float, Message]] = deque()
        self._bytes = 0

    def append(self, message: Message) -> None:
        """The next message. One that is there already is left out; after a gap the history begins anew."""
        if message.offset <= self.top:
            return
        if message.offset != self.top + 1:
            self._forget_all()
        self.top = message.offset
        self._history.append((self._clock(), message))
        self._bytes += message.size
        self._trim()
        for listener in self.listeners:
            listener(message)

    def restart(self, epoch: str, top: int = 0, history: Iterable[Message] = ()) -> None:
        """Another life of the channel, at offset `top`, with what is known of it (ends at `top`). Whoever follows is
        told to begin anew."""
        self.epoch, self.top = epoch, top
        self._forget_all()
        now = self._clock()
        for message in history:
            self._history.append((now, message))
            self._bytes += message.size
        for tell in self.restarted:
            tell()

    def since(self, epoch: str | None, offset: int | None) -> Recovery:
        """What a client missed that stands at `epoch` and `offset`; the snapshot when that is unknown, too long ago
        (it left the history), or too much (over 1,000 messages or 1 MiB)."""
        self._trim()
        missed = self._missed(offset) if epoch == self.epoch and offset is not None else None
        if missed is None:
            return Recovery(self.epoch, self.top, is_recovered=False, messages=tuple(self.snapshot()))
        return Recovery(self.epoch, self.top, is_recovered=True, messages=tuple(missed))

    def snapshot(self) -> list[Message]:
        """The latest message of each key and the newest 100 in all, in order; the newest 1,000 or 128 KiB of them."""
        latest = {message.key: message for _, message in self._history if message.key is not None}
        newest = [message for _, message in list(self._history)[-SNAPSHOT_MAX:]]
        found = {message.offset: message for message in (*latest.values(), *newest)}
        wanted = [found[offset] for offset in sorted(found)][-RESUME_MAX:]
        sizes = accumulate(message.size for message in reversed(wanted))
        return wanted[len(wanted) - sum(1 for _ in takewhile(SNAPSHOT_BYTES_MAX.__ge__, sizes)) :]

    def _missed(self, offset: int) -> list[Message] | None:
        first = self._history[0][1].offset if self._history else self.top + 1
        if not first - 1 <= offset <= self.top or self.top - offset > RESUME_MAX:
            return None
        found = [self._history[index][1] for index in range(offset + 1 - first, len(self._history))]
        return found if sum(message.size for message in found) <= RESUME_BYTES_MAX else None

    def _trim(self) -> None:
        oldest = self._clock() - HISTORY_SECONDS
        while self._history and (
            len(self._history) > HISTORY_MAX or self._bytes > HISTORY_BYTES_MAX or self._history[0][0] < oldest
        ):
            self._bytes -= self._history.popleft()[1].size

    def _forget_all(self) -> None:
        self._history.clear()
        self._bytes = 0
