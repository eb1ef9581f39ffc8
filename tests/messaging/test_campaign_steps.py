"""A step that a campaign's state does not allow is refused with what is so and what can be done."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import get_args

import pytest

from event_stream_engine import clock
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions import campaigns
from event_stream_engine.messaging.model.campaigns import Campaign, CampaignState, Status
from tests.messaging.conftest import BY, World

STATES: tuple[Status, ...] = get_args(Status)
DRAFT = Campaign(
    id=new_id(), name="Spring", topic=None, template_id=new_id(), segment_id=None, sender_id=None,
    messages_per_second=None, quiet_start=None, quiet_end=None, timezone="UTC", status="draft", pause_reason=None,
    frozen=None, scheduled_at=None, launched_at=None, resumed_at=None, completed_at=None, created_at=clock.now(),
    version=1,
)  # fmt: skip


NOW = clock.now()
VERBS: dict[str, Callable[[Campaign], object]] = {
    "launch": lambda campaign: campaign.launch(NOW),
    "schedule": lambda campaign: campaign.schedule(NOW + timedelta(hours=1), NOW),
    "unschedule": lambda campaign: campaign.unschedule(),
    "pause": lambda campaign: campaign.pause(),
    "resume": lambda campaign: campaign.resume(NOW),
    "cancel": lambda campaign: campaign.cancel(NOW),
    "complete": lambda campaign: campaign.complete(NOW),
    "change": lambda campaign: campaign.require("change"),
    "delete": lambda campaign: campaign.require("delete"),
}
ALLOWED = {
    "launch": {"draft", "scheduled"},
    "schedule": {"draft", "scheduled"},
    "unschedule": {"scheduled"},
    "pause": {"running"},
    "resume": {"paused"},
    "cancel": {"scheduled", "running", "paused"},
    "complete": {"running"},
    "change": {"draft", "scheduled"},
    "delete": {"draft", "scheduled"},
}
NAMED = {
    "launch": "launched", "schedule": "scheduled", "unschedule": "taken back to a draft", "pause": "paused",
    "resume": "resumed", "cancel": "canceled", "complete": "completed", "change": "changed", "delete": "deleted",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "verb", "told"),
    [
        ("draft", "resume", "This campaign is a draft, so it cannot be resumed. Launch it instead."),
        ("running", "delete",
         "This campaign is running, so it cannot be deleted. Cancel it instead; its report is kept."),
        ("paused", "launch", "This campaign is paused, so it cannot be launched. Resume it instead."),
        ("running", "launch", "This campaign is running already, so it cannot be launched again. Pause or cancel it."),
        ("running", "resume", "This campaign is running already, so it cannot be resumed again. Pause or cancel it."),
        ("completed", "pause",
         "This campaign is completed, so it cannot be paused. It is over: duplicate it to send again."),
        ("draft", "cancel", "This campaign is a draft, so it cannot be canceled. Delete it instead."),
        ("paused", "unschedule",
         "This campaign is paused, so it cannot be taken back to a draft. Resume or cancel it."),
    ],
)  # fmt: skip
def test_the_refusal_says_what_is_so_and_what_to_do(status: Status, verb: str, told: str) -> None:
    assert refusal(status, verb) == told


def test_each_verb_is_allowed_where_it_makes_sense_and_its_refusal_names_it() -> None:
    for status, verb in product(STATES, VERBS):
        said = refusal(status, verb)
        assert (said == "") == (status in ALLOWED[verb]), (status, verb, said)
        if said:
            assert said.startswith("This campaign is ")
            assert f"cannot be {NAMED[verb]}" in said
            assert said.count(".") == 2


async def test_the_api_refuses_by_the_verb_that_was_asked_for(world: World) -> None:
    campaign = await world.draft()
    with pytest.raises(CampaignState, match="cannot be resumed"):
        await world.act(campaigns.resume_campaign, campaign, by=BY)
    await world.add_contact(1)
    await world.launch(campaign)
    with pytest.raises(CampaignState, match="cannot be deleted"):
        await world.act(campaigns.remove_campaign, campaign, by=BY)
    await world.act(campaigns.pause_campaign, campaign, by=BY)
    with pytest.raises(CampaignState, match="cannot be launched"):
        await world.act(campaigns.launch_campaign, campaign, by=BY)


def refusal(status: Status, verb: str) -> str:
    try:
        VERBS[verb](replace(DRAFT, status=status))
    except CampaignState as error:
        return error.detail
    return ""
