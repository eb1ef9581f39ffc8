"""A person looks after their own account: two-step sign-in, sessions, what was ended for safety."""

import asyncio
import base64
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from playwright.sync_api import Browser, Page, expect

from tests.browser import steps
from tests.browser.watching import Watched, settle, violations, watched
from tests.conftest import execute
from tests.journeys.running_platform import Refused, RunningPlatform

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Colleague:
    """An operator with an account of their own, so that nothing here touches the admin's."""

    email: str


@pytest.fixture
def colleague(platform: RunningPlatform) -> Colleague:
    made = Colleague(f"bo-{secrets.token_hex(4)}@example.com")
    platform.api.post("/api/v1/auth/register", {"email": made.email, "password": PASSWORD, "display_name": "Bo"})
    return made


@pytest.fixture
def session(browser: Browser, platform: RunningPlatform) -> Iterator[Watched]:
    with watched(browser, viewport={"width": 1440, "height": 900}, base_url=platform.api.origin) as session:
        yield session


@pytest.fixture
def page(session: Watched, colleague: Colleague) -> Page:
    page = session.page()
    page.goto("/sign-in")
    steps.sign_in(page, colleague.email, PASSWORD)
    return page


@pytest.fixture
def another(browser: Browser, platform: RunningPlatform) -> Iterator[Callable[[], Page]]:
    """Browsers elsewhere, with cookies of their own."""
    with watched(browser, base_url=platform.api.origin) as session:
        yield session.page


def code_of(secret: str, ahead: timedelta = timedelta(0)) -> str:
    key = base64.b32decode(secret.replace(" ", ""))
    moment = int((datetime.now(UTC) + ahead).timestamp())
    return TOTP(key, 6, SHA1(), 30).generate(moment).decode()


def barriers(page: Page) -> list[str]:
    """React Aria announces a pending button by its id for some seconds, also after the button is gone: not before."""
    settle(page)
    page.locator("[data-live-announcer] [role=img]").first.wait_for(state="detached")
    return violations(page)


def turn_on(page: Page) -> tuple[str, list[str]]:
    """The secret as it is written under the QR code, and the backup codes."""
    steps.section(page, "Two-step sign-in").get_by_role("button", name="Turn on").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_alt_text("QR code for your authenticator app").wait_for()
    secret = page.get_by_text(re.compile(r"^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$")).inner_text()
    assert barriers(page) == []
    page.get_by_label("Code from the app").fill(code_of(secret))
    page.get_by_role("dialog").get_by_role("button", name="Turn on").click()
    page.get_by_role("heading", name="Two-step sign-in is on").wait_for()
    codes = page.get_by_role("list", name="Backup codes").get_by_role("listitem").all_inner_texts()
    assert barriers(page) == []
    return secret, codes


