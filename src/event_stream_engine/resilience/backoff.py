"""How long to wait before a retry, and how many retries there may be.

Full jitter: a wait drawn evenly between nothing and the exponential bound, so that callers which failed together do
not come back together.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from event_stream_engine.resilience.window import Window

_EXPONENT_MAX = 60  # far past any cap; keeps 2**n a small number


@dataclass(frozen=True)
class Backoff:
    """Seconds: the first bound, the bound that no wait passes, and the time after which no more is tried."""

    base: float = 0.2
    cap: float = 30.0
    elapsed_max: float = 300.0

    def bound(self, retry: int) -> float:
        """The longest wait before retry number `retry` (from 0)."""
        return float(min(self.cap, self.base * 2 ** min(retry, _EXPONENT_MAX)))

    def wait(self, retry: int, uniform: Callable[[float, float], float]) -> float:
        return uniform(0.0, self.bound(retry))


class RetryBudget:
    """Retries may be a tenth of the calls of the last minute, plus three: an outage is not met with a multiple of
    the usual load."""

    def __init__(
        self,
        *,
        share: float = 0.1,
        reserve: int = 3,
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._reserve, self._clock = share, reserve, clock
        self._window = Window(seconds, 2)  # calls, retries

    def called(self) -> None:
        """One first attempt."""
        self._window.add(self._clock(), 1, 0)

    def take(self) -> bool:
        """Whether one more retry may be made; it is counted if so."""
        now = self._clock()
        calls, retries = self._window.totals(now)
        allowed = retries + 1 <= self._share * calls + self._reserve
        if allowed:
            self._window.add(now, 0, 1)
        return allowed
