"""A page of a campaign's people reads a page of them, however many there are, and is what sorting all would give."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.messaging.model.messages import STATUSES
from event_stream_engine.messaging.reports import messages as reports
from event_stream_engine.messaging.tables import messages
from tests.large.aged import SMALL, build

PAGE = 50


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


@pytest.mark.slow
async def test_a_page_of_recipients_reads_no_more_than_it_shows_of_each_status(database: Database) -> None:
    await build(database, SMALL, clock.now())
    async with database.transaction() as tx:
        largest = "SELECT campaign_id FROM campaign_counts ORDER BY audience DESC LIMIT 1"
        campaign = (await tx.execute(text(largest))).scalar_one()
        everybody = messages.c.campaign_id == campaign
        after: tuple[Any, ...] | None = None
        wanted = (
            await tx.execute(
                select(messages.c.updated_at, messages.c.id)
                .where(everybody)
                .order_by(messages.c.updated_at.desc(), messages.c.id.desc())
                .limit(3 * PAGE)
            )
        ).all()
        found: list[Any] = []
        for _ in range(3):
            found += await reports.recipients(tx, reports.People(campaign), after, PAGE)
            after = (found[-1].updated_at, found[-1].id)
        assert [(row.updated_at, row.id) for row in found] == [tuple(row) for row in wanted]

        query = reports.recipients_query(everybody, [], after, PAGE)
        statement = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        (explained,) = (await tx.execute(text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"))).scalar_one()
    scans = [node for node in nodes(explained["Plan"]) if node.get("Relation Name") == "messages"]
    assert [node["Node Type"] for node in scans] == ["Index Scan"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= PAGE * len(STATUSES)
