"""Signing in, staying signed in, and what ends it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from event_stream_engine import clock
from event_stream_engine.identity.model import REFRESH_GRACE_SECONDS
from event_stream_engine.settings import Settings
from tests.web.client import Client
from tests.web.settings import PASSWORD

ME, LOGIN, REFRESH, LOGOUT = (f"/api/v1/auth/{name}" for name in ("me", "login", "refresh", "logout"))
CREDENTIALS = {"email": "ana@example.com", "password": PASSWORD}


async def test_signing_in_gives_cookies_that_scripts_cannot_read(
    owner: Client, client_of: Callable[..., Client]
) -> None:
    client = client_of()
    answer = await client.post(LOGIN, json={**CREDENTIALS, "email": " ANA@example.com "})
    cookies = answer.headers.getlist("set-cookie")
    secret, marks = cookies[:2], cookies[2:]
    assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in secret)
    assert [mark.split(";")[0] for mark in marks] == ["ese_session=1", "ese_fresh=1"], "they open nothing"
    lives = [int(cookie.split("Max-Age=")[1].split(";")[0]) for cookie in cookies]
    assert lives[3] < lives[0] < lives[1] == lives[2], "a page renews before its token is over"
    assert any("Path=/api/v1/auth" in cookie for cookie in cookies if cookie.startswith("ese_refresh="))
    assert (await client.get(ME)).json()["email"] == "ana@example.com"


@pytest.mark.parametrize(
    "given", [{"password": "wrong wrong wrong"}, {"email": "nobody@example.com"}, {"email": "", "password": ""}]
)
async def test_a_wrong_sign_in_does_not_say_what_was_wrong(owner: Client, anonymous: Client, given: Any) -> None:
    answer = await anonymous.post(LOGIN, json={**CREDENTIALS, **given})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    assert answer.json()["title"] == "The email address or the password is wrong"
    assert answer.json()["detail"] == "The email address or the password is wrong.", "the sign-in page shows it"


async def test_a_refresh_token_is_replaced_and_the_old_one_dies_after_a_moment(browser: Client) -> None:
    first = browser.cookies["ese_refresh"]
    assert (await browser.post(REFRESH)).status_code == 200
    second = browser.cookies["ese_refresh"]
    assert second != first
    with clock.frozen(clock.now() + timedelta(seconds=REFRESH_GRACE_SECONDS + 1)):
        browser.cookies["ese_refresh"] = first
        late = await browser.post(REFRESH)
        assert (late.status_code, late.json()["code"]) == (401, "token_reused")


async def test_two_tabs_that_refresh_at_once_both_go_on(browser: Client) -> None:
    answers = await asyncio.gather(*(browser.post(REFRESH) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_signing_out_ends_the_session_for_good(browser: Client, client_of: Callable[..., Client]) -> None:
    token = browser.cookies["ese_refresh"]
    assert (await browser.post(LOGOUT)).status_code == 204
    other = client_of(cookies={"ese_refresh": token})
    assert (await other.post(REFRESH)).status_code == 401
    assert (await browser.get(ME)).status_code == 401


async def test_a_one_time_link_works_once(anonymous: Client, client_of: Callable[..., Client], link_token: Any) -> None:
    token = await link_token()
    for _ in range(2):
        page = await anonymous.get("/sign-in/link", params={"token": token})
        assert (page.status_code, "<form" in page.text) == (200, True), "looking at the link does not use it up"
    first = await anonymous.post("/sign-in/link", data={"token": token})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert (await anonymous.get(ME)).json()["role"] == "admin"
    other = client_of()
    second = await other.post("/sign-in/link", data={"token": token})
    assert second.status_code == 401
    assert "ese sign-in" in second.text
    assert (await other.get(ME)).status_code == 401


async def test_a_link_pressed_twice_at_once_opens_one_session(
    client_of: Callable[..., Client], link_token: Any
) -> None:
    token = await link_token()
    answers = await asyncio.gather(*(client_of().post("/sign-in/link", data={"token": token}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401]


async def test_an_expired_link_opens_nothing(anonymous: Client, link_token: Any) -> None:
    token = await link_token(timedelta(hours=1))
    with clock.frozen(clock.now() + timedelta(hours=1, seconds=1)):
        assert (await anonymous.post("/sign-in/link", data={"token": token})).status_code == 401


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_signing_in_never_leads_to_another_site(owner: Client, anonymous: Client, target: str) -> None:
    answer = await anonymous.post("/sign-in", data={**CREDENTIALS, "next": target})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_only_the_first_account_registers_by_itself(owner: Client, anonymous: Client) -> None:
    body = {"email": "eve@example.com", "password": PASSWORD, "display_name": "Eve"}
    refused = await anonymous.post("/api/v1/auth/register", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "registration_closed")
    added = await owner.post("/api/v1/auth/register", json=body)
    assert (added.status_code, added.json()["role"]) == (201, "operator")
    taken = await owner.post("/api/v1/auth/register", json=body)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")


async def test_an_operator_adds_no_accounts(owner: Client, client_of: Callable[..., Client]) -> None:
    body = {"email": "bo@example.com", "password": PASSWORD, "display_name": "Bo"}
    await owner.post("/api/v1/auth/register", json=body)
    member = client_of()
    await member.post(LOGIN, json={"email": "bo@example.com", "password": PASSWORD})
    answer = await member.post("/api/v1/auth/register", json={**body, "email": "cy@example.com"})
    assert answer.status_code == 403


async def test_a_new_password_ends_every_other_session(browser: Client, client_of: Callable[..., Client]) -> None:
    other = client_of(cookies={"ese_refresh": browser.cookies["ese_refresh"]})
    wrong = await browser.patch(ME, json={"password": "another long password", "current_password": "no"})
    assert wrong.status_code == 401
    changed = await browser.patch(ME, json={"password": "another long password", "current_password": PASSWORD})
    assert changed.status_code == 200
    assert (await other.post(REFRESH)).status_code == 401
    assert (await other.post(LOGIN, json=CREDENTIALS)).status_code == 401


CHANGES: tuple[dict[str, Any], ...] = (
    {"exp": 1}, {"sub": "not-a-uuid"}, {"sub": None}, {"sid": None}, {"sid": "x"}, {"exp": None},
)  # fmt: skip


async def test_a_token_that_is_not_whole_is_refused(
    anonymous: Client, owner: Client, settings: Settings, subtests: pytest.Subtests
) -> None:
    whole = jwt.decode(owner.headers["authorization"].split()[1], settings.secret_key, ["HS256"])
    for change in CHANGES:
        with subtests.test(change=change):
            claims = {k: v for k, v in {**whole, **change}.items() if v is not None}
            token = jwt.encode(claims, settings.secret_key, algorithm="HS256")
            answer = await anonymous.get(ME, headers={"authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
async def test_a_token_signed_otherwise_is_refused(anonymous: Client, owner: Client, algorithm: str) -> None:
    claims = jwt.decode(owner.headers["authorization"].split()[1], options={"verify_signature": False})
    token = jwt.encode(claims, None if algorithm == "none" else "x" * 64, algorithm=algorithm)
    assert (await anonymous.get(ME, headers={"authorization": f"Bearer {token}"})).status_code == 401
