"""Who may do what, as people see it: an admin gives a role, a viewer is told what is missing, a key is shown once."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Content
from tests.browser.watching import Watched, settle, violations, watched
from tests.journeys.running_platform import Api, RunningPlatform

pytestmark = pytest.mark.browser
CREDENTIALS = {"email": "vi@example.com", "password": "correct horse battery"}
VIEWER = {**CREDENTIALS, "display_name": "Vi", "role": "viewer"}
LOOKED_AT = (
    "/", "/inbound", "/imports", "/segments", "/templates", "/campaigns", "/senders", "/streams", "/streams/groups",
    "/streams/dead-letters", "/flags", "/accounts", "/settings/api-keys",
)  # fmt: skip


@pytest.fixture(scope="module")
def viewer(platform: RunningPlatform) -> dict[str, str]:
    """An account that looks only; its id and access token."""
    added = platform.api.post("/api/v1/accounts", VIEWER)
    session = Api(platform.api.origin).post("/api/v1/auth/login", CREDENTIALS)
    return {"id": added["id"], "token": session["access_token"]}


@pytest.fixture
def viewing(browser: Browser, platform: RunningPlatform, viewer: dict[str, str]) -> Iterator[Watched]:
    with watched(browser, viewport={"width": 1440, "height": 900}, base_url=platform.api.origin) as session:
        session.context.add_cookies([{"name": "ese_access", "value": viewer["token"], "url": platform.api.origin}])
        yield session


def test_a_viewer_looks_at_every_page_and_is_told_what_is_missing(viewing: Watched, content: Content) -> None:
    page = viewing.page()
    page.goto("/contacts")
    told = "Your role (viewer) may not add, change or import contacts. An admin can change your role."
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Export"))).to_have_count(0)
    expect(page.get_by_text(re.compile("•••• [0-9]{4}")).first).to_be_visible()
    expect(page.get_by_text("Gold 1", exact=True)).to_have_count(0)
    expect(page.get_by_role("searchbox")).to_be_disabled()
    expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)
    page.goto("/campaigns/new/edit")
    expect(page.get_by_text("may not change campaigns, templates and segments")).to_be_visible()
    expect(page.get_by_label("Name (required)")).to_be_disabled()
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    for address in LOOKED_AT:
        page.goto(address)
        settle(page)
        assert violations(page) == [], address
    assert viewing.complaints == []


def test_an_admin_gives_a_role_takes_it_back_and_disables_and_enables(
    signed_in: Watched, platform: RunningPlatform, viewer: dict[str, str]
) -> None:
    page = signed_in.page()
    page.goto("/accounts")
    page.get_by_role("link", name="Vi", exact=True).click()
    choose_role(page, "Operator")
    expect(page.get_by_text("Vi is an operator now")).to_be_visible()
    assert role_of(platform, viewer) == "operator"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("h1 ~ *, main").get_by_text("Viewer", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Disable account").click()
    expect(page.get_by_text("Disabled", exact=True)).to_be_visible()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Active", exact=True).first).to_be_visible()
    assert role_of(platform, viewer) == "viewer"
    assert signed_in.complaints == [], "also none of the toaster's own style"


def choose_role(page: Page, role: str) -> None:
    page.get_by_role("button", name=re.compile("Role$")).click()
    page.get_by_role("option", name=role).click()
    page.get_by_role("button", name="Change role").click()
    page.get_by_role("alertdialog").get_by_role("button", name=f"Make {role.lower()}").click()


def role_of(platform: RunningPlatform, viewer: dict[str, str]) -> str:
    found = {account["id"]: account["role"] for account in platform.api.get("/api/v1/accounts")["items"]}
    return str(found[viewer["id"]])


def test_a_key_is_shown_once_works_and_is_revoked(signed_in: Watched, platform: RunningPlatform) -> None:
    page = signed_in.page()
    page.goto("/settings/api-keys")
    page.get_by_role("button", name="New API key").click()
    page.get_by_label(re.compile("^Name")).fill("Weekly report")
    page.get_by_text("campaigns:read", exact=True).click()
    page.get_by_role("button", name="Create key").click()
    secret = page.get_by_role("alertdialog").locator("code").first.inner_text()
    program = Api(platform.api.origin, token=secret)
    assert program.get("/api/v1/campaigns")["items"] is not None
    page.get_by_role("button", name="I have saved it").click()
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke Weekly report").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("Revoked", exact=True).first).to_be_visible()
    signed_in.complaints.clear()


def test_the_audit_trail_is_searched_and_proved(signed_in: Watched, platform: RunningPlatform) -> None:
    platform.api.post("/api/v1/segments", {"name": "To audit", "definition": {"all": []}})
    page = signed_in.page()
    page.goto("/audit?action=segment.*")
    trail = page.get_by_role("list", name="Audit trail")
    expect(trail.get_by_text(re.compile(r"^segment\.")).first).to_be_visible()
    expect(trail.get_by_text(re.compile(r"^api_key\."))).to_have_count(0)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("Unchanged.")).to_be_visible()
    assert signed_in.complaints == []
