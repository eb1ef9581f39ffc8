"""`retry(breaker(timeout(call)))` around one outside service."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Counter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from event_stream_engine.resilience.backoff import Backoff, RetryBudget
from event_stream_engine.resilience.breaker import Breaker, CircuitOpen
from event_stream_engine.resilience.failures import is_transient

RETRIES = Counter("ese_retries_total", "Calls made again", ["breaker"])
GIVEN_UP = Counter(
    "ese_retries_denied_total", "Calls not made again, by reason: deadline or budget", ["breaker", "reason"]
)

T = TypeVar("T")


class Guard:
    """One per outside service and use; shares its breaker with others of the same service."""

    def __init__(
        self,
        breaker: Breaker,
        *,
        timeout: float = 5.0,
        backoff: Backoff | None = None,
        budget: RetryBudget | None = None,
        transient: Callable[[BaseException], bool] = is_transient,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`timeout`: seconds of one attempt. `clock`, `uniform` and `sleep` are a test's."""
        self.breaker = breaker
        self._timeout = timeout
        self._backoff = backoff or Backoff()
        self._budget = budget or RetryBudget(clock=clock)
        self._transient = transient
        self._clock, self._uniform, self._sleep = clock, uniform, sleep

    async def run(self, call: Callable[[], Awaitable[T]], *, deadline: float | None = None) -> T:
        """The call's result within `deadline` seconds (the backoff's own bound where None or more).

        Raises `CircuitOpen` at once while the circuit is open, else the error of the last attempt.
        """
        ends = self._clock() + min(
            self._backoff.elapsed_max, self._backoff.elapsed_max if deadline is None else deadline
        )
        self._budget.called()
        retrying = AsyncRetrying(
            wait=lambda state: self._backoff.wait(state.attempt_number - 1, self._uniform),
            stop=lambda state: self._gives_up(state, ends),
            retry=retry_if_exception(self._is_worth_retrying),
            before_sleep=lambda _: RETRIES.labels(self.breaker.name).inc(),
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(self._attempt, call, ends)

    async def _attempt(self, call: Callable[[], Awaitable[T]], ends: float) -> T:
        with self.breaker.passage():
            async with asyncio.timeout(max(0.0, min(self._timeout, ends - self._clock()))):
                return await call()

    def _is_worth_retrying(self, error: BaseException) -> bool:
        return not isinstance(error, CircuitOpen) and self._transient(error)

    def _gives_up(self, state: RetryCallState, ends: float) -> bool:
        """Before the wait: it would end past the deadline, or the budget is used up."""
        reason = None
        if self._clock() + state.upcoming_sleep >= ends:
            reason = "deadline"
        elif not self._budget.take():
            reason = "budget"
        if reason:
            GIVEN_UP.labels(self.breaker.name, reason).inc()
        return reason is not None
