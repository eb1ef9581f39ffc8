"""The broadcaster that runs in the API: what it published is seen by who watches, and is in the database."""

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.flags.api import Flags
from event_stream_engine.live import Hub
from event_stream_engine.monitoring.api import Broadcaster, Category
from tests.web.client import ORIGIN, Client
from tests.web.websocket import connected

WATCH = "/api/v1/live/ws?topics=monitoring"
BREAKERS = "/api/v1/monitoring/breakers"


@pytest.fixture
def broadcaster(app: FastAPI) -> Broadcaster:
    found: Broadcaster = app.state.platform.shared["broadcaster"]
    return found


async def switch(owner: Client, app: FastAPI, **values: Any) -> None:
    """Change flags, and wait until they are in force in this process."""
    changes = [{"name": f"MONITORING_{name}", "fields": {"value": value}} for name, value in values.items()]
    answer = await owner.post("/api/v1/flags/change-sets", json={"changes": changes, "reason": "test"})
    assert answer.status_code == 200, answer.text
    flags: Flags = app.state.platform.shared["flags"]
    async with asyncio.timeout(20):
        while any(flags.get_all()[f"MONITORING_{name}"] != value for name, value in values.items()):  # noqa: ASYNC110
            await asyncio.sleep(0)


def bearer(client: Client) -> str:
    return client.headers["authorization"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics/adapter"),
        ("GET", "/metrics/validation"),
        ("POST", "/metrics/flush"),
        ("GET", "/api/v1/monitoring/breakers"),
        ("POST", "/api/v1/monitoring/breakers/monitoring_database/reset"),
    ],
)
async def test_figures_and_flush_need_a_session(anonymous: Client, method: str, path: str) -> None:
    assert (await anonymous.request(method, path)).status_code == 401


async def test_a_flush_writes_what_was_published(owner: Client, broadcaster: Broadcaster, database: Database) -> None:
    sent = broadcaster.tell("something_happened", {"number": 7})
    assert sent is not None
    answer = await owner.post("/metrics/flush")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["flushed"], body["pending"], body["sink"]) == (True, 0, "postgresql")
    persister = body["metrics"]["persister"]
    assert (persister["buffered"], persister["spooled"], persister["last_flush"]["complete"]) == (0, 0, True)
    async with database.transaction() as tx:
        (row,) = (await tx.execute(
            text('SELECT event_id, data, "offset", origin_epoch FROM monitoring_events WHERE event_type = :name'),
            {"name": "something_happened"},
        )).all()  # fmt: skip
        metrics = (
            await tx.execute(text("SELECT sum(value) FROM monitoring_metrics_raw WHERE label = 'publish'"))
        ).scalar()
    assert (row[0], row[1], row[3]) == (sent.event_id, {"number": 7}, broadcaster.epoch)
    assert metrics


