"""The circuit breaker: after enough failures the other side is left alone for a while, then probed by one call.

    CLOSED --(5 failures in a row, or >= 50 % failed or >= 80 % slow of >= 20 calls within 60 s)--> OPEN
    OPEN --(30 s, doubled by each failed probe up to 300 s; drawn from the upper half)--> HALF_OPEN, at the next call
    HALF_OPEN --(2 probes succeed)--> CLOSED        HALF_OPEN --(1 fails)--> OPEN
    FORCED_OPEN and DISABLED are set by an operator, and left by `reset` only.
    `retry_now` ends the wait of OPEN: the other side was seen to answer somebody else.

A call that the other side refused because of its data shows that it works, and counts as a success. A call that was
canceled counts as nothing. A result that arrives after the state changed is not counted: it tells of another time.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import ClassVar

import msgspec
from prometheus_client import Counter, Gauge

from event_stream_engine import clock as wall_clock
from event_stream_engine.errors import Unavailable
from event_stream_engine.resilience.failures import Verdict, judge
from event_stream_engine.resilience.window import Window

STATE = Gauge("ese_breaker_state", "1 for the state that the breaker is in", ["breaker", "state"])
TRANSITIONS = Counter("ese_breaker_transitions_total", "Changes of state", ["breaker", "to"])
REJECTIONS = Counter("ese_breaker_rejections_total", "Calls not made because the circuit is open", ["breaker"])
CALLS = Counter("ese_breaker_calls_total", "Calls made, by what was learned", ["breaker", "verdict"])


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"


class CircuitOpen(Unavailable):
    """Not tried: the other side failed too often a moment ago."""

    code: ClassVar[str] = "circuit_open"

    def __init__(self, name: str, retry_after: float | None) -> None:
        when = "when an operator closes it" if retry_after is None else f"in {retry_after:.0f} s"
        super().__init__(f"{name} failed too often and is left alone; it is tried again {when}.")
        self.name = name
        self.retry_after = retry_after
        """Seconds until a probe may be made; None while an operator holds it open."""


@dataclass(frozen=True)
class Thresholds:
    """When it trips, how long it stays open (seconds), and what closes it."""

    consecutive_failures: int = 5
    failed_share: float = 0.5
    slow_share: float = 0.8
    slow_seconds: float = 5.0
    window_seconds: float = 60.0
    calls_min: int = 20
    open_seconds: float = 30.0
    open_seconds_max: float = 300.0
    successes_to_close: int = 2

    def open_seconds_after(self, failed_probes: int) -> float:
        return float(min(self.open_seconds_max, self.open_seconds * 2 ** min(failed_probes, 32)))


@dataclass(frozen=True)
class Transition:
    """One change of state, as listeners are told."""

    breaker: str
    before: State
    after: State
    reason: str


class Permit(msgspec.Struct, frozen=True):
    """A call under way: in which period of the breaker it began, and when."""

    period: int
    began: float
    is_probe: bool
    is_observed: bool = False


_NO_PERIOD = -1


class Breaker:
    """`admit` and `report` around each call, or `with breaker.passage():`. Made for one event loop.

    `observe` instead of `admit` where the call is made whatever the state: the breaker learns, and refuses nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        on_transition: Callable[[Transition], None] | None = None,
    ) -> None:
        self.name = name
        self.thresholds = thresholds or Thresholds()
        self.listeners: list[Callable[[Transition], None]] = [on_transition] if on_transition else []
        self._clock, self._uniform = clock, uniform
        self._calls = {verdict: CALLS.labels(name, verdict) for verdict in Verdict}
        self._window = Window(self.thresholds.window_seconds, 3)  # calls, failed, slow
        self._state = State.CLOSED
        self._period = 0
        self._consecutive = 0
        self._failed_probes = 0
        self._probe_successes = 0
        self._probing = False
        self._opens_until = 0.0
        self.changed_at = wall_clock.now()
        """When the state changed last, or the breaker was made."""
        self._show()

    @property
    def state(self) -> State:
        """OPEN until somebody calls after the wait: time alone moves nothing."""
        return self._state

    @property
    def retry_after(self) -> float | None:
        """Seconds until a call may be admitted, 0 when it may now; None while an operator holds it open."""
        if self._state is State.FORCED_OPEN:
            return None
        return max(0.0, self._opens_until - self._clock()) if self._state is State.OPEN else 0.0

    @property
    def room(self) -> int | None:
        """How many calls would be admitted now: one probe, none, or None where nothing bounds them."""
        if self._state in (State.CLOSED, State.DISABLED):
            return None
        may_probe = not self._probing if self._state is State.HALF_OPEN else self.retry_after == 0.0
        return int(may_probe)

    @property
    def failures(self) -> int:
        """Failed calls in a row, as far as the present state counts them; failed probes while it is (half) open."""
        return self._consecutive if self._state is State.CLOSED else self._failed_probes

    @property
    def lately(self) -> tuple[int, int, int]:
        """Calls, failed ones and slow ones within the window, since the last change of state."""
        calls, failed, slow = self._window.totals(self._clock())
        return calls, failed, slow

    def passage(self, *, is_observed: bool = False) -> "Passage":
        """A block whose end is judged. Entering raises `CircuitOpen`, unless it `is_observed` only."""
        return Passage(self, self.observe if is_observed else self.admit)

    def admit(self) -> Permit:
        """Leave to make one call; `report` must follow. Raises `CircuitOpen` at once where there is none."""
        self._end_wait()
        if self._state in (State.OPEN, State.FORCED_OPEN) or (self._state is State.HALF_OPEN and self._probing):
            REJECTIONS.labels(self.name).inc()
            raise CircuitOpen(self.name, self.retry_after)
        self._probing = self._state is State.HALF_OPEN
        return Permit(self._period, self._clock(), self._probing)

    def observe(self) -> Permit:
        """For a call that is made in any case. While half open it counts as a probe, and leaves the one probe's place
        to who must ask for it; while open it counts for nothing."""
        self._end_wait()
        is_counted = self._state not in (State.OPEN, State.FORCED_OPEN)
        period = self._period if is_counted else _NO_PERIOD
        return Permit(period, self._clock(), is_probe=self._state is State.HALF_OPEN, is_observed=True)

    def report(self, permit: Permit, verdict: Verdict) -> None:
        """What became of an admitted call."""
        self._calls[verdict].inc()
        if permit.period != self._period or self._state is State.DISABLED:
            return
        if permit.is_probe and not permit.is_observed:
            self._probing = False
        if verdict is Verdict.NEUTRAL:
            return
        if permit.is_probe:
            self._count_probe(failed=verdict is Verdict.FAILURE)
        else:
            self._count(failed=verdict is Verdict.FAILURE, took=self._clock() - permit.began)

    def retry_now(self) -> None:
        """The other side was seen to answer another caller: the next call may probe. Only a wait is ended."""
        if self._state is State.OPEN:
            self._opens_until = self._clock()

    def force_open(self) -> None:
        """Refuse every call until `reset`."""
        self._move(State.FORCED_OPEN, "operator")

    def disable(self) -> None:
        """Let every call pass, and learn nothing, until `reset`."""
        self._move(State.DISABLED, "operator")

    def reset(self) -> None:
        """Closed, as if nothing had happened."""
        self._move(State.CLOSED, "operator")

    def _end_wait(self) -> None:
        if self._state is State.OPEN and self._clock() >= self._opens_until:
            self._move(State.HALF_OPEN, "waited")

    def _count(self, *, failed: bool, took: float) -> None:
        self._consecutive = self._consecutive + 1 if failed else 0
        self._window.add(self._clock(), 1, int(failed), int(took > self.thresholds.slow_seconds))
        reason = self._tripping()
        if reason:
            self._open(reason)

    def _tripping(self) -> str | None:
        limits = self.thresholds
        if self._consecutive >= limits.consecutive_failures:
            return "consecutive_failures"
        calls, failed, slow = self._window.totals(self._clock())
        if calls < limits.calls_min:
            return None
        if failed >= limits.failed_share * calls:
            return "failed_share"
        return "slow_share" if slow >= limits.slow_share * calls else None

    def _count_probe(self, *, failed: bool) -> None:
        if failed:
            self._failed_probes += 1
            self._open("probe_failed")
            return
        self._probe_successes += 1
        if self._probe_successes >= self.thresholds.successes_to_close:
            self._move(State.CLOSED, "probes_succeeded")

    def _open(self, reason: str) -> None:
        wait = self.thresholds.open_seconds_after(self._failed_probes)
        self._opens_until = self._clock() + self._uniform(wait / 2, wait)
        self._move(State.OPEN, reason)

    def _move(self, state: State, reason: str) -> None:
        """Begin a new period: what was counted before, and what is still under way, belongs to the old one. Listeners
        are told of a state that is another than before."""
        transition = Transition(self.name, self._state, state, reason)
        self._state = state
        self._period += 1
        self._consecutive = self._probe_successes = 0
        self._probing = False
        self._window.clear()
        if state not in (State.OPEN, State.HALF_OPEN):
            self._failed_probes = 0
        if transition.before is state:
            return
        self.changed_at = wall_clock.now()
        TRANSITIONS.labels(self.name, state).inc()
        self._show()
        for listener in self.listeners:
            listener(transition)

    def _show(self) -> None:
        for state in State:
            STATE.labels(self.name, state).set(state is self._state)


class Passage:
    """The block around one call."""

    def __init__(self, breaker: Breaker, enter: Callable[[], Permit]) -> None:
        self._breaker, self._enter = breaker, enter

    def __enter__(self) -> None:
        self._permit = self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._breaker.report(self._permit, judge(error))
