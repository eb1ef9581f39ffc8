"""A message ends in the same state whatever the order in which its news arrives, and however often."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.messaging.model.messages import (
    FROM_PROVIDER,
    OPEN,
    STATUSES,
    Message,
    Status,
    Step,
    advance,
    settle,
)

MESSAGE_ID, CAMPAIGN_ID, CONTACT_ID = UUID(int=1), UUID(int=2), UUID(int=3)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SID = "SM" + "0" * 32

# What Twilio reports of one message, in the order in which it happened.
HISTORIES: tuple[tuple[Status, ...], ...] = (
    ("accepted", "sent", "delivered", "read"),
    ("accepted", "sent", "delivered"),
    ("accepted", "sent", "undelivered"),
    ("accepted", "failed"),
    ("accepted", "sent", "undelivered", "delivered"),  # a carrier that thought better of it
    ("accepted", "sent"),
)
MILESTONES = ("accepted", "sent", "delivered", "read")


def message(status: Status = "sending", **given: object) -> Message:
    return Message(MESSAGE_ID, CAMPAIGN_ID, CONTACT_ID, "+14155550101", status, attempt=1, **given)  # type: ignore[arg-type]


def run(news: list[Status], start: Message) -> tuple[Message, list[Step]]:
    steps = []
    for number, status in enumerate(news):
        code = 30003 if status in ("failed", "undelivered") else None
        step = advance(start, status, BEGAN + timedelta(seconds=number), sid=SID, error_code=code)
        if step is not None:
            steps.append(step)
            start = step.message
    return start, steps


def outcome(found: Message) -> tuple[object, ...]:
    """Everything but the times, which say when we heard of it."""
    reached = tuple(getattr(found, f"{name}_at") is not None for name in MILESTONES)
    return found.status, found.error_code, found.provider_sid, reached


@st.composite
def disorder(draw: st.DrawFn) -> tuple[tuple[Status, ...], list[Status]]:
    """A history, and its news in any order with any of it repeated."""
    history = draw(st.sampled_from(HISTORIES))
    repeated = draw(st.lists(st.sampled_from(history), max_size=5))
    return history, draw(st.permutations([*history, *repeated]))


@given(disorder(), st.sampled_from(["queued", "deferred", "sending", "unknown"]))
def test_any_order_of_receipts_with_repetitions_ends_alike(
    told: tuple[tuple[Status, ...], list[Status]], start: Status
) -> None:
    history, news = told
    expected, _ = run(list(history), message(start))
    found, _ = run(news, message(start))
    assert outcome(found) == outcome(expected)


@given(disorder())
def test_each_milestone_is_counted_once(told: tuple[tuple[Status, ...], list[Status]]) -> None:
    _, news = told
    found, steps = run(news, message())
    counted = [name for step in steps for name in step.event.reached]
    assert len(counted) == len(set(counted))
    assert set(counted) == {name for name in MILESTONES if getattr(found, f"{name}_at") is not None}


@given(disorder())
def test_the_steps_of_a_message_form_a_chain(told: tuple[tuple[Status, ...], list[Status]]) -> None:
    """So that adding one to `status` and taking one from `previous` keeps the counters exact."""
    _, news = told
    start = message()
    at: str = start.status
    for step in run(news, start)[1]:
        assert step.event.previous == at
        at = step.event.status


@given(st.lists(st.sampled_from(STATUSES[4:10]), max_size=8))
def test_what_was_refused_or_canceled_is_not_revived_by_late_news(news: list[Status]) -> None:
    for final in ("refused", "canceled"):
        found, steps = run(news, message(final))  # type: ignore[arg-type]
        assert (found.status, steps) == (final, [])


@given(st.lists(st.sampled_from([*set(FROM_PROVIDER.values())]), min_size=1, max_size=10), st.randoms())
def test_delivery_once_proved_is_never_taken_back(news: list[Status], chance: random.Random) -> None:
    arranged = [*news, "delivered"]
    chance.shuffle(arranged)
    found, _ = run(arranged, message())
    assert found.status in ("delivered", "read")


@pytest.mark.parametrize("status", OPEN)
def test_a_receipt_settles_a_message_whose_send_was_never_confirmed(status: Status) -> None:
    """The reply was lost, or the sender died: the receipt is the first that we hear."""
    step = advance(message(status, due_at=BEGAN), "delivered", BEGAN, sid=SID)
    assert step is not None
    assert (step.message.status, step.message.provider_sid, step.message.due_at) == ("delivered", SID, None)
    assert step.event.reached == ["accepted", "sent", "delivered"]


def test_putting_a_message_back_keeps_its_milestones_and_its_id() -> None:
    step = settle(message("sending"), "queued", BEGAN, reason="throttled", due_at=BEGAN)
    assert (step.message.status, step.event.reached, step.message.attempt) == ("queued", [], 1)
