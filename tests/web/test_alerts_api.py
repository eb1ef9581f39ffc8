"""Alerts and health over HTTP."""

from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.alerts import actions
from event_stream_engine.alerts.catalogue import BY_NAME, RULES
from event_stream_engine.alerts.model import Judged
from event_stream_engine.alerts.webhooks import AlertWebhooks, Endpoint, Sender
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.health import probes
from event_stream_engine.entrypoints.metrics import gathering, publishing
from event_stream_engine.entrypoints.metrics.families import Family
from event_stream_engine.settings import load_settings
from event_stream_engine.web.platform import Platform
from tests.web.client import Client

ALERTS = "/api/v1/alerts"


async def fire(database: Database, *names: str) -> None:
    async with database.transaction() as tx:
        await actions.settle(tx, [Judged(BY_NAME[name], (("group", "a.b"),), 3) for name in names], None)


async def test_an_alert_is_seen_acknowledged_and_silenced(database: Database, owner: Client) -> None:
    await fire(database, "EseDeadLetters")
    (alert,) = (await owner.get(ALERTS, params={"state": "firing"})).json()["items"]
    assert (alert["summary"], alert["severity"]) == ("Dead letters of a.b: 3", "ticket")
    summary = (await owner.get(f"{ALERTS}/summary")).json()
    assert (summary["firing"], summary["unread"]) == (1, 1)
    assert (await owner.post(f"{ALERTS}/seen")).status_code == 204
    assert (await owner.get(f"{ALERTS}/summary")).json()["unread"] == 0

    done = (await owner.post(f"{ALERTS}/{alert['id']}/acknowledge")).json()
    assert (done["state"], done["acknowledged_by"]) == ("acknowledged", "Ana")
    body = {"reason": "Known", "ends_at": (clock.now() + timedelta(hours=2)).isoformat()}
    silenced = (await owner.post(f"{ALERTS}/{alert['id']}/silence", json=body)).json()
    assert (silenced["state"], silenced["silence"]["by"]) == ("silenced", "Ana")
    assert (await owner.get(ALERTS, params={"state": "firing"})).json()["items"] == []
    back = await owner.request("DELETE", f"{ALERTS}/{alert['id']}/silence")
    assert back.json()["state"] == "acknowledged"
    async with database.transaction() as tx:
        found = await tx.execute(text("SELECT action FROM audit_entries WHERE entity = 'alert' ORDER BY id"))
        assert list(found.scalars()) == ["alert.acknowledge", "alert.silence", "alert.end_silence"]

    await fire(database)
    over = await owner.post(f"{ALERTS}/{alert['id']}/acknowledge")
    assert (over.status_code, over.json()["code"]) == (409, "alert_resolved")


async def test_a_viewer_may_look_only(database: Database, as_role: Any) -> None:
    await fire(database, "EseDeadLetters")
    viewer = await as_role("viewer")
    (alert,) = (await viewer.get(ALERTS)).json()["items"]
    refused = await viewer.post(f"{ALERTS}/{alert['id']}/acknowledge")
    assert (refused.status_code, refused.json()["permission"]) == (403, "alerts:operate")


async def test_a_rule_is_silenced_before_it_fires(database: Database, owner: Client, as_role: Any) -> None:
    address = f"{ALERTS}/rules/EseDeadLetters/silence"
    body = {"reason": "Upgrade", "ends_at": (clock.now() + timedelta(days=30)).isoformat()}
    rule = (await owner.post(address, json=body)).json()
    assert (rule["silence"]["reason"], rule["silence"]["by"], rule["silence"]["of"]) == ("Upgrade", "Ana", "rule")
    listed = (await owner.get(f"{ALERTS}/rules")).json()["items"]
    assert [one["name"] for one in listed if one["silence"]] == ["EseDeadLetters"]
    await fire(database, "EseDeadLetters")
    (alert,) = (await owner.get(ALERTS)).json()["items"]
    assert (alert["state"], alert["silence"]["of"]) == ("silenced", "rule")
    late = {**body, "ends_at": (clock.now() + timedelta(days=31)).isoformat()}
    assert (await owner.post(address, json=late)).status_code == 422
    assert (await owner.post(f"{ALERTS}/rules/None/silence", json=body)).status_code == 404
    viewer = await as_role("viewer")
    for refused in (await viewer.post(address, json=body), await viewer.request("DELETE", address)):
        assert (refused.status_code, refused.json()["permission"]) == (403, "alerts:operate")
    assert (await owner.request("DELETE", address)).json()["silence"] is None
    (alert,) = (await owner.get(ALERTS)).json()["items"]
    assert (alert["state"], alert["silence"]) == ("firing", None)


