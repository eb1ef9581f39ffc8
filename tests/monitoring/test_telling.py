"""What the platform does becomes monitoring events, once, without a person's data; metrics are added up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.entrypoints.monitoring.counters import sample, tell_risen
from event_stream_engine.entrypoints.monitoring.keeping import kept
from event_stream_engine.events.messaging import CampaignStateChanged, InboundReceived
from event_stream_engine.flags.api import Flags
from event_stream_engine.ids import new_id
from event_stream_engine.monitoring import consumers, store
from event_stream_engine.monitoring.api import Category, get_broadcaster, reset_broadcaster
from event_stream_engine.monitoring.store import MetricFlush
from event_stream_engine.telemetry import following
from tests.monitoring.test_persisting import row_of
from tests.web.settings import settings_for


@pytest.fixture(autouse=True)
def _new_broadcaster() -> Iterator[None]:
    import_reactions()
    reset_broadcaster()
    yield
    reset_broadcaster()


async def test_a_fact_is_told_once_however_often_it_is_delivered(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    campaign, fact = str(new_id()), new_id()
    changed = CampaignStateChanged(campaign_id=campaign, previous="running", status="failed", reason="no sender")
    async with kept(settings_for(database_url, redis_url, tmp_path), database, Flags(), "consume"):
        for _ in range(3):
            with following(None, fact):
                await consumers.campaign_changed(changed)
    async with database.transaction() as tx:
        found = (await tx.execute(text("SELECT event_id, event_type, category, data FROM monitoring_events"))).all()
    told = [row for row in found if row[1] == "campaign_changed"]
    assert [(row[0], row[2], row[3]["status"]) for row in told] == [(fact, "critical", "failed")]
    assert {row[1] for row in found} == {"campaign_changed", "process_started", "process_stopped"}


async def test_a_message_from_a_person_is_told_without_the_person() -> None:
    given = InboundReceived(
        inbound_id="1", phone="+14155550100", kind="stop", channel="sms", sender="+14155550199",
        received_at=datetime.now(UTC),
    )  # fmt: skip
    await consumers.inbound_received(given)
    (told,) = get_broadcaster().hub.channel.snapshot()
    assert b'"kind":"stop"' in told.json
    assert b"1415555" not in told.json


def test_a_counter_that_rises_is_told_with_its_labels_and_by_how_much() -> None:
    counter = Counter("dead", "…", ["group"], registry=CollectorRegistry())
    counter.labels("a").inc(2)
    before = sample({"dead_letter": counter})
    counter.labels("a").inc(3)
    counter.labels("b").inc()
    broadcaster = get_broadcaster()
    again = tell_risen(broadcaster, before, sample({"dead_letter": counter}))
    told = [each.json for each in broadcaster.hub.channel.snapshot()]
    assert len(told) == 2
    assert b'"data":{"group":"a","count":3}' in told[0]
    assert b'"data":{"group":"b","count":1}' in told[1]
    assert broadcaster.by_category == {Category.CRITICAL: 2}
    tell_risen(broadcaster, again, sample({"dead_letter": counter}))
    assert broadcaster.hub.channel.top == 2


async def test_metrics_are_added_up_per_minute_and_hour_and_again_changes_nothing(database: Database) -> None:
    at = datetime(2026, 3, 1, 12, 59, 10, tzinfo=UTC)
    times = [at, at + timedelta(seconds=20), at + timedelta(seconds=70)]
    async with database.transaction() as tx:
        for number, measured in enumerate(times):
            assert await store.write_metrics(
                tx, MetricFlush("a", "e", number, measured, {("events", "x"): 1.0 + number})
            )
        assert not await store.write_metrics(tx, MetricFlush("a", "e", 0, at, {("events", "x"): 9.0}))
    for _ in range(2):
        async with database.transaction() as tx:
            await store.roll_up(tx, datetime(2000, 1, 1, tzinfo=UTC))
            for table, wanted in (("minutes", [3.0, 3.0]), ("hours", [3.0, 3.0])):
                query = text(f"SELECT value FROM monitoring_metrics_{table} ORDER BY bucket")
                assert [row[0] for row in (await tx.execute(query)).all()] == wanted


async def test_what_is_past_its_time_is_removed_and_nothing_else(database: Database) -> None:
    async with database.transaction() as tx:
        await store.write_events(tx, [row_of(1)])
        kept_for = {"monitoring_events": timedelta(days=30)}
        assert await store.forget(tx, datetime.now(UTC) + timedelta(days=29), kept_for) == {"monitoring_events": 0}
        assert await store.forget(tx, datetime.now(UTC) + timedelta(days=31), kept_for) == {"monitoring_events": 1}
