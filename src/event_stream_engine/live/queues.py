"""A bounded queue that knows what its contents are worth."""

import sys
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from itertools import accumulate, islice, takewhile
from typing import Generic, Protocol, TypeVar

from event_stream_engine.events.monitoring import FIRST_TO_GO, Category
from event_stream_engine.live.accounting import Ledger


class Weighed(Protocol):
    """What can wait: its worth, its bytes, and of what it is the latest state (None: of nothing)."""

    @property
    def category(self) -> Category: ...
    @property
    def size(self) -> int: ...
    @property
    def key(self) -> str | None: ...


class HasSize(Protocol):
    """What takes so many bytes."""

    @property
    def size(self) -> int: ...


T = TypeVar("T", bound=Weighed)
S = TypeVar("S", bound=HasSize)


def portions(items: Iterable[S], bytes_max: int, items_max: int = sys.maxsize) -> list[list[S]]:
    """In order, so many together as are within both bounds, or one; at least one portion, which may be empty."""
    found: list[list[S]] = [[]]
    room = bytes_max
    for item in items:
        size = item.size
        if found[-1] and (size > room or len(found[-1]) == items_max):
            found.append([])
            room = bytes_max
        found[-1].append(item)
        room -= size
    return found


class WorthQueue(Generic[T]):
    """Items in the order they came. When there are too many, or they are too big, the oldest of the least worth
    goes (debug first), and is counted in `ledger` as dropped with reason `full`. Each step takes constant time.

    What is taken is the caller's to account for, and is told apart by tickets, which are contiguous: a ticket that
    is missing between two that were taken was conflated or shed. What is held is taken, but keeps its room until it
    is released or put back.

    As long as nothing has to go before its turn the items stand in a line. Only then are they indexed, by worth and by
    key, until the queue is empty again: hundreds of queues get each event, and hardly one ever fills."""

    def __init__(
        self, ledger: Ledger, items_max: int, bytes_max: int, *, kept: Collection[Category] = (), conflate: bool = False
    ) -> None:
        """`kept`: categories that are never shed. `conflate`: an item replaces a waiting one of the same key."""
        self.items_max, self.bytes_max = items_max, bytes_max
        self.bytes = 0
        self.next_ticket = 0
        self.held = 0
        self.shed = 0
        """How many had to go for others so far."""
        self._held_bytes = 0
        self._ledger, self._conflate = ledger, conflate
        self._line: deque[T] | None = deque()
        """The newest tickets' items, none missing; None while they are indexed."""
        self._waiting: OrderedDict[int, T] = OrderedDict()
        self._of: dict[Category, OrderedDict[int, None]] = {}
        self._by_key: dict[str, int] = {}
        self._may_go = [category for category in FIRST_TO_GO if category not in kept]

    def __len__(self) -> int:
        return len(self._waiting if self._line is None else self._line)

    @property
    def fill(self) -> float:
        """0 to 1, by number or by bytes, whichever is nearer to its bound."""
        return max((len(self) + self.held) / self.items_max, (self.bytes + self._held_bytes) / self.bytes_max)

    @property
    def is_full(self) -> bool:
        return len(self) + self.held >= self.items_max or self.bytes + self._held_bytes >= self.bytes_max

    def offer(self, item: T) -> bool:
        """Take it in, at the price of something worth less. False: it is over its bounds and nothing may go."""
        self._ledger.accepted += 1
        ticket = self.next_ticket
        self.next_ticket += 1
        if self._line is not None and not (self._conflate and item.key is not None):
            self._line.append(item)
            self.bytes += item.size
        else:
            self._index(ticket)
            if self._conflate and item.key is not None:
                self._replace(item.key)
            self._put(ticket, item)
        return self._make_room()

    def take(self, items_max: int, bytes_max: int | None = None) -> list[tuple[int, T]]:
        """The oldest ones with their tickets, at least one if there is any."""
        if self._line is not None:
            return self._take_line(self._line, items_max, bytes_max)
        taken: list[tuple[int, T]] = []
        room = bytes_max
        while self._waiting and len(taken) < items_max:
            ticket, item = next(iter(self._waiting.items()))
            if room is not None and taken and item.size > room:
                break
            self._remove(ticket)
            taken.append((ticket, item))
            if room is not None:
                room -= item.size
        if not self._waiting:
            self._line = deque()
        return taken

    def hold(self, items_max: int) -> list[tuple[int, T]]:
        """`take`, for the time until `release` or `put_back`; one batch at a time."""
        taken = self.take(items_max)
        self.held, self._held_bytes = len(taken), sum(item.size for _, item in taken)
        return taken

    def release(self, taken: Iterable[tuple[int, T]] | None = None) -> None:
        """What is held (or these of it) has gone its way."""
        if taken is None:
            self.held = self._held_bytes = 0
            return
        for _, item in taken:
            self.held -= 1
            self._held_bytes -= item.size

    def put_back(self, taken: Iterable[tuple[int, T]], kept: Collection[int] = ()) -> None:
        """Before all others, as they were taken or held: it did not work out. Room is made as for new ones; the tickets
        `kept` are not shed while they wait this time."""
        self.release()
        self._index(self.next_ticket)
        for ticket, item in reversed(list(taken)):
            self._put(ticket, item)
            self._waiting.move_to_end(ticket, last=False)
            if ticket in kept:
                del self._of[item.category][ticket]
            else:
                self._of[item.category].move_to_end(ticket, last=False)
        self._make_room()

    def drop_all(self, reason: str) -> int:
        """Nobody will take them any more; how many there were."""
        count = len(self)
        for _, item in self.take(count):
            self._ledger.drop(reason, item.category)
        return count

    def _take_line(self, line: deque[T], items_max: int, bytes_max: int | None) -> list[tuple[int, T]]:
        count, first = min(len(line), items_max), self.next_ticket - len(line)
        if bytes_max is not None and self.bytes > bytes_max:
            sizes = accumulate(item.size for item in islice(line, count))
            count = max(min(count, 1), sum(1 for _ in takewhile(bytes_max.__ge__, sizes)))
        taken = [line.popleft() for _ in range(count)]
        self.bytes = self.bytes - sum(item.size for item in taken) if line else 0
        return list(enumerate(taken, first))

    def _index(self, next_ticket: int) -> None:
        """From the line, whose last item has the ticket before `next_ticket`."""
        if self._line is None:
            return
        line, self._line, self.bytes = self._line, None, 0
        self._of = {category: OrderedDict() for category in FIRST_TO_GO}
        for ticket, item in enumerate(line, next_ticket - len(line)):
            self._put(ticket, item)

    def _put(self, ticket: int, item: T) -> None:
        self._waiting[ticket] = item
        self._of[item.category][ticket] = None
        self.bytes += item.size
        if self._conflate and item.key is not None:
            self._by_key.setdefault(item.key, ticket)

    def _make_room(self) -> bool:
        while len(self) + self.held > self.items_max or self.bytes + self._held_bytes > self.bytes_max:
            self._index(self.next_ticket)
            if not self._shed():
                return False
        return True

    def _replace(self, key: str) -> None:
        ticket = self._by_key.get(key)
        if ticket is not None:
            self._remove(ticket)
            self._ledger.conflated += 1

    def _shed(self) -> bool:
        for category in self._may_go:
            if self._of[category]:
                self._remove(next(iter(self._of[category])))
                self._ledger.drop("full", category)
                self.shed += 1
                return True
        return False

    def _remove(self, ticket: int) -> T:
        item = self._waiting.pop(ticket)
        self._of[item.category].pop(ticket, None)
        self.bytes -= item.size
        if self._conflate and item.key is not None and self._by_key.get(item.key) == ticket:
            del self._by_key[item.key]
        return item