async def test_pages_of_alerts_lose_none_and_repeat_none(database: Database, owner: Client) -> None:
    for _ in range(5):
        await fire(database, "EseDeadLetters")
        await fire(database)
    seen, cursor = [], None
    while True:
        page = (await owner.get(ALERTS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5


async def test_every_rule_tells_what_to_do(owner: Client) -> None:
    listed = (await owner.get(f"{ALERTS}/rules")).json()["items"]
    assert [rule["name"] for rule in listed] == [rule.name for rule in RULES]
    for rule in listed:
        found = await owner.get(f"{ALERTS}/rules/{rule['name']}/runbook")
        assert found.json()["markdown"].startswith(f"# {rule['name']}\n"), rule["name"]
    assert (await owner.get(f"{ALERTS}/rules/None/runbook")).status_code == 404


async def test_health_says_what_each_component_measures(anonymous: Client) -> None:
    answer = await anonymous.get("/health")
    assert answer.headers["content-type"] == "application/health+json"
    health = answer.json()
    assert (answer.status_code, health["status"]) == (200, "warn"), "nothing else of the platform runs here"
    checks = {key: found[0] for key, found in health["checks"].items()}
    assert checks["postgresql:responseTime"]["status"] == checks["redis:responseTime"]["status"] == "pass"
    assert checks["postgresql:responseTime"]["observedUnit"] == "ms"
    assert checks["relay:lease"]["status"] == checks["work:heartbeat"]["status"] == "fail"
    assert {"disk:free", "memory:available", "flags:age", "loop:lag", "queue sending:oldest"} <= set(checks)
    assert (await anonymous.get("/livez")).text.startswith("ok, loop lag")


async def test_health_names_webhooks_that_are_not_taken(database: Database, redis_url: str) -> None:
    settings = load_settings({
        "DATABASE_URL": "", "REDIS_URL": redis_url, "ESE_HOME": "/tmp", "ESE_ALERT_WEBHOOK_URL": "http://127.0.0.1:1/",
        "ESE_ALERT_WEBHOOK_SECRET": "whsec_" + "A" * 44,
    })  # fmt: skip
    platform = Platform(settings, database, None, None, None, {})  # type: ignore[arg-type]
    (reading,) = await probes.webhooks(platform)
    assert (reading.key, reading.status) == ("alert webhook:failing", "pass")
    async with database.transaction() as tx:
        await actions.settle(tx, [Judged(BY_NAME["EseDiskLow"], (), 0.05)], AlertWebhooks("https://ese.example.com"))
    sender = Sender(database, Endpoint.of(settings.alerts))
    await sender.round()
    await sender.close()
    (reading,) = await probes.webhooks(platform)
    assert (reading.status, reading.observed) == ("warn", 1.0)
    assert reading.output == "1 wait, 1 of them after a failure; 0 given up within a day"


async def test_a_dependency_that_flaps_leaves_the_platform_ready(app: FastAPI, anonymous: Client) -> None:
    platform, monitor = app.state.platform, app.state.platform.shared["health"]
    working, away = platform.database, Database("postgresql://nobody:x@127.0.0.1:1/none", pool_size=1)
    for _ in range(4):
        platform.database = away
        await monitor.look()
        assert (await anonymous.get("/readyz")).status_code == 200
        platform.database = working
        await monitor.look()
    assert monitor.board.held["postgresql:responseTime"].changes == 0
    platform.database = away
    for _ in range(3):
        await monitor.look()
    assert (await anonymous.get("/readyz")).status_code == 503
    health = (await anonymous.get("/health")).json()
    assert health["status"] == "warn", "what is to be written is buffered, and the buffer is not full"
    assert health["checks"]["postgresql:responseTime"][0]["status"] == "fail"
    platform.database = working
    await away.close()


async def test_a_scrape_holds_requests_stages_queues_and_other_processes(app: FastAPI, owner: Client) -> None:
    platform = app.state.platform
    await owner.get("/api/v1/contacts/00000000-0000-7000-8000-000000000000")
    await platform.redis.hset(publishing.KEY, "work other:7", await published(platform.redis))
    await platform.redis.hset(publishing.KEY, "work dead:8", '[1, [["old_thing","gauge","Old",[["old_thing",{},1]]]]]')
    scraped = (await owner.get("/metrics")).text
    assert 'route="/api/v1/contacts/{contact_id}",method="GET",status="4xx"' in scraped
    assert 'ese_thing_total{a="b",process="work",pid="other:7"} 2.0' in scraped
    assert "old_thing" not in scraped
    assert await platform.redis.hexists(publishing.KEY, "work dead:8") == 0, "who fell silent is forgotten"
    for name in (
        "ese_queue_chores",
        "ese_messages",
        "ese_process_alive",
        "ese_component_up",
        "ese_database_pool_connections",
    ):
        assert f"# TYPE {name} " in scraped
    lines = [line for line in scraped.splitlines() if not line.startswith("#")]
    assert len(lines) <= gathering.SERIES_MAX
    assert len(lines) == len({line.rpartition(" ")[0] for line in lines}), "no series comes twice"


async def published(redis: Any) -> str:
    thing = Family("ese_thing", "counter", "Things", [("ese_thing_total", {"a": "b"}, 2.0)])
    now = (await redis.time())[0]
    return publishing._ENCODER.encode(publishing.Published(float(now), [thing])).decode()
