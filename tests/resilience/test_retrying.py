"""Retries are spread evenly, bounded in time and in number, and never knock at an open circuit."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.resilience import Backoff, Breaker, CircuitOpen, Guard, RetryBudget

SAMPLES = 2000
CRITICAL = 1.63 / SAMPLES**0.5  # Kolmogorov-Smirnov, one sample, 1 %


class Bench:
    """A guard whose time passes only in its own waits."""

    def __init__(self, seed: int = 1, **options: object) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.calls: list[float] = []
        self.breaker = Breaker("bench", clock=lambda: self.now)
        options = {"uniform": random.Random(seed).uniform, **options}
        self.guard = Guard(self.breaker, clock=lambda: self.now, sleep=self.sleep, **options)  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def down(self) -> None:
        self.calls.append(self.now)
        raise ConnectionRefusedError


def unlimited() -> RetryBudget:
    return RetryBudget(reserve=10**9)


def distance(samples: list[float], bound: float) -> float:
    """Kolmogorov-Smirnov: the largest gap between what was drawn and the even distribution over 0 to `bound`."""
    ordered = sorted(sample / bound for sample in samples)
    count = len(ordered)
    return max(max((i + 1) / count - x, x - i / count) for i, x in enumerate(ordered))


@pytest.mark.parametrize("retry", [0, 3, 12])
def test_waits_are_drawn_evenly_from_nothing_to_the_bound(retry: int) -> None:
    draw, backoff = random.Random(7).uniform, Backoff()
    assert distance([backoff.wait(retry, draw) for _ in range(SAMPLES)], backoff.bound(retry)) < CRITICAL


def test_the_measure_of_evenness_tells_another_jitter_from_it() -> None:
    draw, bound = random.Random(7).uniform, 1.0
    assert distance([bound / 2 + draw(0, bound / 2) for _ in range(SAMPLES)], bound) > CRITICAL
    assert distance([bound * draw(0.9, 1) for _ in range(SAMPLES)], bound) > CRITICAL


@given(
    retry=st.integers(0, 10**6),
    base=st.floats(0.001, 10),
    cap=st.floats(0.01, 100),
    drawn=st.floats(0, 1),
)
def test_no_wait_passes_its_cap(retry: int, base: float, cap: float, drawn: float) -> None:
    backoff = Backoff(base=base, cap=cap)
    wait = backoff.wait(retry, lambda low, high: low + drawn * (high - low))
    assert 0 <= wait <= cap
    assert wait <= base * 2.0 ** min(retry, 900)


@given(seed=st.integers(0, 10**6), deadline=st.floats(0.01, 400), failures=st.integers(1, 4))
def test_nothing_is_tried_after_the_deadline(seed: int, deadline: float, failures: int) -> None:
    bench = Bench(seed, budget=unlimited())
    bench.breaker.disable()
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(bench.guard.run(bench.down, deadline=deadline))
    assert bench.now < min(deadline, 300)
    assert all(wait <= 30 for wait in bench.waits)


async def test_an_attempt_is_cut_at_its_timeout() -> None:
    guard = Guard(Breaker("slow"), timeout=0.01, budget=RetryBudget(reserve=0))
    with pytest.raises(TimeoutError):
        await guard.run(asyncio.Event().wait)


async def test_the_breaker_opens_within_five_attempts_and_is_not_knocked_at_again() -> None:
    bench = Bench(budget=unlimited())
    with pytest.raises(CircuitOpen):
        await bench.guard.run(bench.down)
    assert len(bench.calls) == 5
    with pytest.raises(CircuitOpen):
        await bench.guard.run(bench.down)
    assert len(bench.calls) == 5


async def test_retries_stay_within_a_tenth_of_the_calls_and_three() -> None:
    bench = Bench()
    bench.breaker.disable()
    for _ in range(100):
        with pytest.raises(ConnectionRefusedError):
            await bench.guard.run(bench.down)
    lasted = max(bench.calls)
    assert lasted < 60, "the window did not roll"
    assert len(bench.calls) - 100 == 100 * 0.1 + 3


@given(steps=st.lists(st.tuples(st.sampled_from(["call", "retry"]), st.floats(0, 5)), max_size=300))
def test_the_budget_holds_in_every_minute(steps: list[tuple[str, float]]) -> None:
    now, calls, retries = 0.0, [], []
    budget = RetryBudget(clock=lambda: now)
    for kind, seconds in steps:
        now += seconds
        if kind == "call":
            calls.append(now)
            budget.called()
        elif budget.take():
            retries.append(now)
            assert recent(retries, now) <= 0.1 * recent(calls, now) + 3


def recent(times: list[float], now: float) -> int:
    return sum(int(at) > int(now) - 60 for at in times)


async def test_what_passes_is_retried_and_what_does_not_is_told_at_once() -> None:
    bench = Bench()
    answers = iter([ConnectionResetError(), TimeoutError(), "done"])

    async def recovers() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    async def wrong() -> None:
        bench.calls.append(bench.now)
        raise ValueError("a mistake of ours")

    assert await bench.guard.run(recovers) == "done"
    with pytest.raises(ValueError, match="mistake"):
        await bench.guard.run(wrong)
    assert len(bench.calls) == 1


async def test_a_canceled_call_is_not_made_again() -> None:
    bench, began = Bench(), asyncio.Event()

    async def hangs() -> None:
        bench.calls.append(bench.now)
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(bench.guard.run(hangs))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(bench.calls) == 1
