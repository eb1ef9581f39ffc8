"""The backbone over HTTP: what an operator reads and does, audited."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Database
from event_stream_engine.events.messaging import StatusCallbackReceived
from event_stream_engine.settings import BackboneSettings
from tests.backbone.conftest import working
from tests.backbone.test_failing_reactions import wait_rows
from tests.web.client import Client

BACKBONE = "/api/v1/backbone"
GROUP = "messaging.apply_receipts"
STREAM = "identity.user.v1"


@pytest.fixture
async def published(owner: Client, database: Database, redis_url: str) -> AsyncIterator[str]:
    """The owner's own UserCreated, on its stream; its id."""
    client = connect(redis_url)
    async with working(Relay(database, RedisStreams(client), BackboneSettings())):
        await wait_rows(database, "SELECT * FROM relay_positions")
    yield str((await wait_rows(database, "SELECT event_id FROM outbox"))[0]["event_id"])
    await client.aclose()


async def bury(database: Database, count: int) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(_BURY), {"count": count, "group": GROUP})


_BURY = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
                          taken_over, error_class, error, stack, history, release, first_failed_at)
SELECT gen_random_uuid(), :group, gen_random_uuid(), 'messaging.callback.v1', '1-' || n, 1, n, 'StatusCallbackReceived',
       'k' || n, jsonb_build_object('data', jsonb_build_object('n', n), 'time', now()), 12, 0, 0, 'ValueError',
       'no ' || n, 'stack', '[]', '0', now()
