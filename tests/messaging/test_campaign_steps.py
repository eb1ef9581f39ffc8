"""A step that a campaign's state does not allow is refused with what is so and what can be done."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from event_stream_engine import clock
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.model.campaigns import Campaign, CampaignState, Status

STATES: tuple[Status, ...] = get_args(Status)
DRAFT = Campaign(
    id=new_id(), name="Spring", topic=None, template_id=new_id(), segment_id=None, sender_id=None,
    messages_per_second=None, quiet_start=None, quiet_end=None, timezone="UTC", status="draft", pause_reason=None,
    frozen=None, scheduled_at=None, launched_at=None, resumed_at=None, completed_at=None, created_at=clock.now(),
    version=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("status", "wanted", "told"),
    [
        ("running", "running", "This campaign is running already. Pause or cancel it."),
        ("completed", "paused",
         "This campaign is completed, so it cannot be paused. It is over: duplicate it to send again."),
        ("draft", "canceled",
         "This campaign is a draft, so it cannot be canceled. Launch or schedule it, or delete it."),
        ("paused", "draft", "This campaign is paused, so it cannot be taken back to a draft. Resume or cancel it."),
    ],
)  # fmt: skip
def test_the_refusal_says_what_is_so_and_what_to_do(status: Status, wanted: Status, told: str) -> None:
    with pytest.raises(CampaignState) as refused:
        replace(DRAFT, status=status).to(wanted, clock.now())
    assert refused.value.detail == told


def test_every_step_is_taken_or_refused_in_two_sentences() -> None:
    refused = [said for said in (refusal(status, wanted) for status, wanted in product(STATES, STATES)) if said]
    assert len(refused) == 25
    assert all(said.startswith("This campaign is ") and said.count(".") == 2 for said in refused)


def refusal(status: Status, wanted: Status) -> str:
    try:
        replace(DRAFT, status=status).to(wanted, clock.now())
    except CampaignState as error:
        return error.detail
    return ""