async def test_the_figures_account_for_everything(owner: Client, broadcaster: Broadcaster) -> None:
    broadcaster.tell("something_happened", {})
    figures = (await owner.get("/metrics/adapter")).json()
    assert figures["broadcaster_metrics"]["adapter_broadcasts"] >= 1
    assert set(figures["adapter_metrics"]) == {"realtime"}
    assert all(stage["imbalance"] == 0 for stage in figures["accounting"].values())
    exported = (await owner.get("/metrics")).text
    of_process = r'process="serve",pid="[^"]+"'
    assert re.search(rf'_stage_events_total{{stage="publish",outcome="accepted",{of_process}}} [1-9]', exported)
    assert re.search(rf'_stage_imbalance{{stage="persister",{of_process}}} 0.0', exported)
    checked = (await owner.get("/metrics/validation")).json()
    assert checked["by_event_type"]["something_happened"] == {
        "checked": 1, "passed": 1, "failed": 0, "pass_rate": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("adapter", ["realtime", "websocket", "dual", "direct"])
async def test_whoever_watches_sees_it_whichever_way_it_goes_and_resumes_there(
    app: FastAPI, owner: Client, broadcaster: Broadcaster, database: Database, adapter: str
) -> None:
    if adapter == "direct":
        await switch(owner, app, USE_ADAPTER=False)
    else:
        await switch(owner, app, ADAPTER_TYPE=adapter, DUAL_MODE=adapter == "dual")
    async with connected(app, WATCH, authorization=bearer(owner)) as socket:
        await socket.hear("subscribed")
        broadcaster.tell("something_happened", {"number": 1})
        seen: dict[str, Any] = {}
        while seen.get("event_type") != "something_happened":  # another channel may still be being opened
            seen = await next_event(socket)
    position = seen["id"]
    broadcaster.tell("something_happened", {"number": 2})
    async with connected(app, f"{WATCH}&after={position}", authorization=bearer(owner)) as socket:
        answer = (await socket.hear("subscribed"))["data"]
        assert answer["recovered"] is True
        numbers = [each["data"]["number"] for each in answer["events"]]
        while 2 not in numbers:
            numbers.append((await next_event(socket))["data"].get("number"))
    assert 1 not in numbers
    await broadcaster.flush_metrics()
    async with database.transaction() as tx:
        count = (await tx.execute(text("SELECT count(*) FROM monitoring_events WHERE data ? 'number'"))).scalar()
    assert count == (2 if adapter in ("realtime", "dual") else 0)


async def next_event(socket: Any) -> dict[str, Any]:
    """The next monitoring event, live or in the answer to a subscription, with its position."""
    async with asyncio.timeout(20):
        while True:
            message = await socket.said.get()
            assert message is not None, socket.closed
            if message["event"] == "monitoring":
                return {**message["data"], "id": message["id"]}
            if message["event"] == "subscribed" and message["data"]["events"]:
                return {**message["data"]["events"][-1], "id": message["id"]}


async def test_a_websocket_needs_a_session_and_its_cookie_our_own_page(app: FastAPI, browser: Client) -> None:
    async with connected(app, WATCH) as socket:
        assert await socket.end() == (4401, "not_signed_in")
    cookie = f"ese_access={browser.cookies['ese_access']}"
    async with connected(app, WATCH, cookie=cookie, origin="https://elsewhere.example") as socket:
        assert await socket.end() == (4403, "foreign_origin")
    async with connected(app, WATCH, cookie=cookie) as socket:
        assert await socket.end() == (4403, "foreign_origin")
    async with connected(app, WATCH, cookie=cookie, origin=ORIGIN) as socket:
        assert (await socket.hear("subscribed"))["data"]["channel"] == "monitoring"
    async with connected(app, "/api/v1/live/ws", cookie=cookie, origin=ORIGIN) as socket:
        assert (await socket.end())[0] == 4422


async def test_a_websocket_needs_what_its_route_declares(app: FastAPI, owner: Client) -> None:
    def key(*scopes: str) -> Awaitable[Any]:
        return owner.post("/api/v1/api-keys", json={"name": "a watcher", "scopes": list(scopes)})

    narrow, wide = (await key("flags:read")).json()["secret"], (await key("monitoring:read")).json()["secret"]
    async with connected(app, WATCH, authorization=f"Bearer {narrow}") as socket:
        assert await socket.end() == (4403, "permission_missing")
    async with connected(app, WATCH, authorization=f"Bearer {wide}") as socket:
        await socket.hear("subscribed")


async def test_a_watcher_is_sent_away_when_the_server_goes(app: FastAPI, owner: Client) -> None:
    async with connected(app, WATCH, authorization=bearer(owner)) as socket:
        await socket.hear("subscribed")
        hub: Hub = app.state.platform.shared["hub"]
        hub.stop()
        assert (await socket.hear("reconnect"))["data"]["delay_ms"] <= 3000
        assert (await socket.end())[0] == 1012


async def test_an_operator_opens_and_resets_a_breaker_and_both_are_events(
    owner: Client, broadcaster: Broadcaster, database: Database
) -> None:
    await told_state(owner, "monitoring_redis", "closed")
    opened = await owner.post(f"{BREAKERS}/monitoring_redis/open", json={"reason": "maintenance"})
    assert (opened.status_code, opened.json()["by"], opened.json()["process"]) == (200, "Ana", "")
    assert broadcaster.by_type["circuit_breaker_transition"] == 1
    shown = await told_state(owner, "monitoring_redis", "forced_open")
    (process,) = shown["processes"]
    assert (process["process"], process["is_alive"], process["retry_after"]) == ("serve", True, None)
    assert [(each["action"], each["reason"]) for each in shown["orders"]] == [("open", "maintenance")]
    assert (await owner.post(f"{BREAKERS}/monitoring_redis/reset")).status_code == 200
    assert (await told_state(owner, "monitoring_redis", "closed"))["orders"] == []
    assert broadcaster.by_type["circuit_breaker_transition"] == 2
    assert (await owner.post(f"{BREAKERS}/monitoring_redis/disable")).status_code == 200
    await told_state(owner, "monitoring_redis", "disabled")
    unknown = await owner.post(f"{BREAKERS}/nothing/reset")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "breaker_not_found")
    async with database.transaction() as tx:
        query = "SELECT action, entity_id, detail ->> 'reason' FROM audit_entries WHERE entity = 'circuit_breaker'"
        rows = (await tx.execute(text(f"{query} ORDER BY id"))).all()
    actions = ["circuit_breaker.open", "circuit_breaker.reset", "circuit_breaker.disable"]
    assert [tuple(row) for row in rows] == [
        (action, "monitoring_redis", reason) for action, reason in zip(actions, ["maintenance", "", ""], strict=True)
    ]


