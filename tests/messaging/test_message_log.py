"""The log of all messages: every one once, page by page, with the sums of what matches."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.messaging.reports import message_log
from event_stream_engine.messaging.reports.message_log import Filter
from tests.messaging.conftest import World

LAUNCHES = timedelta(hours=1)


async def logged(world: World, limit: int = 2, **given: Any) -> tuple[list[Any], dict[str, int]]:
    """All pages, and the sums."""
    chosen = Filter(**{"campaign_id": None, "statuses": (), "start": None, "end": None, **given})
    after, rows, sums = None, [], {}
    while True:
        page, after, sums = await world.act(message_log.page, chosen, after, limit)
        assert len(page) <= limit
        rows += page
        if after is None:
            return rows, sums


async def three_campaigns(world: World) -> list[UUID]:
    """The newest first: their people are queued, sending and canceled. And three test messages."""
    for number in range(5):
        await world.add_contact(number)
    began, campaigns = clock.now() - 3 * LAUNCHES, []
    for hour in range(3):
        with clock.frozen(began + hour * LAUNCHES):
            campaign = await world.draft()
            await world.launch(campaign)
        row = "UPDATE messages SET created_at = :at WHERE campaign_id = :id"
        values = {"at": began + hour * LAUNCHES, "id": campaign}
        await world.act(lambda tx, row=row, values=values: tx.execute(text(row), values))
        campaigns.insert(0, campaign)
    await world.claim(campaigns[1], 3)
    for _ in range(3):
        await world.act(lambda tx: tx.execute(text("INSERT INTO messages (phone, status) VALUES ('+1', 'sent')")))
    await world.count()
    return campaigns


async def test_the_pages_hold_every_message_once_tests_first_and_then_the_newest_campaign(world: World) -> None:
    campaigns = await three_campaigns(world)
    for limit in (1, 2, 3, 5, 6, 100):
        rows, sums = await logged(world, limit)
        assert [row.campaign_id for row in rows] == [None] * 3 + [one for one in campaigns for _ in range(5)]
        assert len({row.id for row in rows}) == 18
        assert {status: count for status, count in sums.items() if count} == {"sent": 3, "queued": 12, "sending": 3}


async def test_it_is_narrowed_by_state_and_campaign(world: World) -> None:
    newest, middle, _ = await three_campaigns(world)
    rows, sums = await logged(world, statuses=["sending", "sent"])
    assert [row.campaign_id for row in rows] == [None] * 3 + [middle] * 3
    assert sums == {"sent": 3, "sending": 3}
    rows, sums = await logged(world, campaign_id=newest)
    assert {row.campaign_id for row in rows} == {newest}
    assert sum(sums.values()) == 5


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [(None, -2.5, [2]), (-2.5, -1.5, [1]), (-1.5, None, [None, 0]), (-2.5, None, [None, 0, 1]), (1, None, [])],
)
async def test_it_is_narrowed_by_when_messages_were_created(
    world: World, start: float | None, end: float | None, wanted: list[int | None]
) -> None:
    campaigns = await three_campaigns(world)

    def moment(hours: float | None) -> datetime | None:
        return None if hours is None else clock.now() + timedelta(hours=hours)

    rows, sums = await logged(world, start=moment(start), end=moment(end))
    groups = [None if place is None else campaigns[place] for place in wanted]
    assert list(dict.fromkeys(row.campaign_id for row in rows)) == groups
    assert sum(sums.values()) == len(rows)
