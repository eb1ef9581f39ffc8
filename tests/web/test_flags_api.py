"""Feature flags over HTTP: what an owner changes, who may, what is refused, and what is kept of it."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.flags.api import get_flag_manager
from tests.web.client import Answer, Client

FLAGS = "/api/v1/flags"
OWN = ("MONITORING_USE_ADAPTER", "MONITORING_ADAPTER_TYPE", "MONITORING_DUAL_MODE", "MONITORING_ENABLE_VALIDATION",
       "MONITORING_VALIDATION_STRICT", "MONITORING_METRICS_PERSISTENCE", "MONITORING_METRICS_FLUSH_INTERVAL",
       "MONITORING_BATCH_SIZE")  # fmt: skip


async def made(owner: Client, name: str = "new-form", **given: Any) -> Answer:
    body = {"type": "bool", "value": False, "reason": "try it", **given}
    answer = await owner.request("PUT", f"{FLAGS}/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.fixture
async def member(owner: Client, client_of: Any) -> Client:
    body = {"email": "bo@example.com", "password": "correct horse battery", "display_name": "Bo"}
    assert (await owner.post("/api/v1/auth/register", json=body)).status_code == 201
    client: Client = client_of()
    signs_in = {"email": body["email"], "password": body["password"]}
    session = (await client.post("/api/v1/auth/login", json=signs_in)).json()
    client.cookies.clear()
    client.headers["authorization"] = f"Bearer {session['access_token']}"
    return client


async def in_force(client: Client, name: str, value: object) -> None:
    """Wait until this process gives the value: it is told after the commit."""
    async with asyncio.timeout(30):
        while (await client.get("/flags/status")).json()["values"].get(name) != value:
            pass


async def test_the_products_own_flags_are_listed_as_declared(owner: Client) -> None:
    found = {flag["name"]: flag for flag in (await owner.get(FLAGS)).json()["items"]}
    assert set(found) == set(OWN)
    interval = found["MONITORING_METRICS_FLUSH_INTERVAL"]
    assert (interval["type"], interval["in_force"], interval["version"], interval["is_own"]) == ("int", 300, 0, True)


async def test_a_flag_is_made_changed_killed_and_rolled_back_and_its_history_tells(owner: Client) -> None:
    first = await made(owner, rollout={"percentage": 25, "serve": {"value": True}})
    assert (first.headers["etag"], first.json()["by"], first.json()["reason"]) == ('"1"', "Ana", "try it")
    share = {"rollout": {"percentage": 50, "serve": {"value": True}}, "reason": "half"}
    changed = await owner.patch(f"{FLAGS}/new-form", json=share, headers={"if-match": '"1"'})
    assert (changed.headers["etag"], changed.json()["rollout"]["percentage"]) == ('"2"', 50)
    killed = await owner.post(f"{FLAGS}/new-form/kill", json={"reason": "errors"})
    assert (killed.json()["state"], killed.json()["in_force"], killed.json()["version"]) == ("killed", False, 3)
    back = await owner.post(f"{FLAGS}/new-form/rollback", json={"version": 1, "reason": "as it was"})
    assert (back.json()["state"], back.json()["rollout"]["percentage"], back.json()["version"]) == ("on", 25, 4)
    page = (await owner.get(f"{FLAGS}/new-form/history", params={"limit": 3})).json()
    rest = (await owner.get(f"{FLAGS}/new-form/history", params={"limit": 3, "cursor": page["next_cursor"]})).json()
    told = [*page["items"], *rest["items"]]
    assert [(row["action"], row["version_from"], row["version_to"]) for row in told] == [
        ("rollback", 3, 4), ("kill", 2, 3), ("change", 1, 2), ("create", 0, 1)
    ]  # fmt: skip
    assert (told[1]["by"], told[1]["reason"], told[1]["after"]["killed"]) == ("Ana", "errors", True)
    assert (told[3]["before"], rest["next_cursor"]) == (None, None)


async def test_a_percentage_is_percent(owner: Client, subtests: pytest.Subtests) -> None:
    everybody = await made(owner, rollout={"percentage": 100, "serve": {"value": True}})
    assert everybody.json()["rollout"]["percentage"] == 100
    halves = [{"name": name, "value": name == "a", "weight": 50} for name in ("a", "b")]
    change = {
        "reason": "split", "variants": halves, "rollout": {"percentage": 12.34, "serve": {"split": True}},
        "rules": [{"when": [{"attribute": "a", "op": "exists"}], "serve": {"value": True}, "percentage": 0.01}],
    }  # fmt: skip
    changed = (await owner.patch(f"{FLAGS}/new-form", json=change)).json()
    assert (changed["rollout"]["percentage"], changed["rules"][0]["percentage"]) == (12.34, 0.01)
    assert [variant["weight"] for variant in changed["variants"]] == [50, 50]
    for wrong in (10_000, 100.01, -1, 0.001, 12.345, "25"):
        with subtests.test(percentage=wrong):
            share = {"rollout": {"percentage": wrong, "serve": {"value": True}}, "reason": "x"}
            answer = await owner.patch(f"{FLAGS}/new-form", json=share)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["field"] == "rollout.percentage"
    for wrong in (5000, 33.333):
        with subtests.test(weight=wrong):
            variants = [{"name": "a", "value": True, "weight": wrong}]
            answer = await owner.patch(f"{FLAGS}/new-form", json={"variants": variants, "reason": "x"})
            assert answer.status_code == 422, answer.text


async def test_an_edit_of_a_version_that_is_gone_is_refused(owner: Client) -> None:
    await made(owner)
    edit = {"value": True, "reason": "on"}
    assert (await owner.patch(f"{FLAGS}/new-form", json=edit, headers={"if-match": '"1"'})).status_code == 200
    late = await owner.patch(f"{FLAGS}/new-form", json={**edit, "value": False}, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")
    again = {"type": "bool", "value": True, "reason": "x"}
    taken = await owner.request("PUT", f"{FLAGS}/new-form", json=again, headers={"if-match": '"0"'})
    assert taken.status_code == 412


async def test_flags_that_do_not_go_together_are_refused_as_a_set_and_taken_as_a_set(
    owner: Client, database: Database
) -> None:
    dual = {"name": "MONITORING_DUAL_MODE", "fields": {"value": True}}
    adapter = {"name": "MONITORING_ADAPTER_TYPE", "fields": {"value": "dual"}}
    refused = await owner.post(f"{FLAGS}/change-sets", json={"changes": [dual], "reason": "both"})
    assert (refused.status_code, refused.json()["code"]) == (409, "flag_combination")
    assert [error["field"] for error in refused.json()["errors"]] == ["MONITORING_DUAL_MODE"]
    async with database.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM flag_audit"))).scalar_one() == 0
    taken = await owner.post(f"{FLAGS}/change-sets", json={"changes": [dual, adapter], "reason": "both"})
    assert {flag["name"]: flag["in_force"] for flag in taken.json()["items"]} == {
        "MONITORING_DUAL_MODE": True, "MONITORING_ADAPTER_TYPE": "dual"
    }  # fmt: skip
    history = (await owner.get(f"{FLAGS}/MONITORING_DUAL_MODE/history")).json()["items"]
    other = (await owner.get(f"{FLAGS}/MONITORING_ADAPTER_TYPE/history")).json()["items"]
    assert history[0]["change_set"] == other[0]["change_set"]


async def test_a_set_makes_kills_and_removes_flags(owner: Client) -> None:
    await made(owner, "a", value=True)
    await made(owner, "b")
    fields = {"type": "int", "value": 3}
    changes = [{"name": "a", "action": "kill"}, {"name": "b", "action": "remove", "version": 1},
               {"name": "c", "action": "create", "fields": fields}]  # fmt: skip
    done = await owner.post(f"{FLAGS}/change-sets", json={"changes": changes, "reason": "tidy"})
    assert {flag["name"]: flag["state"] for flag in done.json()["items"]} == {"a": "killed", "c": "on"}
    assert (await owner.get(f"{FLAGS}/b")).status_code == 404
    assert (await owner.delete(f"{FLAGS}/c", params={"reason": "done"})).status_code == 204
    assert (await owner.delete(f"{FLAGS}/{OWN[0]}", params={"reason": "done"})).status_code == 409


IMPOSSIBLE: tuple[tuple[str, str, Any, int], ...] = (
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": True, "reason": "x"}, 422),
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": 20_000, "reason": "x"}, 409),
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": None, "reason": "x"}, 422),
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": 5}, 422),
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": 5, "reason": " "}, 422),
    (f"{FLAGS}/MONITORING_BATCH_SIZE", "PATCH", {"value": 5, "reason": "x", "colour": 1}, 422),
    (f"{FLAGS}/none", "PATCH", {"value": 5, "reason": "x"}, 404),
    (f"{FLAGS}/1a", "PUT", {"type": "bool", "value": True, "reason": "x"}, 422),
    (f"{FLAGS}/a", "PUT", {"type": "string", "value": "a\x00", "reason": "x"}, 422),
    (f"{FLAGS}/a", "PUT", {"type": "json", "value": {"a": "\x00"}, "reason": "x"}, 422),
    (f"{FLAGS}/none/kill", "POST", {"reason": "x"}, 404),
    (f"{FLAGS}/MONITORING_BATCH_SIZE/rollback", "POST", {"version": 3, "reason": "x"}, 404),
    (f"{FLAGS}/change-sets", "POST", {"changes": [], "reason": "x"}, 422),
)


async def test_what_cannot_be_done_is_refused_with_a_reason(owner: Client, subtests: pytest.Subtests) -> None:
    for path, method, body, status in IMPOSSIBLE:
        with subtests.test(path=path, body=body):
            refused = await owner.request(method, path, json=body)
            assert (refused.status_code, bool(refused.json()["detail"])) == (status, True), refused.text


async def test_an_operator_reads_and_tries_and_only_an_admin_changes(owner: Client, member: Client) -> None:
    await made(owner)
    assert (await member.get(f"{FLAGS}/new-form")).status_code == 200
    assert (await member.post(f"{FLAGS}/evaluate", json={})).status_code == 200
    reason = {"reason": "mine"}
    for method, path, body in (
        ("PUT", "other", {"type": "bool", "value": True, **reason}), ("PATCH", "new-form", {"value": True, **reason}),
        ("POST", "new-form/kill", reason), ("POST", "new-form/rollback", {"version": 1, **reason}),
        ("POST", "change-sets", {"changes": [{"name": "new-form", "action": "kill"}], **reason}),
    ):  # fmt: skip
        refused = await member.request(method, f"{FLAGS}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    assert (await member.delete(f"{FLAGS}/new-form", params=reason)).status_code == 403
    assert (await owner.get(f"{FLAGS}/new-form")).json()["version"] == 1


async def test_a_change_stands_in_the_platforms_audit_too(owner: Client, database: Database) -> None:
    answer = await made(owner)
    query = text("SELECT action, entity_id, detail, request_id FROM audit_entries WHERE entity = 'flag'")
    async with database.transaction() as tx:
        ((action, entity, detail, request_id),) = (await tx.execute(query)).all()
    assert (action, entity, detail["reason"], detail["to"]) == ("flag.create", "new-form", "try it", 1)
    assert str(request_id) == answer.headers["x-request-id"]


async def test_a_context_is_tried_and_every_answer_has_its_reason(owner: Client) -> None:
    rule = {"when": [{"attribute": "country", "op": "in", "values": ["DE"]}], "serve": {"value": True}}
    await made(owner, rules=[rule])
    await in_force(owner, "new-form", False)
    body = {"context": {"country": "DE"}, "names": ["new-form", "none"]}
    tried, unknown = (await owner.post(f"{FLAGS}/evaluate", json=body)).json()["items"]
    assert (tried["value"], tried["reason"], tried["detail"], tried["version"]) == (
        True, "TARGETING_MATCH", "rule:1", 1
    )  # fmt: skip
    assert (unknown["reason"], unknown["error_code"]) == ("ERROR", "FLAG_NOT_FOUND")
    everything = (await owner.post(f"{FLAGS}/evaluate", json={"context": {"country": "FR"}})).json()
    assert len(everything["items"]) == len(OWN) + 1
    assert everything["is_stale"] is False


async def test_a_change_is_in_force_in_this_process_at_once_and_in_its_flag_manager(owner: Client) -> None:
    change = {"value": 7, "reason": "smaller"}
    assert (await owner.patch(f"{FLAGS}/MONITORING_BATCH_SIZE", json=change)).status_code == 200
    await in_force(owner, "MONITORING_BATCH_SIZE", 7)
    assert get_flag_manager().integer("MONITORING_BATCH_SIZE", 0) == 7


async def test_health_is_degraded_and_still_200_while_the_kept_flags_contradict(
    app: FastAPI, owner: Client, anonymous: Client, database: Database
) -> None:
    healthy = await anonymous.get("/health/flags")
    assert (healthy.status_code, healthy.json()["health"], healthy.json()["issues"]) == (200, "healthy", [])
    assert "values" not in healthy.json()
    await owner.patch(f"{FLAGS}/MONITORING_ENABLE_VALIDATION", json={"value": False, "reason": "x"})
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE feature_flags SET definition = '{}'"))
    await app.state.platform.shared["flags_follower"].refresh()
    degraded = await anonymous.get("/health/flags")
    assert (degraded.status_code, degraded.json()["health"]) == (200, "degraded")
    assert [issue["code"] for issue in degraded.json()["issues"]] == ["unreadable"]


async def test_a_history_is_narrowed_to_a_time(owner: Client) -> None:
    await made(owner)
    url = f"{FLAGS}/new-form/history"
    assert len((await owner.get(url, params={"since": "2026-01-01T00:00:00Z"})).json()["items"]) == 1
    assert (await owner.get(url, params={"until": "2026-01-01T00:00:00Z"})).json()["items"] == []
    backwards = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    assert (await owner.get(url, params=backwards)).json()["errors"][0]["field"] == "until"
