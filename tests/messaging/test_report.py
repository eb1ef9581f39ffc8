"""A campaign's report: all of its figures are of one moment, whatever was counted meanwhile."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import msgspec
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.events.messaging import InboundReceived
from event_stream_engine.messaging.actions import inbound
from event_stream_engine.messaging.actions.sending import Sent
from event_stream_engine.messaging.gateway import Accepted
from event_stream_engine.messaging.model.outcomes import rates_of
from event_stream_engine.messaging.reports import waiting
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.messaging.conftest import World, calm
from tests.sandbox.conftest import StartSandbox

Connect = Callable[..., TwilioGateway]


async def test_the_chart_the_funnel_and_the_states_tell_the_same_while_the_counters_follow(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    await world.add_contact(90, consent="opted_out")
    campaign = await world.launched(6)
    await world.send_round(campaign, gateway, limit=3)
    await world.count()
    await world.send_round(campaign, gateway, limit=2)  # not counted yet
    shown = await world.report(campaign)
    assert sum(point["accepted"] for point in shown["timeline"]) == shown["funnel"]["accepted"] == 5
    assert (shown["counts"]["accepted"], shown["counts"]["queued"]) == (5, 1)
    assert [(r["reason"], r["count"]) for r in shown["refusals"]] == [("opted_out", 1)]
    before = {name: shown[name] for name in ("counts", "funnel", "rates", "refusals", "errors")}
    await world.count()
    after = await world.report(campaign)
    assert {name: after[name] for name in before} == before
    assert sum(after["counts"].values()) - after["counts"]["audience"] == after["funnel"]["audience"] == 7


async def answer(world: World, number: int, body: str) -> None:
    """A person writes, and the event of it is consumed."""
    await world.hear(number, body)
    query = text("SELECT data::text FROM outbox WHERE type = 'InboundReceived' ORDER BY seq DESC LIMIT 1")
    recorded = (await world.act(lambda tx: tx.execute(query))).scalar_one()
    await world.act(inbound.apply, msgspec.json.decode(recorded, type=InboundReceived))


async def test_an_answer_belongs_to_the_campaign_whose_message_its_writer_got_last(world: World) -> None:
    for number in range(3):
        await world.add_contact(number)
    await answer(world, 0, "hello?")
    campaigns = []
    for _ in range(2):
        campaign = await world.draft()
        await world.launch(campaign)
        claim = await world.claim(campaign)
        await world.record(
            [Sent(out, Accepted(sid=f"SM{out.id.hex}", status="queued", segments=1)) for out in claim.outgoing]
        )
        await world.count()
        await answer(world, 0, "thanks")
        await answer(world, 1, "thanks too")
        campaigns.append(campaign)
    await answer(world, 0, "STOP")
    await answer(world, 0, "STOP")
    shown = [await world.report(campaign) for campaign in campaigns]
    assert [(one["opt_outs"], one["replies"]) for one in shown] == [(0, 2), (1, 2)]


def test_what_is_under_way_is_no_failure() -> None:
    """Of 287 accepted 255 are delivered, 6 are not, and 26 are under way."""
    counts = dict.fromkeys(("delivered", "read", "undelivered", "failed"), 0)
    assert rates_of({**counts, "delivered": 200, "read": 55, "undelivered": 6}) == {
        "delivery": 0.977, "read": 0.2157, "failure": 0.023,
    }  # fmt: skip
    assert rates_of(counts) == {"delivery": None, "read": None, "failure": None}


async def test_the_time_to_finish_counts_those_who_wait_for_quiet_hours(world: World) -> None:
    """22:00 to 08:00 in California, where their numbers are, which is 16:00 in UTC."""
    morning = datetime(2026, 3, 2, 16, tzinfo=UTC)
    with clock.frozen(datetime(2026, 3, 2, 7, 0, tzinfo=UTC)):
        campaign = await world.launched(3, quiet_hours=(time(22), time(8)))
        assert await world.act(waiting.quiet_until, [campaign]) == {}, "they are queued"
        await world.claim(campaign)
        await world.count()
        shown = await world.report(campaign)
    assert (shown["sending"], shown["eta_sending"]) == (0, None)
    assert (shown["quiet"]["people"], shown["quiet"]["first_until"]) == (3, morning)
    assert timedelta(0) < shown["eta"] - morning < timedelta(minutes=2)
    assert await world.act(waiting.quiet_until, [campaign]) == {campaign: morning}


def test_those_who_wait_are_sent_to_after_those_who_do_not() -> None:
    now = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    later = now + timedelta(hours=9)
    ends = [waiting.QuietEnd(later, later, 600)]
    assert waiting.sent_by(600, [], 10, now) == now + timedelta(minutes=1)
    assert waiting.sent_by(600, ends, 10, now) == later + timedelta(minutes=1)
    assert waiting.sent_by(600, ends, None, now) is None
