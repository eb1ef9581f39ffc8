"""Accounts: each change is a fact on `identity.user.v1`, and a disabled account is out."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from tests.web.client import Client
from tests.web.settings import PASSWORD

ACCOUNTS, REGISTER, LOGIN = "/api/v1/accounts", "/api/v1/auth/register", "/api/v1/auth/login"
MEMBER_SIGNS_IN = {"email": "bo@example.com", "password": PASSWORD}
MEMBER = {**MEMBER_SIGNS_IN, "display_name": "Bo"}


async def facts(database: Database, email: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    query = "SELECT type, data FROM outbox WHERE stream = 'identity.user.v1' ORDER BY seq"
    async with database.transaction() as tx:
        found = [(row[0], row[1]) for row in await tx.execute(text(query))]
    return [fact for fact in found if email is None or fact[1]["email"] == email]


@pytest.fixture
async def member(owner: Client) -> str:
    added = await owner.post(REGISTER, json=MEMBER)
    assert added.status_code == 201, added.text
    return str(added.json()["id"])


async def test_each_change_of_an_account_is_recorded_once(
    owner: Client, member: str, database: Database, client_of: Callable[..., Client]
) -> None:
    bo = client_of()
    await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    await bo.request("PATCH", "/api/v1/auth/me", json={"display_name": "Bo B", "password": PASSWORD * 2,
                                                       "current_password": PASSWORD})  # fmt: skip
    await owner.post(f"{ACCOUNTS}/{member}/disable")
    await owner.post(f"{ACCOUNTS}/{member}/disable")
    await owner.post(f"{ACCOUNTS}/{member}/enable")
    found = await facts(database, "bo@example.com")
    assert [name for name, _ in found] == ["UserCreated", "UserUpdated", "UserDisabled", "UserUpdated"]
    assert found[1][1]["changed_fields"] == ["display_name", "password"]
    assert PASSWORD not in str(found), "a password is never in an event"
    assert found[2][1]["reason"] == "admin_action"
    assert (found[3][1]["status"], found[3][1]["changed_fields"]) == ("active", ["status"])


async def test_a_disabled_account_can_neither_sign_in_nor_renew(
    owner: Client, member: str, client_of: Callable[..., Client]
) -> None:
    bo = client_of()
    assert (await bo.post(LOGIN, json=MEMBER_SIGNS_IN)).status_code == 200
    assert (await owner.post(f"{ACCOUNTS}/{member}/disable")).json()["status"] == "disabled"
    assert (await bo.post("/api/v1/auth/refresh")).status_code == 401
    refused = await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    assert (refused.status_code, refused.json()["detail"]) == (401, "This account is disabled. Ask an admin.")


async def test_the_last_admin_stays(owner: Client) -> None:
    me = (await owner.get("/api/v1/auth/me")).json()["id"]
    refused = await owner.post(f"{ACCOUNTS}/{me}/disable")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")


async def test_a_member_changes_nobody(owner: Client, member: str, client_of: Callable[..., Client]) -> None:
    bo = client_of()
    await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    assert (await bo.post(f"{ACCOUNTS}/{member}/disable")).json()["code"] == "permission_missing"
    assert [account["email"] for account in (await bo.get(ACCOUNTS)).json()["items"]] == ["bo@example.com"]


async def test_a_platform_without_mail_takes_a_new_address_at_once(browser: Client) -> None:
    body = {"email": "ana2@example.com", "current_password": PASSWORD}
    changed = (await browser.patch("/api/v1/auth/me", json=body)).json()
    assert (changed["email"], changed["new_email"]) == ("ana2@example.com", None)
