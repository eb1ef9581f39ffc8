"""Roles: who gives them, that one admin always stays, and how soon a change is in force."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.identity.access.directory import Directory
from event_stream_engine.web.auth import STALE_SECONDS, Principal, authenticate, unchanged
from tests.identity.test_accounts import facts
from tests.web.client import Client
from tests.web.settings import PASSWORD

ACCOUNTS, LOGIN, ME = "/api/v1/accounts", "/api/v1/auth/login", "/api/v1/auth/me"


@pytest.fixture
def add(owner: Client, client_of: Callable[..., Client]) -> Callable[..., Any]:
    """Adds an account and signs it in."""

    async def make(name: str, role: str) -> tuple[str, Client]:
        body = {"email": f"{name}@example.com", "password": PASSWORD, "display_name": name, "role": role}
        added = await owner.post(ACCOUNTS, json=body)
        assert added.status_code == 201, added.text
        client = client_of()
        session = await client.post(LOGIN, json={"email": body["email"], "password": PASSWORD})
        client.cookies.clear()
        client.headers["authorization"] = f"Bearer {session.json()['access_token']}"
        return str(added.json()["id"]), client

    return make


async def test_a_role_that_is_taken_away_stops_the_very_next_change(owner: Client, add: Callable[..., Any]) -> None:
    account, client = await add("bo", "operator")
    assert (await client.post("/api/v1/contacts", json={"phone": "+14152340001"})).status_code == 201
    assert (await owner.request("PUT", f"{ACCOUNTS}/{account}/role", json={"role": "viewer"})).status_code == 200
    refused = await client.post("/api/v1/contacts", json={"phone": "+14152340002"})
    assert (refused.status_code, refused.json()["permission"]) == (403, "contacts:write")


async def test_a_read_knows_of_a_change_within_the_promised_time(owner: Client, database: Database) -> None:
    account = UUID((await owner.get(ME)).json()["id"])
    session = UUID((await owner.get("/api/v1/auth/sessions")).json()["items"][0]["id"])
    now = 0.0
    directory = Directory(database, lambda: now)
    assert isinstance(await directory.person(account, session, fresh=False), Principal)
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE accounts SET disabled_at = now() WHERE id = :id"), {"id": account})
    now = STALE_SECONDS * 0.9
    known = await directory.person(account, session, fresh=False)
    assert isinstance(known, Principal), "one look-up a second is the price"
    now = STALE_SECONDS
    assert await directory.person(account, session, fresh=False) == "no_account"
    assert await directory.person(account, session, fresh=True) == "no_account"


async def test_an_access_token_of_a_disabled_account_changes_nothing(owner: Client, add: Callable[..., Any]) -> None:
    account, client = await add("bo", "operator")
    await owner.post(f"{ACCOUNTS}/{account}/disable")
    refused = await client.post("/api/v1/contacts", json={"phone": "+14152340001"})
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")


async def test_an_answer_that_was_kept_is_not_shown_to_who_may_no_longer_ask(
    owner: Client, add: Callable[..., Any]
) -> None:
    account, client = await add("bo", "operator")
    body, key = {"phone": "+14152340001"}, {"idempotency-key": "once"}
    assert (await client.post("/api/v1/contacts", json=body, headers=key)).status_code == 201
    await owner.request("PUT", f"{ACCOUNTS}/{account}/role", json={"role": "viewer"})
    assert (await client.post("/api/v1/contacts", json=body, headers=key)).status_code == 403


async def test_the_last_admin_keeps_the_role(owner: Client, add: Callable[..., Any]) -> None:
    me = (await owner.get(ME)).json()["id"]
    refused = await owner.request("PUT", f"{ACCOUNTS}/{me}/role", json={"role": "viewer"})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    other, _ = await add("bo", "admin")
    await owner.post(f"{ACCOUNTS}/{other}/disable")
    assert (await owner.post(f"{ACCOUNTS}/{me}/disable")).json()["code"] == "last_admin", "a disabled admin is none"


async def test_two_admins_who_demote_each_other_at_once_leave_one(owner: Client, add: Callable[..., Any]) -> None:
    me = (await owner.get(ME)).json()["id"]
    other, client = await add("bo", "admin")
    answers = await asyncio.gather(
        owner.request("PUT", f"{ACCOUNTS}/{other}/role", json={"role": "viewer"}),
        client.request("PUT", f"{ACCOUNTS}/{me}/role", json={"role": "viewer"}),
    )
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert sorted(answer.status_code for answer in answers)[1] in (403, 409)


async def test_a_change_of_role_is_a_fact_and_an_entry_of_the_audit_trail(
    owner: Client, add: Callable[..., Any], database: Database
) -> None:
    account, _ = await add("bo", "viewer")
    for _ in range(2):
        await owner.request("PUT", f"{ACCOUNTS}/{account}/role", json={"role": "operator"})
    found = await facts(database, "bo@example.com")
    assert [(kind, fact["role"]) for kind, fact in found] == [("UserCreated", "viewer"), ("UserUpdated", "operator")]
    assert found[1][1]["changed_fields"] == ["role"]
    async with database.transaction() as tx:
        query = "SELECT detail FROM audit_entries WHERE action = 'account.change_role'"
        assert [row[0] for row in await tx.execute(text(query))] == [{"from": "viewer", "to": "operator"}]


async def test_others_see_themselves_and_admins_page_through_all(owner: Client, add: Callable[..., Any]) -> None:
    _, viewer = await add("vi", "viewer")
    assert [account["email"] for account in (await viewer.get(ACCOUNTS)).json()["items"]] == ["vi@example.com"]
    first = (await owner.get(ACCOUNTS, params={"limit": 1})).json()
    rest = (await owner.get(ACCOUNTS, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [page["items"][0]["email"] for page in (first, rest)] == ["ana@example.com", "vi@example.com"]
    assert rest["next_cursor"] is None


async def test_a_stream_that_was_begun_ends_once_the_role_changed(
    app: FastAPI, owner: Client, add: Callable[..., Any]
) -> None:
    account, client = await add("bo", "operator")
    now = 0.0
    app.state.platform.accounts = Directory(app.state.platform.database, lambda: now)
    sent = [(b"authorization", client.headers["authorization"].encode())]
    request = Request({"type": "http", "method": "GET", "path": "/api/v1/live", "headers": sent, "app": app})
    goes_on = unchanged(request, await authenticate(request))
    assert await goes_on()
    await owner.request("PUT", f"{ACCOUNTS}/{account}/role", json={"role": "viewer"})
    now = STALE_SECONDS
    assert not await goes_on()