def test_two_step_sign_in_from_the_qr_code_to_the_next_sign_in(
    session: Watched, page: Page, colleague: Colleague
) -> None:
    steps.open_profile(page)
    secret, codes = turn_on(page)
    assert len(codes) == 10
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Two-step sign-in is on").wait_for()  # not by accident
    page.get_by_text("I have stored the codes").click()
    page.get_by_role("button", name="Done").click()
    steps.section(page, "Two-step sign-in").get_by_text("10 backup codes left.").wait_for()
    steps.sign_out(page)

    page.get_by_label("Email").fill(colleague.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Second step").wait_for()
    page.get_by_label("Code").fill("not a code")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("neither the current code nor an unused backup code").wait_for()
    page.get_by_label("Code").fill(code_of(secret, timedelta(seconds=30)))  # the present one confirmed it
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", level=1, name="Overview").wait_for()

    steps.open_profile(page)
    row = page.get_by_role("list", name="Active sessions").get_by_role("listitem").filter(has_text="This one")
    assert "with password and code" in row.inner_text()
    page.get_by_role("button", name="Turn off").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code or backup code").fill(codes[0])
    page.get_by_role("dialog").get_by_role("button", name="Turn off").click()
    steps.section(page, "Two-step sign-in").get_by_text("Off", exact=True).wait_for()
    assert [text for text in session.complaints if "401" not in text] == []


def test_a_session_elsewhere_is_ended_from_the_list(
    page: Page, colleague: Colleague, another: Callable[[], Page]
) -> None:
    elsewhere = another()
    elsewhere.goto("/sign-in")
    steps.sign_in(elsewhere, colleague.email, PASSWORD)
    steps.open_profile(page)
    page.get_by_role("button", name=re.compile("^End the session of Chrome")).click()
    page.get_by_text("Chrome on Linux is signed out").wait_for()
    page.get_by_text("Ended within 30 days: 1").click()
    page.get_by_text(": ended by you").wait_for()
    elsewhere.reload()
    elsewhere.get_by_role("heading", name="Sign in").wait_for()
    assert barriers(page) == []


def test_a_copied_session_is_told_until_the_person_knows(
    page: Page, platform: RunningPlatform, colleague: Colleague
) -> None:
    cookies = page.context.cookies(f"{platform.api.origin}/api/v1/auth/refresh")
    copied = next(cookie["value"] for cookie in cookies if cookie["name"] == "ese_refresh")
    renew(platform, copied)
    a_minute_passes(platform)
    with pytest.raises(Refused, match="token_reused"):
        renew(platform, copied)
    page.reload()  # the session is over, in this browser as everywhere
    steps.sign_in(page, colleague.email, PASSWORD)
    page.get_by_text("A session of yours was ended for safety.").wait_for()
    page.get_by_role("link", name="See what happened").click()
    page.get_by_role("heading", level=1, name="My profile").wait_for()
    page.get_by_text("Ended within 30 days: 1").click()
    page.get_by_text(": a copy of its key was used").wait_for()
    assert barriers(page) == []
    page.get_by_role("button", name="Dismiss").click()
    page.get_by_role("alert").wait_for(state="detached")


def test_an_admin_ends_a_colleagues_sessions_and_resets_their_two_step_sign_in(
    signed_in: Watched, page: Page, platform: RunningPlatform, colleague: Colleague
) -> None:
    steps.open_profile(page)
    turn_on(page)
    found = {account["email"]: account["id"] for account in platform.api.get("/api/v1/accounts", limit="200")["items"]}
    admin = signed_in.page()
    admin.goto(f"/accounts/{found[colleague.email]}")
    expect(admin.get_by_role("list", name="Active sessions").get_by_role("listitem")).to_have_count(1)
    assert barriers(admin) == []
    admin.get_by_role("button", name="End all").click()
    admin.get_by_role("alertdialog").get_by_role("button", name="End them").click()
    admin.get_by_text("1 session ended").wait_for()
    page.goto("/profile")
    page.get_by_role("heading", name="Sign in").wait_for()
    admin.get_by_role("button", name="Reset two-step sign-in").click()
    admin.get_by_role("alertdialog").get_by_role("button", name="Reset").click()
    admin.get_by_text("Bo signs in with the password alone now").wait_for()
    steps.section(admin, "Two-step sign-in").get_by_text("Off", exact=True).wait_for()
    assert signed_in.complaints == []
    page.goto("/sign-in")
    steps.sign_in(page, colleague.email, PASSWORD)
    steps.open_profile(page)
    page.get_by_text(re.compile("Ended within 30 days")).click()
    page.get_by_text(": ended by an admin").wait_for()


def renew(platform: RunningPlatform, refresh_token: str) -> None:
    platform.api.request("POST", "/api/v1/auth/refresh", {"cookie": f"ese_refresh={refresh_token}"})


def a_minute_passes(platform: RunningPlatform) -> None:
    """For the tokens that were replaced."""
    address = platform.running()["environment"]["DATABASE_URL"].replace("+asyncpg", "")
    aged = "UPDATE refresh_tokens SET replaced_at = replaced_at - interval '1 minute'"

    def run() -> None:  # Playwright keeps a loop in this thread
        asyncio.run(execute(address, aged))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
