"""The breakers of a process obey the newest order, and those that come later find the orders of before."""

import pytest

from event_stream_engine.resilience import (
    Action,
    Breaker,
    Circuits,
    Order,
    Pool,
    State,
    Thresholds,
    Transition,
    Verdict,
)
from tests.resilience.test_breaker import Time, breaker, fail


def ordered(number: int, action: Action, name: str = "twilio") -> Order:
    return Order(number, name, action)


@pytest.mark.parametrize("action", [Action.OPEN, Action.DISABLE])
def test_a_breaker_that_is_made_later_finds_what_was_ordered(action: Action) -> None:
    circuits = Circuits()
    circuits.obey([ordered(1, action)])
    assert circuits.breaker("twilio").state in (State.FORCED_OPEN, State.DISABLED)
    assert circuits.breaker("smtp").state is State.CLOSED


def test_an_order_is_carried_out_once_and_its_change_is_told() -> None:
    circuits, told = Circuits(), list[Transition]()
    circuits.listeners.append(told.append)
    twilio = circuits.breaker("twilio")
    circuits.obey([ordered(1, Action.OPEN)])
    twilio.reset()
    circuits.obey([ordered(1, Action.OPEN)])
    assert twilio.state is State.CLOSED, "the order was obeyed, and somebody reset the breaker since"
    circuits.obey([ordered(2, Action.OPEN)])
    circuits.obey([ordered(3, Action.RESET)])
    assert twilio.state is State.CLOSED
    assert [each.after for each in told] == ["forced_open", "closed", "forced_open", "closed"]


def test_a_reset_closes_what_opened_by_itself() -> None:
    circuits = Circuits()
    fail(twilio := circuits.breaker("twilio"))
    assert twilio.state is State.OPEN
    circuits.obey([ordered(1, Action.RESET)])
    assert twilio.state is State.CLOSED


def test_room_is_one_probe_after_the_wait_and_none_before() -> None:
    time = Time()
    subject = breaker(time)
    assert subject.room is None
    fail(subject)
    assert subject.room == 0
    time.now += 30
    assert subject.room == 1
    probe = subject.admit()
    assert subject.room == 0, "one probe at a time"
    subject.report(probe, Verdict.SUCCESS)
    assert subject.room == 1
    subject.force_open()
    assert subject.room == 0
    subject.disable()
    assert subject.room is None


def test_what_is_only_observed_is_never_refused_and_closes_the_circuit_after_the_wait() -> None:
    time = Time()
    subject = breaker(time, thresholds=Thresholds(open_seconds=1, successes_to_close=1))
    for _ in range(5):
        subject.report(subject.observe(), Verdict.FAILURE)
    assert subject.state is State.OPEN
    subject.report(subject.observe(), Verdict.SUCCESS)
    assert subject.state is State.OPEN, "before the wait is over it counts for nothing"
    time.now += 1
    subject.report(subject.observe(), Verdict.SUCCESS)
    assert subject.state is State.CLOSED


def test_what_is_only_observed_takes_nobodys_place_as_the_probe() -> None:
    time = Time()
    subject = breaker(time, thresholds=Thresholds(open_seconds=1, successes_to_close=2))
    for _ in range(5):
        subject.report(subject.admit(), Verdict.FAILURE)
    time.now += 1
    of_a_loop = subject.observe()
    asked = subject.admit()
    assert subject.room == 0
    subject.report(of_a_loop, Verdict.SUCCESS)
    assert subject.room == 0, "the one that asked is still out"
    subject.report(asked, Verdict.SUCCESS)
    assert subject.state is State.CLOSED


def test_a_pool_is_looked_at_when_somebody_asks() -> None:
    circuits, in_use = Circuits(), [1]
    circuits.add_pool("postgresql", lambda: Pool(10, in_use[0], 0))
    in_use[0] = 7
    assert circuits.pools() == {"postgresql": Pool(10, 7, 0)}


def test_one_of_the_same_name_takes_the_place_of_another() -> None:
    circuits = Circuits()
    circuits.breaker("twilio")
    other = circuits.add(Breaker("twilio"))
    assert circuits.breaker("twilio") is other
