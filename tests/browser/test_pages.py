"""Every page, in both themes and at desktop and phone width: no barrier that axe knows, no sideways scrolling, no
complaint in the console."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser.conftest import Content, sign_in
from tests.browser.watching import Watched, overflow, settle, violations, watched
from tests.journeys import campaign as story
from tests.journeys.running_platform import Api, RunningPlatform

pytestmark = pytest.mark.browser
DESKTOP, PHONE, NARROWEST = (1440, 900), (390, 844), (320, 640)
PAGES = (
    "/", "/alerts", "/alerts/runbooks/EseDeadLetters",
    "/inbound", "/contacts", "/contacts/{contact}", "/imports", "/imports/new", "/imports/{uploaded}",
    "/imports/{imported}", "/segments", "/segments/new", "/segments/{segment}", "/templates", "/templates/{template}",
    "/campaigns", "/campaigns/new/edit", "/campaigns/{draft}/edit?step=review", "/campaigns/{campaign}", "/senders",
    "/streams", "/streams/groups", "/streams/tail", "/streams/events/{event}", "/streams/dead-letters",
    "/streams/replays", "/flags", "/flags/{flag}", "/flags/MONITORING_BATCH_SIZE",
    "/monitoring", "/monitoring?category=critical&search=nothing",
    "/accounts", "/accounts/{account}", "/accounts/{operator}", "/audit",
    "/audit?since=2026-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", "/settings/api-keys",
    "/settings/opt-out-keywords", "/settings", "/profile",
    "/sign-in", "/sign-in/code", "/sign-in/link?token=none", "/reset-password", "/reset-password/link?token=none",
    "/confirm-email/link?token=none",
    "/nowhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def known(platform: RunningPlatform, content: Content) -> dict[str, str]:
    """Something to show on each page: ids by what they stand for."""
    api = platform.api
    first = {kind: api.get(f"/api/v1/{kind}s")["items"][0]["id"] for kind in ("template", "segment", "sender")}
    made = {**first, "contact": api.get("/api/v1/contacts", search="Gold 1")["items"][0]["id"]}
    made["draft"] = api.post("/api/v1/campaigns", draft(made, "Draft to look at"))["id"]
    made["campaign"] = api.post("/api/v1/campaigns", draft(made, "Campaign to look at"))["id"]
    api.post(f"/api/v1/campaigns/{made['campaign']}/launch")
    made["uploaded"] = upload(platform, "waiting.csv")
    made["imported"] = upload(platform, "done.csv")
    mapping = [{"column": "phone", "target": "phone"}, {"column": "name", "target": {"attribute": "name"}}]
    api.post(f"/api/v1/imports/{made['imported']}/start", {"mapping": mapping, "consent_source": "A form"})
    settled = story.Launched(made["campaign"], ("",) * content.recipients)
    story.wait_settled(platform, settled, 60)
    made["flag"] = a_flag(platform)
    made["account"] = an_account(platform)
    made["operator"] = an_operator(platform)
    made["event"] = api.get("/api/v1/backbone/events", type="AudienceFrozen")["items"][0]["event_id"]
    return made


def an_account(platform: RunningPlatform) -> str:
    """The first admin, with a key in use and one that is revoked."""
    made = [platform.api.post("/api/v1/api-keys", {"name": n, "scopes": ["contacts:read"]}) for n in ("Import", "Old")]
    platform.api.delete(f"/api/v1/api-keys/{made[1]['id']}")
    return str(made[0]["account_id"])


def an_operator(platform: RunningPlatform) -> str:
    """Signed in once, and once ended by an admin."""
    given = {"email": "op@example.com", "password": "correct horse battery"}
    made = platform.api.post("/api/v1/accounts", {**given, "display_name": "Op", "role": "operator"})
    account = str(made["id"])
    for _ in range(2):
        platform.api.delete(f"/api/v1/accounts/{account}/sessions")
        Api(platform.api.origin).post("/api/v1/auth/login", given)
    return account


def a_flag(platform: RunningPlatform) -> str:
    """A flag with something in every part."""
    variants = [{"name": name, "value": name == "yes", "weight": 50} for name in ("yes", "no")]
    rule = {"when": [{"attribute": "country", "op": "in", "values": ["DE", "AT"]}], "serve": {"variant": "yes"}}
    fields = {
        "type": "bool", "value": False, "description": "The new form", "variants": variants, "rules": [rule],
        "prerequisites": [{"flag": "MONITORING_USE_ADAPTER", "value": True}],
        "targets": [{"keys": ["ana"], "serve": {"value": True}}],
        "rollout": {"percentage": 25, "serve": {"split": True}},
    }  # fmt: skip
    changes = [{"name": "checkout.new-form", "action": "create", "fields": fields}]
    platform.api.post("/api/v1/flags/change-sets", {"changes": changes, "reason": "To look at"})
    return "checkout.new-form"


def draft(known: dict[str, str], name: str) -> dict[str, object]:
    parts = {f"{kind}_id": known[kind] for kind in ("template", "segment", "sender")}
    return {"name": name, "messages_per_second": 20, **parts}


def upload(platform: RunningPlatform, name: str) -> str:
    rows = [f"{story.phone(7000 + n)},Ca {n}" for n in range(20)] + ["no number,Da"]
    found = platform.api.upload("/api/v1/imports", name, "\n".join(["phone,name", *rows]).encode())
    return str(found["id"])


@pytest.fixture(scope="module")
def session(browser: Browser, platform: RunningPlatform) -> Iterator[Watched]:
    with watched(browser, base_url=platform.api.origin) as session:
        session.context.add_cookies(
            [{"name": "ese_access", "value": platform.api.bearer(), "url": platform.api.origin}]
        )
        yield session


@pytest.fixture(scope="module")
def page(session: Watched) -> Page:
    return session.page()


REQUESTS_MAX = 15


def test_a_first_visit_asks_for_little(browser: Browser, platform: RunningPlatform) -> None:
    """Nothing is cached yet: everything up to the drawn overview, in few and compressed answers."""
    with watched(browser, base_url=platform.api.origin) as fresh:
        sign_in(fresh, platform)
        page = fresh.page()
        asked: list[Request] = []
        page.on("requestfinished", lambda request: asked.append(request))
        page.goto("/")
        settle(page)
        page.locator("canvas").first.wait_for()
        scripts = [request for request in asked if request.resource_type == "script"]
        assert len(asked) <= REQUESTS_MAX, " ".join(request.url for request in asked)
        assert len({request.url for request in asked}) == len(asked), "nothing is fetched twice"
        assert sum(request.sizes()["responseBodySize"] for request in scripts) < 190 * 1024


@pytest.mark.parametrize("address", PAGES)
def test_a_page_shuts_nobody_out(session: Watched, page: Page, known: dict[str, str], address: str) -> None:
    session.complaints.clear()
    found = []
    look_at(page, DESKTOP, "light")
    page.goto(address.format(**known))
    for size in (DESKTOP, PHONE):
        for theme in ("light", "dark"):
            look_at(page, size, theme)
            settle(page)
            found += [f"{size[0]} {theme}: {violation}" for violation in violations(page)]
        found += sideways(page, size)
    look_at(page, NARROWEST, "light")
    found += sideways(page, NARROWEST)
    assert found == []
    assert [text for text in session.complaints if "/nowhere" not in text] == []


def look_at(page: Page, size: tuple[int, int], theme: str) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")


def sideways(page: Page, size: tuple[int, int]) -> list[str]:
    wide = overflow(page)
    return [f"at {size[0]}: {wide}"] if wide else []
