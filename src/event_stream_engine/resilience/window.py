"""Counts over the last seconds, in sixty buckets: the memory is the same whatever the rate of calls."""

from collections import deque

BUCKETS = 60


class Window:
    """`kinds` counters that forget what is older than `seconds`, to one bucket's width (a second of a minute)."""

    def __init__(self, seconds: float, kinds: int) -> None:
        self._width = seconds / BUCKETS
        self._buckets: deque[tuple[int, list[int]]] = deque()
        self._totals = [0] * kinds

    def add(self, now: float, *amounts: int) -> None:
        """Count at `now` (seconds of a monotonic clock), one amount per kind."""
        self._forget(now)
        number = self._number(now)
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append((number, [0] * len(self._totals)))
        counts = self._buckets[-1][1]
        for kind, amount in enumerate(amounts):
            counts[kind] += amount
            self._totals[kind] += amount

    def totals(self, now: float) -> tuple[int, ...]:
        self._forget(now)
        return tuple(self._totals)

    def clear(self) -> None:
        self._buckets.clear()
        self._totals = [0] * len(self._totals)

    def _number(self, now: float) -> int:
        return int(now / self._width)

    def _forget(self, now: float) -> None:
        oldest = self._number(now) - BUCKETS
        while self._buckets and self._buckets[0][0] <= oldest:
            for kind, count in enumerate(self._buckets.popleft()[1]):
                self._totals[kind] -= count
