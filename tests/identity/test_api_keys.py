"""API keys: shown once, kept as a hash, never more than their maker may, and out when they should be."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.permissions import NOT_FOR_KEYS, PERMISSIONS
from tests.identity.test_roles import ACCOUNTS, ME, add  # noqa: F401  # a fixture
from tests.web.client import Client

KEYS, CONTACTS, FLAGS = "/api/v1/api-keys", "/api/v1/contacts", "/api/v1/flags"


@pytest.fixture
def with_key(client_of: Callable[..., Client]) -> Callable[[str], Client]:
    return lambda secret: client_of(headers={"authorization": f"Bearer {secret}"})


async def made(client: Client, *scopes: str, **given: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={"name": "Nightly", "scopes": list(scopes), **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_secret_is_shown_once_and_kept_as_a_hash(owner: Client, database: Database) -> None:
    key = await made(owner, "contacts:read")
    assert key["secret"].startswith(f"{key['prefix']}_")
    (listed,) = (await owner.get(KEYS)).json()["items"]
    assert "secret" not in listed
    assert (listed["status"], listed["account_name"]) == ("active", "Ana")
    async with database.transaction() as tx:
        stored = str((await tx.execute(text("SELECT * FROM api_keys"))).one())
        audited = str((await tx.execute(text("SELECT * FROM audit_entries WHERE entity = 'api_key'"))).one())
    assert key["secret"] not in stored + audited


async def test_a_repeated_request_makes_no_second_key_and_keeps_no_secret(owner: Client, database: Database) -> None:
    body, again = {"name": "Nightly", "scopes": ["contacts:read"]}, {"idempotency-key": "once"}
    first = await owner.post(KEYS, json=body, headers=again)
    second = await owner.post(KEYS, json=body, headers=again)
    assert (first.status_code, second.status_code, second.json()["code"]) == (201, 409, "answered_once")
    assert len((await owner.get(KEYS)).json()["items"]) == 1
    async with database.transaction() as tx:
        kept = bytes((await tx.execute(text("SELECT body FROM idempotency_keys"))).scalar_one())
    assert first.json()["secret"].encode() not in kept


async def test_a_key_works_until_it_is_revoked_or_expires(
    owner: Client, with_key: Callable[[str], Client], database: Database
) -> None:
    first, second = await made(owner, "contacts:write"), await made(owner, "contacts:write")
    client, other = with_key(first["secret"]), with_key(second["secret"])
    assert (await client.post(CONTACTS, json={"phone": "+14152340001"})).status_code == 201
    assert (await owner.delete(f"{KEYS}/{first['id']}")).json()["status"] == "revoked"
    assert (await client.post(CONTACTS, json={"phone": "+14152340002"})).status_code == 401
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE api_keys SET expires_at = now() WHERE id = :id"), {"id": second["id"]})
    assert (await other.post(CONTACTS, json={"phone": "+14152340002"})).status_code == 401
    assert {key["status"] for key in (await owner.get(KEYS)).json()["items"]} == {"revoked", "expired"}


async def test_a_key_never_has_more_than_its_makers_role(
    owner: Client,
    with_key: Callable[[str], Client],
    add: Callable[..., Any],  # noqa: F811
) -> None:
    account, maker = await add("bo", "operator")
    beyond = await maker.post(KEYS, json={"name": "x", "scopes": ["flags:write"]})
    assert (beyond.status_code, beyond.json()["errors"][0]["field"]) == (422, "scopes")
    client = with_key((await made(maker, "contacts:write"))["secret"])
    assert (await client.post(CONTACTS, json={"phone": "+14152340001"})).status_code == 201
    await owner.request("PUT", f"{ACCOUNTS}/{account}/role", json={"role": "viewer"})
    assert (await client.post(CONTACTS, json={"phone": "+14152340002"})).status_code == 403
    await owner.post(f"{ACCOUNTS}/{account}/disable")
    assert (await client.post(CONTACTS, json={"phone": "+14152340002"})).status_code == 401


async def test_what_no_key_may_hold_is_not_offered(anonymous: Client) -> None:
    shapes = (await anonymous.get("/api/v1/openapi.json")).json()["components"]["schemas"]
    for shape in ("ApiKeyIn", "ApiKeyShape", "NewApiKey"):
        offered = set(shapes[shape]["properties"]["scopes"]["items"]["enum"])
        assert offered == PERMISSIONS - NOT_FOR_KEYS, shape


@pytest.mark.parametrize("scopes", [[], ["accounts:manage"], ["no:such"]])
async def test_a_key_without_a_possible_scope_is_refused(owner: Client, scopes: list[str]) -> None:
    assert (await owner.post(KEYS, json={"name": "x", "scopes": scopes})).status_code == 422


async def test_a_key_makes_no_key_and_changes_no_profile(owner: Client, with_key: Callable[[str], Client]) -> None:
    client = with_key((await made(owner, "audit:read"))["secret"])
    for method, path in (("POST", KEYS), ("GET", KEYS), ("PATCH", ME)):
        refused = await client.request(method, path, json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "person_needed")
    assert (await client.get(ME)).json()["permissions"] == ["audit:read"]


async def test_keys_of_others_are_seen_and_revoked_by_who_manages_accounts_only(
    owner: Client,
    add: Callable[..., Any],  # noqa: F811
) -> None:
    mine = await made(owner, "audit:read")
    bo, client = await add("bo", "operator")
    theirs = await made(client, "contacts:read")
    assert (await client.get(KEYS, params={"account_id": mine["account_id"]})).status_code == 403
    assert (await client.delete(f"{KEYS}/{mine['id']}")).status_code == 404
    assert [key["id"] for key in (await owner.get(KEYS, params={"account_id": bo})).json()["items"]] == [theirs["id"]]
    assert (await owner.delete(f"{KEYS}/{theirs['id']}")).json()["status"] == "revoked"


async def test_when_a_key_was_used_is_noted_coarsely(
    owner: Client, with_key: Callable[[str], Client], database: Database
) -> None:
    key = await made(owner, "flags:read")
    assert key["last_used_at"] is None
    client = with_key(key["secret"])
    await client.post(f"{FLAGS}/evaluate", json={})
    first = (await owner.get(KEYS)).json()["items"][0]["last_used_at"]
    await client.post(f"{FLAGS}/evaluate", json={})
    assert first is not None
    assert (await owner.get(KEYS)).json()["items"][0]["last_used_at"] == first
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE api_keys SET last_used_at = now() - interval '6 minutes'"))
    await client.post(f"{FLAGS}/evaluate", json={})
    assert (await owner.get(KEYS)).json()["items"][0]["last_used_at"] > first
