"""What a person at the pages relies on: a session renewed unseen, the trail by name and time, one session ended alone,
dead letters settled by their cause."""

import asyncio
import re
import secrets
import threading

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.test_profile import PASSWORD, Colleague, barriers, colleague, page, session
from tests.browser.watching import Watched, overflow, settle, violations
from tests.conftest import execute
from tests.journeys.running_platform import Api, RunningPlatform

__all__ = ["colleague", "page", "session"]

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}

_BURY = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
                          taken_over, error_class, error, stack, history, release, first_failed_at)
SELECT gen_random_uuid(), 'messaging.apply_receipts', gen_random_uuid(), 'messaging.callback.v1', '1-' || n, 1, n,
       'StatusCallbackReceived', 'k' || n, jsonb_build_object('data', '{}'::jsonb, 'time', now()), 12, 0, 0,
       'LookupError', 'no message ' || n || ' is kept', 'stack', '[]', '0', now() - n * interval '1 hour'
FROM generate_series(1, 7) AS n
"""


def test_a_token_that_is_over_is_renewed_once_before_anything_is_asked(page: Page, session: Watched) -> None:
    page.goto("/campaigns")
    settle(page)
    page.goto("about:blank")
    for name in ("ese_access", "ese_fresh"):  # as the browser drops them when their time is over
        page.context.clear_cookies(name=name)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.goto("/")
    settle(page)
    api = [request for request in asked if "/api/" in request.url]
    renewals = [request for request in api if request.url.endswith("/auth/refresh")]
    assert (len(renewals), api[0]) == (1, renewals[0]), [request.url for request in api]
    answers = {request.url: request.response() for request in api if not request.url.endswith("/stream")}
    assert [url for url, answer in answers.items() if answer is not None and answer.status == 401] == []
    assert session.complaints == []


def test_the_audit_trail_names_people_and_keys_and_keeps_to_a_range(
    signed_in: Watched, platform: RunningPlatform
) -> None:
    name = f"Import {secrets.token_hex(3)}"
    made = platform.api.post("/api/v1/api-keys", {"name": name, "scopes": ["contacts:write"]})
    Api(platform.api.origin, made["secret"]).post(
        "/api/v1/contacts", {"phone": f"+1415234{secrets.randbelow(9000) + 1000}"}
    )
    page = signed_in.page()
    page.goto("/audit?action=contact.add")
    row = page.get_by_role("list", name="Audit trail").get_by_role("listitem").first
    expect(row).to_contain_text(f"key {name}")
    row.get_by_role("button", name=f"Only by the key {name}").click()
    expect(page.get_by_role("list", name="Audit trail").get_by_role("listitem")).to_have_count(1)
    page.goto("/audit?action=api_key.make")
    expect(page.get_by_role("list", name="Audit trail").get_by_role("listitem").first).to_contain_text(name)
    page.get_by_role("button", name="Time").click()
    page.get_by_role("option", name="From … to …").click()
    page.get_by_label("From", exact=True).fill("2020-01-01T00:00")
    expect(page).to_have_url(re.compile("since="))
    expect(page.get_by_label("From", exact=True)).to_be_focused()
    page.get_by_label("Until before").fill("2020-01-02T00:00")
    page.get_by_text("No entry matches").wait_for()
    assert "until=2020-01-0" in page.url
    assert violations(page) == []
    page.get_by_label("Until before").fill("2019-01-01T00:00")
    page.get_by_text("It must be later than the beginning.").wait_for()
    page.set_viewport_size(PHONE)
    settle(page)
    assert overflow(page) is None
    page.get_by_role("button", name="Show everything").click()
    expect(page.get_by_label("From", exact=True)).to_have_count(0)
    assert signed_in.complaints == []


def test_an_admin_ends_one_session_of_a_colleague_and_the_other_goes_on(
    signed_in: Watched, page: Page, platform: RunningPlatform, colleague: Colleague
) -> None:
    program = Api(platform.api.origin)
    program.token = program.post("/api/v1/auth/login", {"email": colleague.email, "password": PASSWORD})["access_token"]
    found = {account["email"]: account["id"] for account in platform.api.get("/api/v1/accounts", limit="200")["items"]}
    admin = signed_in.page()
    admin.goto(f"/accounts/{found[colleague.email]}")
    going = admin.get_by_role("list", name="Active sessions").get_by_role("listitem")
    expect(going).to_have_count(2)
    going.filter(has_text="Chrom").get_by_role("button", name=re.compile("^End the session of")).click()
    admin.get_by_text(re.compile("^Bo is signed out of")).wait_for()
    expect(going).to_have_count(1)
    assert barriers(admin) == []
    page.goto("/profile", wait_until="commit")  # the page may be on its way to the sign-in by itself
    page.get_by_role("heading", name="Sign in").wait_for()
    assert program.get("/api/v1/auth/me")["email"] == colleague.email
    assert signed_in.complaints == []


def test_dead_letters_are_looked_at_and_settled_by_their_cause(signed_in: Watched, platform: RunningPlatform) -> None:
    in_database(platform, _BURY)
    page = signed_in.page()
    page.goto("/streams/dead-letters?search=is%20kept")
    cause = page.get_by_role("list", name="Causes").get_by_role("listitem").filter(has_text="is kept")
    expect(cause).to_have_count(1)
    expect(cause).to_contain_text("messaging.consumers.apply_receipts")
    cause.get_by_role("button", pressed=False).filter(has_text="no message").click()
    expect(page).to_have_url(re.compile("cause="))
    page.get_by_text("k7", exact=True).first.wait_for()
    settle(page)
    assert violations(page) == []
    cause.get_by_role("button", name=re.compile("^Discard all of")).click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("7 dead letters match: every open dead letter of this cause.")
    dialog.get_by_label("Why").fill("Their messages were deleted")
    dialog.get_by_role("button", name="Discard 7 dead letters").click()
    page.get_by_text("7 dead letters discarded").wait_for()
    expect(cause).to_have_count(0)
    page.set_viewport_size(PHONE)
    settle(page)
    assert overflow(page) is None
    assert signed_in.complaints == []


def in_database(platform: RunningPlatform, statement: str) -> None:
    address = platform.running()["environment"]["DATABASE_URL"].replace("+asyncpg", "")

    def run() -> None:  # Playwright keeps a loop in this thread
        asyncio.run(execute(address, statement))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