FROM generate_series(1, :count) AS n
"""


async def audited(database: Database) -> list[str]:
    return [row["action"] for row in await wait_rows(database, "SELECT action FROM audit_entries ORDER BY id")]


async def test_a_group_that_has_not_read_an_event_waits_for_it(
    owner: Client, database: Database, redis_url: str
) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, StatusCallbackReceived(sid="SM1", status="sent", received_at=clock.now(), form={}))
    (found,) = await wait_rows(database, "SELECT event_id FROM outbox WHERE stream = 'messaging.callback.v1'")
    url = f"{BACKBONE}/events/{found['event_id']}"

    async def told() -> list[tuple[str, str]]:
        trace = (await owner.get(f"{url}/trace")).json()["items"]
        whole = (await owner.get(url)).json()
        (traced,) = [event for event in trace if event["event_id"] == str(found["event_id"])]
        assert traced["groups"] == whole["groups"]
        assert (traced["listeners"], whole["listeners"]) == (1, 1)
        return [(group["group"], group["state"]) for group in whole["groups"]]

    assert await told() == [(GROUP, "waiting")], "not published yet"
    client = connect(redis_url)
    async with working(Relay(database, RedisStreams(client), BackboneSettings())):
        await wait_rows(database, "SELECT * FROM relay_positions WHERE stream = 'messaging.callback.v1'")
    await client.aclose()
    assert await told() == [(GROUP, "waiting")], "published, not read"
    at_the_end = "SELECT :group, stream, entry_id FROM relay_positions WHERE stream = 'messaging.callback.v1'"
    await execute(database, f"INSERT INTO group_positions (group_name, stream, entry_id) {at_the_end}")
    assert await told() == [], "read past, and not in charge: it began after it"
    await execute(database, "INSERT INTO inbox (group_name, event_id) SELECT :group, event_id FROM outbox")
    assert await told() == [(GROUP, "applied")]


async def execute(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement), {"group": GROUP})


async def test_streams_and_the_relay_are_shown_as_they_are(owner: Client, published: str) -> None:
    (stream,) = (await owner.get(f"{BACKBONE}/streams")).json()["items"]
    assert (stream["stream"], stream["entries"], stream["state"]) == (STREAM, 1, "ok")
    assert (stream["unpublished_events"], stream["first_entry_id"]) == (0, stream["last_entry_id"])
    relay = (await owner.get(f"{BACKBONE}/relay")).json()
    assert (relay["works"], relay["generation"], relay["generation_refused"]) == (False, 1, None)


async def test_an_event_is_found_shown_whole_and_traced(owner: Client, published: str) -> None:
    (listed,) = (await owner.get(f"{BACKBONE}/events", params={"stream": STREAM, "type": "UserCreated"})).json()[
        "items"
    ]
    assert listed["event_id"] == published
    assert listed["entry_id"] is not None
    assert "data" not in listed
    whole = (await owner.get(f"{BACKBONE}/events/{published}")).json()
    assert whole["data"]["email"] == "ana@example.com"
    assert whole["groups"] == [{"group": "monitoring.tell", "state": "waiting"}]
    assert whole["listeners"] == 1
    trace = (await owner.get(f"{BACKBONE}/events/{published}/trace")).json()["items"]
    assert [event["type"] for event in trace] == ["UserCreated"]
    assert (await owner.get(f"{BACKBONE}/events/{'0' * 8}-0000-7000-8000-{'0' * 12}")).status_code == 404


async def test_letters_are_paged_redriven_and_discarded_and_it_is_audited(owner: Client, database: Database) -> None:
    await bury(database, 5)
    first = (await owner.get(f"{BACKBONE}/dead-letters", params={"limit": 3})).json()
    rest = (await owner.get(f"{BACKBONE}/dead-letters", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    letters = [*first["items"], *rest["items"]]
    assert (len({letter["id"] for letter in letters}), first["total"], rest["next_cursor"]) == (5, 5, None)
    shown = (await owner.get(f"{BACKBONE}/dead-letters/{letters[0]['id']}")).json()
    assert (shown["stack"], set(shown["data"])) == ("stack", {"n"})
    tried = await owner.post(f"{BACKBONE}/dead-letters/redrive", json={"filter": {"group": GROUP}, "dry_run": True})
    assert (tried.json()["matched"], tried.json()["redriven"]) == (5, 0)
    done = await owner.post(f"{BACKBONE}/dead-letters/redrive", json={"ids": [letters[0]["id"], letters[1]["id"]]})
    assert done.json()["redriven"] == 2
    gone = await owner.post(f"{BACKBONE}/dead-letters/discard", json={"filter": {"key": "k1"}, "reason": "known"})
    assert gone.json()["matched"] == gone.json()["discarded"]
    waiting = (await owner.get(f"{BACKBONE}/groups/{GROUP}/parked")).json()["items"]
    assert len(waiting) == 2
    assert "dead_letter.redrive" in await audited(database)


IMPOSSIBLE: tuple[tuple[str, Any], ...] = (
    ("dead-letters/redrive", {}),
    ("dead-letters/redrive", {"ids": [], "filter": {}}),
    ("dead-letters/discard", {"filter": {}}),
    ("dead-letters/discard", {"filter": {}, "reason": " "}),
    ("replays", {"group": "nobody"}),
    ("replays", {"group": GROUP, "from_entry_id": "x"}),
    ("replays", {"group": GROUP, "from_time": "2026-01-01T00:00:00"}),
    (f"groups/{GROUP}/pause", {"reason": ""}),
)


async def test_what_cannot_be_done_is_refused_with_a_reason(owner: Client, subtests: pytest.Subtests) -> None:
    for path, body in IMPOSSIBLE:
        with subtests.test(path=path, body=body):
            refused = await owner.post(f"{BACKBONE}/{path}", json=body)
            assert (refused.status_code, bool(refused.json()["detail"])) == (422, True), refused.text


async def test_a_mistyped_group_is_not_taken_for_one_without_dead_letters(
    owner: Client, database: Database, subtests: pytest.Subtests
) -> None:
    await execute(database, "INSERT INTO consumer_groups (group_name, epoch) VALUES ('of.an_older_release', 1)")
    of = {"filter": {"group": "nobody"}, "reason": "no more"}
    answers = {
        "list": await owner.get(f"{BACKBONE}/dead-letters?group=nobody"),
        "causes": await owner.get(f"{BACKBONE}/dead-letters/causes?group=nobody"),
        "redrive": await owner.post(f"{BACKBONE}/dead-letters/redrive", json={"filter": of["filter"]}),
        "discard": await owner.post(f"{BACKBONE}/dead-letters/discard", json=of),
    }
    for name, answer in answers.items():
        with subtests.test(name):
            assert answer.status_code == 404, answer.text
            assert GROUP in answer.json()["detail"], "it names the groups there are"
    for known in (GROUP, "of.an_older_release"):
        assert (await owner.get(f"{BACKBONE}/dead-letters?group={known}")).json()["items"] == []


async def test_a_group_is_paused_with_a_reason_and_resumed(owner: Client, database: Database) -> None:
    listed = (await owner.get(f"{BACKBONE}/groups")).json()["items"]
    assert {group["group"] for group in listed} >= set(GROUPS)
    paused = (await owner.post(f"{BACKBONE}/groups/{GROUP}/pause", json={"reason": "a look"})).json()
    assert (paused["state"], paused["pause_reason"]) == ("paused", "a look")
    assert (await owner.post(f"{BACKBONE}/groups/{GROUP}/resume")).json()["paused_at"] is None
    assert (await owner.post(f"{BACKBONE}/groups/nobody/resume")).status_code == 404
    assert {"consumer_group.pause", "consumer_group.resume"} <= set(await audited(database))


async def test_a_replay_is_counted_first_and_then_asked_for(owner: Client, app: FastAPI, database: Database) -> None:
    dry = await owner.post(f"{BACKBONE}/replays", json={"group": GROUP, "dry_run": True})
    assert (dry.status_code, dry.json()["matched"], dry.json()["id"]) == (200, 0, None)
    assert (await owner.get(f"{BACKBONE}/replays")).json()["items"] == []


async def test_nobody_reads_the_backbone_without_signing_in(anonymous: Client) -> None:
    for path in ("streams", "relay", "events", "groups", "dead-letters", "replays", "tail", "parked-rows"):
        assert (await anonymous.get(f"{BACKBONE}/{path}")).status_code == 401


async def test_prometheus_reads_the_backbones_figures(owner: Client, anonymous: Client, published: str) -> None:
    found = (await anonymous.get("/metrics")).text
    assert "ese_backbone_metrics_up 1.0" in found
    assert f'ese_stream_unpublished_events{{stream="{STREAM}"}} 0.0' in found
    assert f'ese_group_lag_events{{group="{GROUP}"}} 0.0' in found
    assert f'ese_group_state{{group="{GROUP}",state="no_consumer"}} 1.0' in found


async def test_letters_are_grouped_by_what_they_died_of_and_a_whole_cause_is_chosen(
    owner: Client, database: Database
) -> None:
    await bury(database, 12)
    errors = {
        1: "relation \"a\" is gone\nDETAIL: 1", 2: "relation \"b\" is gone\nDETAIL: 2",
        3: "no 01890a5d-ac96-774b-bcce-b302099a8057 of +14152340001", 4: "NO of +14152340001",
    }  # fmt: skip
    for n, error in errors.items():
        async with database.transaction() as tx:
            await tx.execute(text("UPDATE dead_letters SET error = :e WHERE key = :k"), {"e": error, "k": f"k{n}"})
    url = f"{BACKBONE}/dead-letters"
    page = (await owner.get(f"{url}/causes")).json()
    assert [cause["count"] for cause in page["items"]] == [8, 2, 1, 1]
    assert page["total"] == 12
    most, relation = page["items"][:2]
    assert (most["group"], most["type"], most["keys"]) == (GROUP, "StatusCallbackReceived", 8)
    assert most["handler"] == "event_stream_engine.messaging.consumers.apply_receipts"
    assert most["first_at"] <= most["last_at"]
    members = (await owner.get(url, params={"cause": relation["id"]})).json()
    assert {letter["error"].split()[1] for letter in members["items"]} == {'"a"', '"b"'}
    chosen = {"filter": {"cause": relation["id"]}, "dry_run": True}
    assert (await owner.post(f"{url}/redrive", json=chosen)).json()["matched"] == 2
    done = await owner.post(f"{url}/discard", json={**chosen, "dry_run": False, "reason": "known"})
    assert done.json() == {"matched": 2, "discarded": 2}
    assert [cause["count"] for cause in (await owner.get(f"{url}/causes")).json()["items"]] == [8, 1, 1]
    assert len((await owner.get(f"{url}/causes", params={"status": "discarded"})).json()["items"]) == 1
