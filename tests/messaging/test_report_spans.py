"""A report is right however long its campaign ran: from seconds to months."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from event_stream_engine.messaging.reports import dashboard
from event_stream_engine.messaging.reports.standstill import standing_still
from event_stream_engine.messaging.reports.timeline import FINE_MESSAGES_MAX, POINTS_MAX, span_of, timeline
from tests.messaging.conftest import World
from tests.messaging.spans import DELIVERY, MESSAGES, campaign_over

SPANS = {
    "seconds": timedelta(seconds=40),
    "minutes": timedelta(minutes=25),
    "an hour and a minute": timedelta(minutes=61),
    "hours": timedelta(hours=9),
    "days": timedelta(days=4),
    "weeks": timedelta(weeks=5),
    "months": timedelta(days=200),
}


def check_points(width: int, points: list[dict[str, Any]]) -> None:
    """The points follow each other without a gap, are at most as many as allowed, and hold every message."""
    assert 2 <= len(points) <= POINTS_MAX
    times = [point["at"] for point in points]
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=width)}
    for name in ("accepted", "delivered"):
        assert sum(point[name] for point in points) == MESSAGES


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS.keys())
async def test_every_figure_of_a_report_is_had_for_a_campaign_of_any_length(world: World, span: timedelta) -> None:
    campaign = await campaign_over(world, span)

    shown = await world.report(campaign)
    check_points(shown["timeline_seconds"], shown["timeline"])
    assert shown["funnel"] == {
        "audience": MESSAGES, "accepted": MESSAGES, "sent": MESSAGES, "delivered": MESSAGES, "read": 0
    }  # fmt: skip
    assert shown["seconds_to_deliver"] == dict.fromkeys(("p50", "p90", "p95"), DELIVERY.total_seconds())
    assert shown["rates"]["delivery"] == 1.0
    overview = await world.act(dashboard.figures, None)
    assert len(overview["throughput"]) == dashboard.MINUTES_SHOWN
    in_a_day = sum(span * index / (MESSAGES - 1) < timedelta(days=1) - 3 * DELIVERY for index in range(MESSAGES))
    assert overview["messages_24h"]["accepted"] == in_a_day
    assert await world.act(standing_still, [campaign], None) == {}


async def test_a_campaign_too_large_to_be_read_message_by_message_has_its_chart(world: World) -> None:
    campaign = await campaign_over(world, SPANS["minutes"])
    span = await world.act(span_of, campaign, FINE_MESSAGES_MAX + 1)
    assert span is not None
    assert not span.is_fine
    width, points = await world.act(timeline, campaign, span)
    assert width == 60
    check_points(width, points)
