"""A platform that is a year old answers every question, with every filter, on every page."""

from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.reports import messages
from event_stream_engine.messaging.store import contacts, searching
from tests.large.aged import SMALL, build
from tests.large.asking import known_ids, pages, requests
from tests.web.client import Client
from tests.web.conftest import app, client_of, owner, settings

__all__ = ["app", "client_of", "owner", "settings"]


@pytest.mark.slow
async def test_every_get_answers_on_a_platform_that_is_a_year_old(
    owner: Client, app: FastAPI, database: Database, subtests: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    await build(database, SMALL, now)
    asked = 0
    for request in requests(app.openapi(), await known_ids(database), now):
        answers = await pages(request, owner.get)
        asked += len(answers)
        with subtests.test(request.url):
            wanted = {200} if request.is_known else {200, 404}
            # Health says what is wrong with a platform that no relay and no worker serves.
            wanted |= {503} if request.path in ("/health", "/readyz") else set()
            assert {answer.status_code for answer in answers} <= wanted, answers[-1].text[:300]
            ids = [item["id"] for answer in answers for item in items(answer) if "id" in item]
            assert max(Counter(ids).values(), default=1) == 1, "a row is on two pages"
    assert asked > 500
    await reports_agree_with_their_rows(owner, database)
    await a_sample_tells_how_long_delivery_takes(owner, database, monkeypatch)
    await searches_that_find_very_many_find_the_same(owner, database, monkeypatch)


def items(answer: Any) -> list[dict[str, Any]]:
    body = answer.json() if "json" in answer.headers.get("content-type", "") else None
    found = body.get("items") if isinstance(body, dict) else None
    return [item for item in found or [] if isinstance(item, dict)]


async def reports_agree_with_their_rows(owner: Client, database: Database) -> None:
    """The points of a report's timeline sum to what its messages reached, however long the campaign ran."""
    query = """
        SELECT c.id, count(m.accepted_at) AS accepted, count(m.delivered_at) AS delivered,
            count(*) FILTER (WHERE m.status IN ('undelivered', 'failed')) AS failed
        FROM campaigns c JOIN messages m ON m.campaign_id = c.id GROUP BY c.id
    """
    async with database.transaction() as tx:
        campaigns = (await tx.execute(text(query))).all()
    for campaign in campaigns:
        summary = (await owner.get(f"/api/v1/reporting/campaigns/{campaign.id}/summary")).json()
        points = summary["timeline"]
        assert sum(point["accepted"] for point in points) == campaign.accepted
        assert sum(point["delivered"] for point in points) == campaign.delivered
        assert sum(point["failed"] + point["undelivered"] for point in points) == campaign.failed


async def largest_campaign(database: Database) -> str:
    async with database.transaction() as tx:
        query = "SELECT campaign_id FROM campaign_counts ORDER BY audience DESC, campaign_id LIMIT 1"
        return str((await tx.execute(text(query))).scalar_one())


async def a_sample_tells_how_long_delivery_takes(
    owner: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"/api/v1/reporting/campaigns/{await largest_campaign(database)}/summary"
    exact = (await owner.get(url)).json()["seconds_to_deliver"]
    monkeypatch.setattr(reports, "SAMPLE_FROM", 100)
    sampled = (await owner.get(url)).json()["seconds_to_deliver"]
    for name, seconds in exact.items():
        assert sampled[name] == pytest.approx(seconds, rel=0.1)


async def searches_that_find_very_many_find_the_same(
    owner: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = f"/api/v1/reporting/campaigns/{await largest_campaign(database)}/recipients"
    searches = [
        (url, search, status)
        for url in (people, "/api/v1/contacts", "/api/v1/monitoring/inbound")
        for search in ("ana", "212", "thanks", "nobody at all")
        for status in (("delivered", "refused", None) if url == people else (None,))
    ]

    async def found(url: str, search: str, status: str | None) -> list[dict[str, Any]]:
        given = {"search": search, "status": status} if status else {"search": search}
        return items(await owner.get(url, params=given))

    few = [await found(*one) for one in searches]
    assert sum(1 for each in few if each) >= 8
    monkeypatch.setattr(searching, "FOUND_MAX", 5)
    monkeypatch.setattr(contacts, "FOUND_COUNTED_MAX", 5)
    for looked_at in (1, 10_000):
        monkeypatch.setattr(messages, "LOOKED_AT_FIRST", looked_at)
        assert [await found(*one) for one in searches] == few
    many = await owner.get("/api/v1/contacts", params={"search": "ana"})
    assert many.json()["total"] is None
