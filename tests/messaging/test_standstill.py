"""A campaign that stands still says why, from what is known, and when it goes on."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.live.circuits import Told, here
from event_stream_engine.live.heartbeats import NEEDED, Heard, Process
from event_stream_engine.messaging.actions import campaigns
from event_stream_engine.messaging.reports import dashboard
from event_stream_engine.messaging.reports.standstill import Standstill, standing_still
from event_stream_engine.messaging.reports.timeline import POINTS_MAX, span_of, timeline, width_for
from event_stream_engine.messaging.store import listings
from event_stream_engine.messaging.twilio.client import TwilioGateway
from event_stream_engine.messaging.twilio.guarded import SENDING
from event_stream_engine.resilience import Circuits
from tests.messaging.conftest import BY, SENDER, World, calm, later
from tests.resilience.test_breaker import fail
from tests.sandbox.conftest import StartSandbox

Connect = Callable[..., TwilioGateway]


def alive(*names: str) -> Heard:
    now = clock.now()
    return Heard(tuple(Process(name, "host", 1, now, now, is_alive=True) for name in names))


async def look(world: World, campaign: UUID, heard: Heard | None, told: Sequence[Told] = ()) -> Standstill | None:
    found: dict[UUID, Standstill] = await world.act(standing_still, [campaign], heard, told)
    return found.get(campaign)


async def inbound_known(world: World) -> None:
    """Twilio has listed what people wrote."""
    at = clock.now() + timedelta(hours=1)
    await world.act(listings.save, listings.Listing(SENDER, "sms", complete_until=at, succeeded_at=at))


async def test_while_twilio_has_not_listed_what_people_wrote_it_says_so(world: World) -> None:
    campaign = await world.launched(3)
    with later(16):
        found = await look(world, campaign, alive(*NEEDED))
        assert found is not None
        assert (found.reason, found.waiting) == ("inbound_unknown", 3)


async def test_a_campaign_that_moves_says_nothing(world: World) -> None:
    campaign = await world.launched(3)
    assert await look(world, campaign, alive()) is None, "fifteen seconds have not passed"


async def test_without_a_worker_it_says_so(world: World) -> None:
    campaign = await world.launched(3)
    with later(16):
        found = await look(world, campaign, alive("relay", "consume"))
        assert found is not None
        assert (found.reason, found.waiting) == ("no_worker", 3)
        assert "ese work" in found.goes_on
        await inbound_known(world)
        known = await look(world, campaign, alive(*NEEDED))
        assert known is not None
        assert known.reason == "not_known", "nothing is invented"


async def test_while_every_worker_leaves_twilio_alone_it_says_so_and_when_it_is_tried_again(world: World) -> None:
    campaign = await world.launched(3)
    broken, held, whole = Circuits(), Circuits(), Circuits()
    fail(broken.breaker(SENDING))
    held.breaker(SENDING).force_open()
    whole.breaker(SENDING)
    found = await look(world, campaign, alive(*NEEDED), [here("work", broken), here("work", held)])
    assert found is not None
    assert (found.reason, found.waiting) == ("circuit_open", 3)
    assert found.resumes_at is not None
    assert found.resumes_at > clock.now()
    ordered = await look(world, campaign, alive(*NEEDED), [here("work", held)])
    assert ordered is not None
    assert (ordered.reason, ordered.resumes_at) == ("circuit_open", None)
    assert "operator" in ordered.message
    assert await look(world, campaign, alive(*NEEDED), [here("work", held), here("work", whole)]) is None


async def test_quiet_hours_say_when_they_end(world: World) -> None:
    """22:00 to 08:00 in California, where their numbers are."""
    with clock.frozen(datetime(2026, 3, 2, 7, 0, tzinfo=UTC)):
        campaign = await world.launched(3, quiet_hours=(time(22), time(8)))
        await world.claim(campaign)
        await world.count()
        assert await world.statuses(campaign) == {"deferred": 3}
    with clock.frozen(datetime(2026, 3, 2, 9, 0, tzinfo=UTC)):
        await world.act(_moved_last, clock.now() - timedelta(hours=2))
        found = await look(world, campaign, alive(*NEEDED))
        assert found is not None
        assert (found.reason, found.resumes_at) == ("quiet_hours", datetime(2026, 3, 2, 16, tzinfo=UTC))
        overview = await world.act(dashboard.figures, None)
        assert overview["attention"] == [], "it was ordered: no incident"
        held = Circuits()
        held.breaker(SENDING).force_open()
        assert await look(world, campaign, alive(*NEEDED), [here("work", held)]) == found, "nobody is due before"


async def _moved_last(tx: Transaction, at: datetime) -> None:
    await tx.execute(text("UPDATE campaign_counts SET updated_at = :at"), {"at": at})
    await tx.execute(text("UPDATE campaigns SET launched_at = :at"), {"at": at})


_LETTER = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
    taken_over, error_class, error, stack, history, release, first_failed_at)
VALUES (gen_random_uuid(), 'messaging.freeze_audience', gen_random_uuid(), 'messaging.campaign.v1', '1-1', 1, 1,
    'CampaignLaunched', CAST(:campaign AS text), '{}', 12, 0, 0, 'DBAPIError', 'no room', '', '[]', '1', now())
"""


async def test_a_campaign_whose_event_was_given_up_names_the_dead_letters(world: World) -> None:
    campaign = await world.launched(3)
    await world.act(lambda tx: tx.execute(text(_LETTER), {"campaign": str(campaign)}))
    with later(16):
        found = await look(world, campaign, alive(*NEEDED))
        assert found is not None
        assert found.reason == "given_up"
        await world.act(lambda tx: tx.execute(text("UPDATE dead_letters SET status = 'redriven'")))
        await inbound_known(world)
        redriven = await look(world, campaign, alive(*NEEDED))
        assert redriven is not None
        assert redriven.reason == "not_known"


async def test_a_pause_is_no_standstill(world: World) -> None:
    campaign = await world.launched(3)
    await world.act(campaigns.pause_campaign, campaign, by=BY)
    with later(60):
        assert await look(world, campaign, alive()) is None
        await world.act(campaigns.resume_campaign, campaign, by=BY)
        assert await look(world, campaign, alive()) is None, "it was resumed just now"


async def test_a_campaign_of_seconds_is_more_than_one_point(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    campaign = await world.launched(6)
    await world.send_round(campaign, gateway, limit=3)
    with later(4):
        await world.send_round(campaign, gateway, limit=3)
    await world.count()
    width, points = await world.act(timeline, campaign, await world.act(span_of, campaign, 6))
    assert width == 1
    assert sum(point["accepted"] for point in points) == 6
    assert [point["accepted"] for point in points][:: len(points) - 1] == [3, 3]
    assert all(b["at"] - a["at"] == timedelta(seconds=1) for a, b in pairwise(points))


def test_however_long_it_took_the_points_are_bounded() -> None:
    spans = [timedelta(seconds=s) for s in (1, 359, 360, 3600, 86_400, 86_400 * 14)]
    assert [width_for(span) for span in spans] == [1, 1, 2, 15, 300, 3600]
    assert all(span.total_seconds() / width_for(span) < POINTS_MAX for span in spans)


async def test_behind_another_campaigns_message_to_the_same_people_it_says_so(world: World) -> None:
    first = await world.launched(3)
    second = await world.draft(body="Another")
    await world.launch(second)
    await world.claim(first)
    await world.claim(second)
    with later(16):
        found = await look(world, second, alive(*NEEDED))
    assert found is not None
    assert (found.reason, found.waiting) == ("other_message", 3)
