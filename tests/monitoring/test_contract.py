"""What programs written against the monitoring interface rely on: its names, its keys, and honest answers behind
them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from event_stream_engine.flags.api import get_flag_manager
from event_stream_engine.monitoring.api import (
    Broadcaster,
    Category,
    UnifiedMonitoringEvent,
    classify,
    get_broadcaster,
    reset_broadcaster,
)
from event_stream_engine.monitoring.model import NAIVE

EIGHT_FLAGS = {
    "MONITORING_USE_ADAPTER",
    "MONITORING_ADAPTER_TYPE",
    "MONITORING_DUAL_MODE",
    "MONITORING_ENABLE_VALIDATION",
    "MONITORING_VALIDATION_STRICT",
    "MONITORING_METRICS_PERSISTENCE",
    "MONITORING_METRICS_FLUSH_INTERVAL",
    "MONITORING_BATCH_SIZE",
}


@pytest.fixture(autouse=True)
def _new_broadcaster() -> Iterator[None]:
    reset_broadcaster()
    yield
    reset_broadcaster()


def event(number: int = 0, **given: object) -> UnifiedMonitoringEvent:
    given = {"event_type": "cache_hit", "source": "test", "data": {"number": number}, **given}
    given.setdefault("timestamp", datetime.now())  # noqa: DTZ005  # naive, as callers write it
    return UnifiedMonitoringEvent(**given)  # type: ignore[arg-type]


def test_an_event_is_made_by_names_and_takes_a_naive_time_as_local_and_counts_it() -> None:
    counted = NAIVE._value.get()
    local = datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001
    made = event(timestamp=local, metadata={"trace": "a"})
    assert made.timestamp == local.astimezone(UTC)
    assert made.timestamp.tzinfo is UTC
    assert NAIVE._value.get() == counted + 1
    aware = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    assert event(timestamp=aware).timestamp == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    assert NAIVE._value.get() == counted + 1


@pytest.mark.parametrize("wrong", ["2026-03-01T12:00:00", None, 1_700_000_000, 1.5])
def test_a_time_that_is_no_datetime_is_refused_where_the_event_is_made(wrong: object) -> None:
    with pytest.raises(TypeError, match="datetime"):
        event(timestamp=wrong)


def test_an_event_needs_its_time_and_knows_no_severity() -> None:
    with pytest.raises(TypeError, match="timestamp"):
        UnifiedMonitoringEvent(event_type="a", source="b")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="severity"):
        event(severity="high")


def test_an_event_does_not_change() -> None:
    with pytest.raises(AttributeError):
        event().source = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("event_type", "category"),
    [
        ("circuit_breaker_transition", Category.CRITICAL),
        ("import_failed", Category.CRITICAL),
        ("cache_hit", Category.PERFORMANCE),
        ("user_login", Category.USER_ACTIVITY),
        ("debug_dump", Category.DEBUG),
        ("process_started", Category.SYSTEM),
        ("something", Category.SYSTEM),
    ],
)
def test_a_category_is_found_from_the_type(event_type: str, category: Category) -> None:
    assert classify(event_type) is category
    assert event(event_type=event_type).category is category
    assert event(event_type=event_type, category="debug").category is Category.DEBUG


async def test_a_whole_event_is_broadcast_as_it_is_and_not_wrapped_into_another() -> None:
    broadcaster = get_broadcaster()
    given = event(7, metadata={"trace": "a"})
    sent = await broadcaster.broadcast_event(given.event_type, given.to_dict())
    assert sent is not None
    assert (sent.event_id, sent.data, sent.metadata, sent.timestamp) == (
        given.event_id,
        {"number": 7},
        {"trace": "a"},
        given.timestamp,
    )
    assert (sent.epoch, sent.offset) == (broadcaster.epoch, 1)


async def test_plain_contents_become_an_event_of_now() -> None:
    before = datetime.now(UTC)
    sent = await get_broadcaster().broadcast_event("cache_hit", {"key": "a"})
    assert sent is not None
    assert sent.data == {"key": "a"}
    assert before <= sent.timestamp <= datetime.now(UTC)


async def test_the_figures_have_their_names() -> None:
    broadcaster = get_broadcaster()
    await broadcaster.broadcast_event("cache_hit", {})
    figures = broadcaster.get_metrics()
    assert figures["broadcaster_metrics"] == {
        "total_broadcasts": 1,
        "adapter_broadcasts": 0,
        "direct_broadcasts": 1,
        "failed_broadcasts": 0,
    }
    assert figures["connected_clients"] == 0
    assert figures["use_adapter"] is True
    assert figures["use_dual_mode"] is False
    assert figures["sequence_counter"] == 1
    assert figures["classification_metrics"] == {"performance": 1}
    assert figures["adapter_metrics"]["direct"]["delivered"] == 1


async def test_a_broadcaster_needs_no_arguments_and_its_figures_may_be_awaited() -> None:
    broadcaster = Broadcaster()
    await broadcaster.broadcast_event("cache_hit", {})
    assert await broadcaster.get_metrics() == broadcaster.get_metrics()
    assert (await broadcaster.get_metrics())["broadcaster_metrics"]["total_broadcasts"] == 1


async def test_a_flush_without_a_database_says_that_there_is_none() -> None:
    flushed = await get_broadcaster().flush_metrics()
    assert flushed["flushed"] is True
    assert (flushed["sink"], flushed["persisted"], flushed["pending"]) == ("none", 0, 0)
    assert flushed["metrics"]["connected_clients"] == 0
    assert datetime.fromisoformat(flushed["timestamp"]).tzinfo is not None


async def test_nobody_watching_is_healthy() -> None:
    assert await get_broadcaster().health_check() is True


async def test_what_cannot_be_sent_is_counted_and_takes_no_place() -> None:
    circular: dict[str, object] = {}
    circular["itself"] = circular
    broadcaster = get_broadcaster()
    offset = broadcaster.offset
    for data in (circular, {"value": object()}):
        assert broadcaster.publish(event(data=data)) is None, data
    assert broadcaster.publish(event()) is not None
    assert broadcaster.offset == offset + 1
    assert broadcaster.ledger.imbalance == 0


async def test_ten_broadcasts_at_once_are_ten_events_in_one_order() -> None:
    broadcaster = get_broadcaster()
    sent = await asyncio.gather(*(broadcaster.broadcast_event("cache_hit", {"number": n}) for n in range(10)))
    assert sorted(each.offset or 0 for each in sent if each) == list(range(1, 11))
    assert broadcaster.get_metrics()["broadcaster_metrics"]["total_broadcasts"] == 10
    assert broadcaster.hub.channel.top == 10


def test_the_eight_flags_are_there_and_go_together_as_they_are() -> None:
    assert get_flag_manager().get_all().keys() >= EIGHT_FLAGS
    assert get_flag_manager().issues() == ()
