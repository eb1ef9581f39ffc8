"""Who and what an entry is about, by name: people, API keys, and whose session it was."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine import audit
from event_stream_engine.database import Database
from event_stream_engine.ids import new_id
from tests.web.client import Client
from tests.web.settings import PASSWORD

AUDIT, KEYS, CONTACTS = "/api/v1/audit", "/api/v1/api-keys", "/api/v1/contacts"


@pytest.fixture
async def key(owner: Client) -> dict[str, Any]:
    body = {"name": "Nightly import", "scopes": ["contacts:write", "audit:read"]}
    made: dict[str, Any] = (await owner.post(KEYS, json=body)).json()
    return made


@pytest.fixture
def program(client_of: Callable[..., Client], key: dict[str, Any]) -> Client:
    return client_of(headers={"authorization": f"Bearer {key['secret']}"})


async def entries(client: Client, **wanted: str) -> list[dict[str, Any]]:
    answer = await client.get(AUDIT, params=wanted)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_programs_change_names_the_key_and_its_maker(
    owner: Client, program: Client, key: dict[str, Any]
) -> None:
    assert (await program.post(CONTACTS, json={"phone": "+14152340001"})).status_code == 201
    assert (await owner.post(CONTACTS, json={"phone": "+14152340002"})).status_code == 201
    by_hand, by_key = await entries(owner, action="contact.add")
    assert (by_key["actor"], by_key["key"], by_key["key_id"]) == ("Ana", "Nightly import", key["id"])
    assert (by_hand["actor"], by_hand["key"], by_hand["key_id"]) == ("Ana", None, None)
    assert [entry["action"] for entry in await entries(owner, key_id=key["id"])] == ["contact.add"]


async def test_what_was_changed_is_named(owner: Client) -> None:
    made = {}
    for kind, body in (
        ("template", {"name": "Spring text", "body": "Hi"}),
        ("sender", {"name": "Shop", "address": "+14155550100", "messages_per_second": 10}),
        ("segment", {"name": "Gold", "definition": {"all": []}}),
        ("contact", {"phone": "+14152340003"}),
    ):
        made[kind] = (await owner.post(f"/api/v1/{kind}s", json=body)).json()["id"]
    parts = {"template_id": made["template"], "sender_id": made["sender"]}
    assert (await owner.post("/api/v1/campaigns", json={"name": "Spring", **parts})).status_code == 201
    named = {entry["action"]: entry["subject"] for entry in await entries(owner)}
    wanted = {"template.add": "Spring text", "sender.add": "Shop", "segment.add": "Gold", "campaign.add": "Spring"}
    assert {action: named[action] for action in wanted} == wanted
    assert named["contact.add"] == "+14152340003"
    await owner.delete(f"/api/v1/segments/{made['segment']}")
    assert [entry["subject"] for entry in await entries(owner, action="segment.add")] == [None]


async def test_accounts_keys_and_sessions_are_named_as_subjects(owner: Client, key: dict[str, Any]) -> None:
    body = {"email": "bo@example.com", "password": PASSWORD, "display_name": "Bo", "role": "viewer"}
    bo = (await owner.post("/api/v1/accounts", json=body)).json()["id"]
    await owner.post("/api/v1/auth/login", json={"email": "bo@example.com", "password": PASSWORD})
    await owner.delete(f"/api/v1/accounts/{bo}/sessions")
    named = {entry["action"]: (entry["actor"], entry["subject"]) for entry in reversed(await entries(owner))}
    assert named["account.register"] == ("Ana", "Bo")
    assert named["api_key.make"] == ("Ana", "Nightly import")
    assert named["session.end"] == ("Ana", "Bo")
    assert [entry["subject"] for entry in await entries(owner, action="session.begin")] == ["Bo", "Ana"]


async def test_the_export_has_the_same_names(owner: Client, program: Client) -> None:
    await program.post(CONTACTS, json={"phone": "+14152340001"})
    rows = list(csv.DictReader(io.StringIO((await owner.get(f"{AUDIT}/export.csv")).text)))
    by_action = {row["action"]: row for row in rows}
    assert (by_action["contact.add"]["actor"], by_action["contact.add"]["key"]) == ("Ana", "Nightly import")
    assert by_action["api_key.make"]["subject"] == "Nightly import"


async def test_who_may_not_see_people_is_shown_names_without_numbers_and_addresses(
    owner: Client, program: Client, database: Database
) -> None:
    async with database.transaction() as tx:
        await audit.record(tx, None, "sender.add", new_id(), {"address": "+14155550100", "to": ["x@example.com", 3]})
        await tx.execute(text("UPDATE accounts SET display_name = 'ana@example.com'"))
    (masked,) = await entries(program, action="sender.add")
    assert masked["detail"] == {"address": "•••• 0100", "to": ["•••", 3]}
    assert {entry["actor"] for entry in await entries(program, action="api_key.*")} == {"•••"}
    assert {entry["actor"] for entry in await entries(owner, action="api_key.*")} == {"ana@example.com"}


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("UPDATE audit_entries SET key_id = NULL WHERE action = 'contact.add'", False),
        ("UPDATE audit_entries SET key_id = gen_random_uuid() WHERE action = 'account.register'", False),
        ("SELECT 1", True),
    ],
)
async def test_the_key_is_part_of_what_is_proved(
    program: Client, database: Database, statement: str, holds: bool
) -> None:
    await program.post(CONTACTS, json={"phone": "+14152340001"})
    async with database.transaction() as tx:
        await tx.execute(text(statement))
    async with database.transaction() as tx:
        assert (await audit.prove(tx)).holds is holds


async def test_a_range_holds_its_beginning_and_not_its_end(owner: Client, database: Database) -> None:
    for at in ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"):
        async with database.transaction() as tx:
            await audit.record(tx, None, "flag.kill", at)
            moved = text("UPDATE audit_entries SET at = CAST(entity_id AS timestamptz) WHERE entity_id = :at")
            await tx.execute(moved, {"at": at})
    day = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
    assert [entry["entity_id"] for entry in await entries(owner, action="flag.kill", **day)] == [day["since"]]
    backwards = await owner.get(AUDIT, params={"since": day["until"], "until": day["since"]})
    assert (backwards.status_code, backwards.json()["errors"][0]["field"]) == (422, "until")
