"""A service that is down is left alone, and the breaker says so."""

import asyncio

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import DBAPIError

from event_stream_engine.resilience import (
    Breaker,
    CircuitOpen,
    State,
    Transition,
    Verdict,
    is_transient,
    is_unreachable,
    judge,
    sqlstate,
)


class Time:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def breaker(time: Time, name: str = "test", **options: object) -> Breaker:
    return Breaker(name, clock=time, uniform=lambda low, high: high, **options)  # type: ignore[arg-type]


def fail(breaker: Breaker, times: int = 5) -> None:
    for _ in range(times):
        breaker.report(breaker.admit(), Verdict.FAILURE)


async def test_one_probe_goes_out_when_a_hundred_call_at_once() -> None:
    time = Time()
    subject = breaker(time)
    fail(subject)
    time.now += 30
    probes, refused, release = 0, 0, asyncio.Event()

    async def caller() -> None:
        nonlocal probes, refused
        try:
            with subject.passage():
                probes += 1
                await release.wait()
        except CircuitOpen:
            refused += 1
            if refused == 99:
                release.set()

    for expected in (State.HALF_OPEN, State.CLOSED):
        refused, release = 0, asyncio.Event()
        await asyncio.gather(*(caller() for _ in range(100)))
        assert (subject.state, refused) == (expected, 99)
    assert probes == 2


def test_open_waits_double_to_five_minutes_and_begin_anew_once_closed() -> None:
    time = Time()
    subject = breaker(time)
    fail(subject)
    waits = []
    for _ in range(6):
        waits.append(subject.retry_after)
        time.now += waits[-1] or 0
        fail(subject, 1)
    assert waits == [30, 60, 120, 240, 300, 300]
    time.now += 300
    for _ in range(2):
        subject.report(subject.admit(), Verdict.SUCCESS)
    fail(subject)
    assert subject.retry_after == 30


def test_a_canceled_probe_makes_room_for_another() -> None:
    time = Time()
    subject = breaker(time)
    fail(subject)
    time.now += 30
    subject.report(subject.admit(), Verdict.NEUTRAL)
    assert subject.state is State.HALF_OPEN
    assert subject.admit().is_probe


def test_a_call_that_began_before_the_circuit_opened_decides_nothing() -> None:
    time = Time()
    subject = breaker(time)
    late = subject.admit()
    fail(subject)
    time.now += 30
    subject.admit()
    subject.report(late, Verdict.FAILURE)
    assert subject.state is State.HALF_OPEN


def test_transitions_and_refusals_are_told_and_counted() -> None:
    told: list[Transition] = []
    subject = breaker(Time(), "counted", on_transition=told.append)
    fail(subject)
    with pytest.raises(CircuitOpen, match=r"counted .* in 30 s"):
        subject.admit()
    assert told == [Transition("counted", State.CLOSED, State.OPEN, "consecutive_failures")]
    assert REGISTRY.get_sample_value("ese_breaker_transitions_total", {"breaker": "counted", "to": "open"}) == 1
    assert REGISTRY.get_sample_value("ese_breaker_rejections_total", {"breaker": "counted"}) == 1
    assert REGISTRY.get_sample_value("ese_breaker_state", {"breaker": "counted", "state": "open"}) == 1


@pytest.mark.parametrize(
    ("error", "verdict", "transient"),
    [
        (ConnectionRefusedError(), Verdict.FAILURE, True),
        (TimeoutError(), Verdict.FAILURE, True),
        (asyncpg.InterfaceError("connection is closed"), Verdict.FAILURE, True),
        (asyncpg.ConnectionDoesNotExistError(), Verdict.FAILURE, True),
        (asyncpg.TooManyConnectionsError(), Verdict.FAILURE, True),
        (asyncpg.AdminShutdownError(), Verdict.FAILURE, True),
        (asyncpg.SerializationError(), Verdict.FAILURE, True),
        (asyncpg.DeadlockDetectedError(), Verdict.FAILURE, True),
        (asyncpg.UniqueViolationError(), Verdict.REFUSED, False),
        (asyncpg.UntranslatableCharacterError(), Verdict.REFUSED, False),
        (asyncpg.UndefinedTableError(), Verdict.FAILURE, False),
        (ValueError(), Verdict.FAILURE, False),
        (asyncio.CancelledError(), Verdict.NEUTRAL, False),
        (DBAPIError("insert", None, asyncpg.CheckViolationError()), Verdict.REFUSED, False),
        (DBAPIError("insert", None, Exception(), connection_invalidated=True), Verdict.FAILURE, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_errors_are_told_apart(error: BaseException, verdict: Verdict, transient: bool) -> None:
    assert (judge(error), is_transient(error)) == (verdict, transient)


async def test_the_real_driver_names_the_state_through_the_pool(database: object) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with database.transaction() as tx:  # type: ignore[attr-defined]
            await tx.exec_driver_sql("SELECT 1/0")
    assert sqlstate(caught.value) == "22012"
    assert judge(caught.value) is Verdict.REFUSED


def test_the_wait_ends_when_the_other_side_is_seen_to_answer_and_only_the_wait() -> None:
    time = Time()
    subject = breaker(time)
    subject.retry_now()
    assert subject.state is State.CLOSED
    fail(subject)
    assert subject.retry_after == 30.0
    subject.retry_now()
    assert subject.retry_after == 0.0
    fail(subject, 1)
    assert (subject.state, subject.retry_after) == (State.OPEN, 60.0), "a probe that fails waits longer all the same"
    subject.force_open()
    subject.retry_now()
    assert subject.state is State.FORCED_OPEN


def test_a_reset_of_a_closed_breaker_forgets_failures_and_is_no_change() -> None:
    told: list[Transition] = []
    subject = breaker(Time(), on_transition=told.append)
    fail(subject, 4)
    subject.reset()
    assert (subject.failures, told) == (0, [])
    subject.force_open()
    subject.force_open()
    assert [(each.before, each.after) for each in told] == [(State.CLOSED, State.FORCED_OPEN)]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), True),
        (asyncpg.ConnectionDoesNotExistError(), True),
        (asyncpg.CannotConnectNowError(), True),
        (TimeoutError(), False),
        (asyncpg.LockNotAvailableError(), False),
        (asyncpg.UniqueViolationError(), False),
        (ValueError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_server_that_could_not_be_reached_is_told_from_one_that_failed(error: BaseException, expected: bool) -> None:
    assert is_unreachable(error) is expected
