"""What the alerts about campaigns are judged by."""

from event_stream_engine.messaging.actions import campaigns
from event_stream_engine.messaging.reports.figures import figures
from tests.messaging.conftest import BY, World
from tests.messaging.test_pausing import answered


async def test_a_campaign_that_the_platform_paused_is_shown_until_it_is_resumed(world: World) -> None:
    campaign = await world.launched(40)
    await answered(world, campaign, [20003])
    assert (await world.act(figures)).paused == [str(campaign)]
    await world.act(campaigns.resume_campaign, campaign, by=BY)
    await world.act(campaigns.pause_campaign, campaign, by=BY)
    assert (await world.act(figures)).paused == [], "a person paused it"


async def test_the_share_of_failures_is_shown_from_twenty_outcomes_on(world: World) -> None:
    campaign = await world.launched(40)
    await answered(world, campaign, [21211] * 19 + [0] * 5)
    await world.count()
    assert (await world.act(figures)).failing == []
    await answered(world, campaign, [21211])
    await world.count()
    assert (await world.act(figures)).failing == [(str(campaign), 1.0)], "without a receipt a message has no outcome"
