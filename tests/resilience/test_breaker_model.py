"""The breaker does what the written rules say, whatever is thrown at it: against a model that keeps every call."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from event_stream_engine.resilience import Breaker, CircuitOpen, Transition, Verdict
from event_stream_engine.resilience.breaker import Permit

VERDICTS = st.sampled_from([Verdict.SUCCESS, Verdict.FAILURE, Verdict.FAILURE, Verdict.REFUSED, Verdict.NEUTRAL])


@dataclass
class Reference:
    """The rules once more, from the calls themselves."""

    state: str = "closed"
    era: int = 0
    changes: int = 0
    calls: list[tuple[int, bool, bool]] = field(default_factory=list)  # second, failed, slow
    opened_at: float = 0.0
    wait: float = 0.0
    failed_probes: int = 0
    good_probes: int = 0
    probe_out: bool = False

    def change(self, state: str) -> None:
        self.changes += state != self.state
        self.state, self.era, self.calls, self.good_probes, self.probe_out = state, self.era + 1, [], 0, False
        if state not in ("open", "half_open"):
            self.failed_probes = 0

    def open(self, now: float, drawn: float) -> None:
        bound = min(300.0, 30.0 * 2**self.failed_probes)
        self.opened_at, self.wait = now, bound / 2 + drawn * bound / 2
        self.change("open")

    def wait_ends(self, now: float) -> None:
        if self.state == "open" and now >= self.opened_at + self.wait:
            self.change("half_open")

    def lets_through(self, now: float) -> bool:
        self.wait_ends(now)
        if self.state == "half_open" and not self.probe_out:
            self.probe_out = True
            return True
        return self.state in ("closed", "disabled")

    def hears(self, now: float, verdict: Verdict, slow: bool, era: int, observed: bool, drawn: float) -> None:
        if era != self.era or self.state in ("disabled", "open", "forced_open"):
            return
        failed = verdict == Verdict.FAILURE
        if self.state == "half_open":
            self.probe_out = self.probe_out and observed
            if failed:
                self.failed_probes += 1
                self.open(now, drawn)
            elif verdict != Verdict.NEUTRAL:
                self.good_probes += 1
                if self.good_probes == 2:
                    self.change("closed")
        elif verdict != Verdict.NEUTRAL:
            self.calls.append((int(now), failed, slow))
            if self.should_trip(now):
                self.open(now, drawn)

    def should_trip(self, now: float) -> bool:
        last = [failed for _, failed, _ in self.calls[-5:]]
        recent = [call for call in self.calls if call[0] > int(now) - 60]
        failed, slow = (sum(call[kind] for call in recent) for kind in (1, 2))
        shares = len(recent) >= 20 and (failed / len(recent) >= 0.5 or slow / len(recent) >= 0.8)
        return (len(last) == 5 and all(last)) or shares


class BreakerFollowsTheRules(RuleBasedStateMachine):
    permits = Bundle("permits")

    @initialize()
    def begin(self) -> None:
        self.now, self.drawn = 1000.0, 0.5
        self.transitions: list[Transition] = []
        self.breaker = Breaker(
            "model",
            clock=lambda: self.now,
            uniform=lambda low, high: low + self.drawn * (high - low),
            on_transition=self.transitions.append,
        )
        self.reference = Reference()

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.0, 6.0, 20.0, 31.0, 61.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(drawn=st.floats(0, 1))
    def chance(self, drawn: float) -> None:
        self.drawn = drawn

    @rule(target=permits)
    def is_made_in_any_case(self) -> tuple[Permit, int]:
        self.reference.wait_ends(self.now)
        return self.breaker.observe(), self.reference.era

    @rule(target=permits)
    def asks(self) -> tuple[Permit | None, int]:
        allowed = self.reference.lets_through(self.now)
        try:
            permit: Permit | None = self.breaker.admit()
        except CircuitOpen:
            permit = None
        assert (permit is not None) == allowed
        assert (self.breaker.retry_after or 0) <= 300
        return permit, self.reference.era

    @rule(given=consumes(permits), verdict=VERDICTS)
    def ends(self, given: tuple[Permit | None, int], verdict: Verdict) -> None:
        permit, era = given
        if permit is not None:
            slow = self.now - permit.began > 5
            self.reference.hears(self.now, verdict, slow, era, permit.is_observed, self.drawn)
            self.breaker.report(permit, verdict)

    @rule(verdict=VERDICTS, count=st.integers(1, 25))
    def many_calls(self, verdict: Verdict, count: int) -> None:
        for _ in range(count):
            self.ends(self.asks(), verdict)

    @rule(operation=st.sampled_from(["force_open", "disable", "reset"]))
    def operator(self, operation: str) -> None:
        getattr(self.breaker, operation)()
        self.reference.change({"force_open": "forced_open", "disable": "disabled", "reset": "closed"}[operation])

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "breaker"):
            assert self.breaker.state == self.reference.state
            assert len(self.transitions) == self.reference.changes, "each change of state is told, once"
            assert not self.transitions or self.transitions[-1].after == self.breaker.state


BreakerFollowsTheRules.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestBreakerFollowsTheRules = BreakerFollowsTheRules.TestCase