async def told_state(owner: Client, name: str, state: str) -> dict[str, Any]:
    """The breaker, once this state of it was told."""
    async with asyncio.timeout(30):
        while True:
            answer = (await owner.get(BREAKERS)).json()
            assert answer["is_complete"]
            for found in answer["items"]:
                if found["name"] == name and found["state"] == state:
                    return dict(found)


@pytest.mark.parametrize("action", ["open", "disable", "reset"])
async def test_only_an_operator_may_order_a_breaker(app: FastAPI, owner: Client, action: str) -> None:
    made = await owner.post("/api/v1/api-keys", json={"name": "a watcher", "scopes": ["monitoring:read"]})
    watcher = {"authorization": f"Bearer {made.json()['secret']}"}
    assert (await owner.get(BREAKERS, headers=watcher)).status_code == 200
    answer = await owner.post(f"{BREAKERS}/monitoring_redis/{action}", headers=watcher)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")


async def test_strict_validation_blocks_what_is_wrong_and_says_so(
    app: FastAPI, owner: Client, broadcaster: Broadcaster
) -> None:
    await switch(owner, app, VALIDATION_STRICT=True)
    assert broadcaster.tell("", {}) is None
    assert broadcaster.get_metrics()["broadcaster_metrics"]["failed_broadcasts"] == 1
    await switch(owner, app, ENABLE_VALIDATION=False, VALIDATION_STRICT=False)
    assert broadcaster.tell("", {}) is not None
    assert broadcaster.ledger.imbalance == 0


async def test_stored_errors_are_listed_page_by_page_long_after_the_live_channel_forgot_them(
    owner: Client, broadcaster: Broadcaster, database: Database
) -> None:
    for number in range(7):
        broadcaster.tell("night_error", {"number": number}, category=Category.CRITICAL, metadata={"shift": "night"})
    broadcaster.tell("something_else", {"number": 99}, category=Category.DEBUG)
    assert (await owner.post("/metrics/flush")).json()["flushed"]
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE monitoring_events SET timestamp = timestamp - interval '9 hours'"))
    found: list[dict[str, Any]] = []
    cursor = ""
    while not found or cursor:
        page = (await owner.get(f"/api/v1/monitoring/events?limit=3{cursor}")).json()
        assert len(page["items"]) <= 3
        found += page["items"]
        cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert [event["data"]["number"] for event in found if event["event_type"] == "night_error"] == [6, 5, 4, 3, 2, 1, 0]
    assert {event["category"] for event in found} == {"critical"}
    assert found[0]["metadata"] == {"shift": "night"}
    debug = (await owner.get("/api/v1/monitoring/events?category=debug")).json()["items"]
    assert "something_else" in {event["event_type"] for event in debug}


async def test_stored_events_need_a_session(anonymous: Client) -> None:
    assert (await anonymous.get("/api/v1/monitoring/events")).status_code == 401
