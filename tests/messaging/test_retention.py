"""Age removes messages, and no figure of a report: its totals, causes, replies and delivery times stay."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.messaging import retention_tasks
from event_stream_engine.messaging.actions import campaigns as campaign_actions
from event_stream_engine.settings import load_settings
from tests.messaging.conftest import World
from tests.messaging.spans import MESSAGES, campaign_over

STAYS = ("counts", "funnel", "rates", "errors", "refusals", "opt_outs", "replies", "seconds_to_deliver")
A_DAY = 86_400


async def rows_of(world: World, table: str) -> int:
    count = await world.act(lambda tx: tx.execute(text(f"SELECT count(*) FROM {table}")))
    return int(count.scalar_one())


async def retire(world: World, days: float) -> None:
    await retention_tasks.remove_old(world.database, clock.now() - timedelta(days=days))


@pytest.mark.parametrize("span", [timedelta(minutes=10), timedelta(days=3)], ids=["short", "days"])
async def test_a_campaign_that_ended_long_ago_keeps_its_totals_without_its_messages(
    world: World, span: timedelta
) -> None:
    await world.add_contact(90, consent="opted_out")
    campaign = await campaign_over(world, span)
    assert (await world.campaign(campaign)).status == "completed"
    before = await world.report(campaign)
    await retire(world, 1)
    assert await rows_of(world, "messages") == MESSAGES + 1, "it ended today"
    with clock.frozen(clock.now() + timedelta(days=40)):
        await retire(world, 30)
        after = await world.report(campaign)
    assert (await rows_of(world, "messages"), await rows_of(world, "delivery_receipts")) == (0, 0)
    assert {name: after[name] for name in STAYS} == {name: before[name] for name in STAYS}
    assert after["timeline_seconds"] == A_DAY
    for name in ("accepted", "delivered"):
        assert sum(point[name] for point in after["timeline"]) == MESSAGES
    assert (before["retired_at"], after["retired_at"]) == (
        None,
        pytest.approx(clock.now() + timedelta(days=40), abs=timedelta(minutes=1)),
    )
    audited = await world.act(
        lambda tx: tx.execute(text("SELECT entity_id FROM audit_entries WHERE action = 'campaign.retire'"))
    )
    assert list(audited.scalars()) == [str(campaign)]


async def test_a_campaign_whose_counters_differ_from_its_messages_keeps_them(world: World) -> None:
    campaign = await campaign_over(world, timedelta(minutes=10))
    wrong = text("UPDATE campaign_counts SET delivered = delivered - 1")
    await world.act(lambda tx: tx.execute(wrong))
    with clock.frozen(clock.now() + timedelta(days=40)):
        await retire(world, 30)
        shown = await world.report(campaign)
    assert await rows_of(world, "messages") == MESSAGES
    assert shown["retired_at"] is None


async def test_a_campaign_under_way_and_young_test_messages_stay(world: World) -> None:
    campaign = await world.launched(3)
    for age in (50, 10):
        row = f"INSERT INTO messages (phone, status, updated_at) VALUES ('+1', 'sent', now() - interval '{age} days')"
        await world.act(lambda tx, row=row: tx.execute(text(row)))
    await retire(world, 30)
    assert len(await world.rows(campaign)) == 3
    assert await rows_of(world, "messages") == 4


async def test_what_one_chunk_does_not_hold_is_removed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_tasks, "CHUNK", 2)
    await campaign_over(world, timedelta(minutes=10))
    with clock.frozen(clock.now() + timedelta(days=40)):
        await retire(world, 30)
    assert (await rows_of(world, "messages"), await rows_of(world, "delivery_receipts")) == (0, 0)


@pytest.mark.parametrize(
    ("span", "is_merged"), [(timedelta(weeks=5), True), (timedelta(days=4), False)], ids=["weeks", "days"]
)
async def test_counters_of_weeks_are_kept_by_the_hour_and_the_chart_is_the_same(
    world: World, span: timedelta, is_merged: bool
) -> None:
    campaign = await campaign_over(world, span)
    before, minutes = await world.report(campaign), await minutes_of(world)
    for _ in range(2):
        await retention_tasks.merge_old_counters(world.database)
    assert await world.report(campaign) == before
    lately = clock.now() - timedelta(days=2)
    merged = {minute.replace(minute=0) if minute < lately else minute for minute in minutes}
    assert await minutes_of(world) == (merged if is_merged else minutes)


async def minutes_of(world: World) -> set[datetime]:
    return set((await world.act(lambda tx: tx.execute(text("SELECT minute FROM campaign_minutes")))).scalars())


def test_all_is_kept_unless_a_retention_is_set() -> None:
    for given, days in (
        ({}, None),
        ({"ESE_MESSAGE_RETENTION_DAYS": ""}, None),
        ({"ESE_MESSAGE_RETENTION_DAYS": "90"}, 90),
    ):
        assert load_settings({"ESE_HOME": "/nonexistent", **given}).messaging.retention_days == days


async def test_a_retired_campaign_is_over(world: World) -> None:
    """Nothing sends it again: it is completed, and its people are not written to by it."""
    campaign = await campaign_over(world, timedelta(minutes=10))
    with clock.frozen(clock.now() + timedelta(days=40)):
        await retire(world, 30)
        assert (await world.claim(campaign)).outgoing == []
        await world.act(campaign_actions.freeze_audience, campaign)
    assert await rows_of(world, "messages") == 0
