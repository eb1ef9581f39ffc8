"""A person sees their sessions and ends them; a copied refresh token ends its whole family."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database, Transaction
from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.identity.access.directory import KNOWN_MAX, Directory
from event_stream_engine.identity.devices import visitor
from event_stream_engine.identity.model import REFRESH_GRACE_SECONDS
from event_stream_engine.ids import new_id
from event_stream_engine.web.auth import STALE_SECONDS, Principal, authenticate, unchanged
from tests.identity.test_accounts import ACCOUNTS, MEMBER, MEMBER_SIGNS_IN, REGISTER
from tests.identity.test_sessions import CREDENTIALS, LOGIN, ME, REFRESH
from tests.web.client import Client
from tests.web.settings import settings_for

SESSIONS = "/api/v1/auth/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LATER = timedelta(seconds=REFRESH_GRACE_SECONDS + 1)


async def audited(database: Database, *actions: str) -> list[tuple[str, Any]]:
    query = text("SELECT action, detail FROM audit_entries WHERE action = ANY(:actions) ORDER BY id")
    async with database.transaction() as tx:
        return [(row.action, row.detail) for row in await tx.execute(query, {"actions": list(actions)})]


async def ended(client: Client) -> list[str]:
    items = (await client.get(SESSIONS)).json()["items"]
    return [one["ended_reason"] for one in items if one["ended_at"]]


async def test_a_copied_refresh_token_ends_the_family_for_both_holders(
    browser: Client, client_of: Callable[..., Client], database: Database
) -> None:
    thief = client_of(cookies={"ese_refresh": browser.cookies["ese_refresh"]})
    assert (await browser.post(REFRESH)).status_code == 200
    counted = REGISTRY.get_sample_value("ese_refresh_tokens_reused_total") or 0
    with clock.frozen(clock.now() + LATER):
        refused = await thief.post(REFRESH)
        assert (refused.status_code, refused.json()["code"]) == (401, "token_reused")
        assert (await browser.post(REFRESH)).json()["code"] == "session_ended", "the newest token ends, too"
        assert (await browser.get(ME)).json()["code"] == "not_signed_in", "and so does the access token"
        again = await thief.post(REFRESH)
        assert again.status_code == 401
    assert REGISTRY.get_sample_value("ese_refresh_tokens_reused_total") == counted + 1, "counted once"
    assert len(await audited(database, "session.token_reused")) == 1


async def test_the_next_sign_in_tells_of_a_copied_token_until_the_person_says_they_know(
    browser: Client, client_of: Callable[..., Client]
) -> None:
    thief = client_of(cookies={"ese_refresh": browser.cookies["ese_refresh"]})
    await browser.post(REFRESH)
    with clock.frozen(clock.now() + LATER):
        await thief.post(REFRESH)
    person = client_of()
    await person.post(LOGIN, json=CREDENTIALS)
    assert (await person.get(ME)).json()["alarms"] == 1
    assert "token_reused" in await ended(person)
    assert (await person.post(f"{SESSIONS}/seen")).status_code == 204
    assert (await person.get(ME)).json()["alarms"] == 0


async def test_tabs_that_refresh_with_one_token_stay_in_one_session(browser: Client) -> None:
    answers = await asyncio.gather(*(browser.post(REFRESH) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    going_on = [one for one in (await browser.get(SESSIONS)).json()["items"] if not one["ended_at"]]
    assert len([one for one in going_on if one["current"]]) == 1
    assert len(going_on) == 2, "this one and the owner fixture's own"


async def test_the_list_says_where_a_session_came_from(owner: Client, client_of: Callable[..., Client]) -> None:
    client = client_of(headers={"user-agent": FIREFOX})
    await client.post(LOGIN, json=CREDENTIALS)
    mine = next(one for one in (await client.get(SESSIONS)).json()["items"] if one["current"])
    assert (mine["device"], mine["address"], mine["method"]) == ("Firefox on Linux", "127.0.0.x", "password")
    assert mine["ended_at"] is None


async def test_ending_a_session_ends_its_tokens_at_once(
    browser: Client, client_of: Callable[..., Client], database: Database
) -> None:
    other = client_of()
    await other.post(LOGIN, json=CREDENTIALS)
    other_id = next(one["id"] for one in (await other.get(SESSIONS)).json()["items"] if one["current"])
    assert (await browser.delete(f"{SESSIONS}/{other_id}")).status_code == 204
    assert (await other.get(ME)).json()["code"] == "not_signed_in"
    assert (await other.post(REFRESH)).status_code == 401
    assert (await browser.get(ME)).status_code == 200
    again = await browser.delete(f"{SESSIONS}/{other_id}")
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")
    assert [detail["reason"] for _, detail in await audited(database, "session.end")] == ["ended"]


async def test_ending_the_others_keeps_this_one(browser: Client, client_of: Callable[..., Client]) -> None:
    others = [client_of() for _ in range(2)]
    for other in others:
        await other.post(LOGIN, json=CREDENTIALS)
    assert (await browser.delete(SESSIONS)).json() == {"ended": 3}, "these two, and the owner fixture's own"
    assert [(await other.get(ME)).status_code for other in others] == [401, 401]
    assert (await browser.get(ME)).status_code == 200


async def test_a_first_password_ends_no_session(client_of: Callable[..., Client], link_token: Any) -> None:
    here, elsewhere = client_of(), client_of()
    for client in (here, elsewhere):
        await client.post("/sign-in/link", data={"token": await link_token()})
    assert (await here.patch(ME, json=CREDENTIALS)).json()["has_password"] is True
    assert [(await client.get(ME)).status_code for client in (here, elsewhere)] == [200, 200]


async def test_nobody_ends_anothers_session_but_an_admin_all_of_them(
    owner: Client, client_of: Callable[..., Client]
) -> None:
    member = str((await owner.post(REGISTER, json=MEMBER)).json()["id"])
    bo = client_of()
    await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    theirs = (await owner.get(f"{ACCOUNTS}/{member}/sessions")).json()["items"][0]["id"]
    assert (await owner.delete(f"{SESSIONS}/{theirs}")).status_code == 404
    me = (await owner.get(ME)).json()["id"]
    assert (await bo.delete(f"{ACCOUNTS}/{me}/sessions")).json()["code"] == "permission_missing"
    assert (await bo.get(f"{ACCOUNTS}/{me}/sessions")).json()["code"] == "permission_missing"
    assert (await owner.delete(f"{ACCOUNTS}/{member}/sessions")).json() == {"ended": 1}
    assert (await bo.get(ME)).status_code == 401
    (over,) = (await owner.get(f"{ACCOUNTS}/{member}/sessions")).json()["items"]
    assert over["ended_reason"] == "ended_by_admin"
    nobody = await owner.get(f"{ACCOUNTS}/{new_id()}/sessions")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "account_not_found")


async def test_an_admin_ends_one_session_of_another_and_the_others_go_on(
    owner: Client, client_of: Callable[..., Client], database: Database
) -> None:
    member = str((await owner.post(REGISTER, json=MEMBER)).json()["id"])
    here, elsewhere = client_of(headers={"user-agent": FIREFOX}), client_of()
    await here.post(LOGIN, json=MEMBER_SIGNS_IN)
    await elsewhere.post(LOGIN, json=MEMBER_SIGNS_IN)
    listed = {one["device"]: one["id"] for one in (await owner.get(f"{ACCOUNTS}/{member}/sessions")).json()["items"]}
    one = f"{ACCOUNTS}/{member}/sessions/{listed['Firefox on Linux']}"
    assert (await elsewhere.delete(one)).json()["code"] == "permission_missing"
    me = (await owner.get(ME)).json()["id"]
    assert (await owner.delete(one.replace(member, me))).json()["code"] == "session_not_found", "of another account"
    assert (await owner.delete(one)).status_code == 204
    assert [(await client.get(ME)).status_code for client in (here, elsewhere)] == [401, 200]
    assert (await owner.delete(one)).json()["code"] == "session_not_found", "it has ended already"
    assert await audited(database, "session.end") == [("session.end", {"account": member, "reason": "ended_by_admin"})]


async def test_an_ended_session_replays_no_stored_answer(browser: Client, owner: Client) -> None:
    headers = {**browser.headers, "idempotency-key": "one-contact"}
    body = {"phone": "+14152340001"}
    assert (await browser.post("/api/v1/contacts", json=body, headers=headers)).status_code == 201
    access = browser.cookies["ese_access"]
    await browser.post("/api/v1/auth/logout")
    browser.cookies["ese_access"] = access
    assert (await browser.post("/api/v1/contacts", json=body, headers=headers)).status_code == 401


async def newest_session(database: Database) -> tuple[UUID, UUID]:
    async with database.transaction() as tx:
        query = "SELECT account_id, id FROM sessions ORDER BY created_at DESC LIMIT 1"
        account_id, session_id = (await tx.execute(text(query))).one()
    return account_id, session_id


async def test_another_process_refuses_an_ended_session_within_the_bound(browser: Client, database: Database) -> None:
    now = 0.0
    elsewhere = Directory(database, lambda: now)
    session = await newest_session(database)
    assert isinstance(await elsewhere.person(*session, fresh=False), Principal)
    await browser.post("/api/v1/auth/logout")
    now = STALE_SECONDS * 0.9
    assert isinstance(await elsewhere.person(*session, fresh=False), Principal), "an answer is believed for a moment"
    assert await elsewhere.person(*session, fresh=True) == "no_session", "but not for what changes something"
    now = STALE_SECONDS * 2
    assert await elsewhere.person(*session, fresh=False) == "no_session"


async def test_an_answer_under_way_while_a_session_ends_is_not_kept(browser: Client, database: Database) -> None:
    directory = Directory(database, lambda: 0.0)
    session = await newest_session(database)
    asking = asyncio.create_task(directory.person(*session, fresh=False))
    await asyncio.sleep(0)  # the look-up has begun
    directory.forget(session[0])
    assert isinstance(await asking, Principal)
    await browser.post("/api/v1/auth/logout")
    assert await directory.person(*session, fresh=False) == "no_session"


class CountingDatabase(Database):
    """A real one that counts its transactions."""

    asked = 0

    @asynccontextmanager
    async def transaction(self, *, fail_fast: bool = False) -> AsyncIterator[Transaction]:
        self.asked += 1
        async with super().transaction(fail_fast=fail_fast) as tx:
            yield tx


async def test_hundreds_of_streams_of_one_session_cost_one_look_up(
    browser: Client, database: Database, database_url: str
) -> None:
    now, counting = 0.0, CountingDatabase(database_url, pool_size=2)
    directory = Directory(counting, lambda: now)
    session = await newest_session(database)
    for _ in range(2):  # and again once the answer is old
        found = await asyncio.gather(*(directory.person(*session, fresh=False) for _ in range(300)))
        assert all(isinstance(each, Principal) for each in found)
        now += STALE_SECONDS
    assert counting.asked == 2
    first = asyncio.create_task(directory.person(*session, fresh=False))
    await asyncio.sleep(0)  # it waits for the look-up
    first.cancel()
    assert isinstance(await directory.person(*session, fresh=False), Principal), "who goes away takes nobody along"
    assert not directory._under_way
    await counting.close()


async def test_what_is_remembered_of_sessions_is_bounded(database: Database) -> None:
    known = Directory(database, lambda: 0.0)
    for _ in range(3):
        await known.person(new_id(), new_id(), fresh=False)
    known._known.update({(new_id(), new_id()): (0.0, "no_session") for _ in range(KNOWN_MAX)})
    await known.person(new_id(), new_id(), fresh=False)
    assert len(known._known) == 1


async def test_a_disabled_account_is_told_from_an_ended_session(
    owner: Client, client_of: Callable[..., Client]
) -> None:
    member = str((await owner.post(REGISTER, json=MEMBER)).json()["id"])
    bo = client_of()
    await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    await owner.post(f"{ACCOUNTS}/{member}/disable")
    refused = await bo.get(ME)
    assert (refused.status_code, refused.json()["detail"]) == (401, "This account is disabled or gone: ask an admin.")
    await owner.post(f"{ACCOUNTS}/{member}/enable")
    refused = await bo.post(f"{SESSIONS}/seen")
    assert (refused.status_code, refused.json()["detail"]) == (401, "This session was ended: sign in again.")


async def test_a_stream_that_was_begun_ends_with_its_session(app: FastAPI, browser: Client) -> None:
    access = browser.cookies["ese_access"]
    sent = [(b"authorization", f"Bearer {access}".encode())]
    request = Request({"type": "http", "method": "GET", "path": "/api/v1/live", "headers": sent, "app": app})
    goes_on = unchanged(request, await authenticate(request))
    assert await goes_on()
    await browser.delete(SESSIONS)
    assert await goes_on(), "the others ended"
    await browser.post("/api/v1/auth/logout")
    assert not await goes_on()


async def test_behind_a_trusted_proxy_a_session_shows_the_visitors_address(
    owner: Client, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    application = create_app(settings_for(database_url, redis_url, tmp_path, ESE_TRUSTED_PROXIES="127.0.0.1"))
    async with application.router.lifespan_context(application):
        client = Client(application, headers={"x-forwarded-for": "198.51.100.9, 203.0.113.77"})
        await client.post(LOGIN, json=CREDENTIALS)
        found = (await client.get(SESSIONS)).json()["items"]
    assert next(one["address"] for one in found if one["current"]) == "203.0.113.x"


async def test_the_last_use_is_noted_to_the_minute(browser: Client, database: Database) -> None:
    later = clock.now() + timedelta(minutes=2)
    with clock.frozen(later):
        items = (await browser.get(SESSIONS)).json()["items"]
    mine = next(one for one in items if one["current"])
    assert mine["last_used_at"][:19] == later.isoformat()[:19]


@pytest.mark.parametrize(
    ("user_agent", "address", "device", "masked"),
    [
        (FIREFOX, "203.0.113.77", "Firefox on Linux", "203.0.113.x"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 "
         "Edg/140.0", "2001:db8:12:3456::9", "Edge on Windows", "2001:0db8:0012:x"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/19.0 "
         "Mobile/15E148 Safari/604.1", "::ffff:203.0.113.7", "Safari on iPhone", "203.0.113.x"),
        ("python-requests/2.32.3", "unix socket", "python-requests", "unknown"),
        ("", "", "Unknown device", "unknown"),
        ("<script>alert(1)</script>", "127.0.0.1", "Unknown device", "127.0.0.x"),
    ],
)  # fmt: skip
def test_where_a_session_came_from_is_told_without_telling_all(
    user_agent: str, address: str, device: str, masked: str
) -> None:
    found = visitor(user_agent, address)
    assert (found.device, found.address) == (device, masked)
