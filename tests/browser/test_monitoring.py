"""Watching the platform: what happens arrives by itself, a flush answers truthfully, a breaker shows what it does, and
a server that went away is told from one that is silent."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_pages import upload
from tests.browser.watching import Watched, watched
from tests.journeys.running_platform import Api, RunningPlatform

pytestmark = pytest.mark.browser
ARRIVES_MS = 30_000
RETURNS_MS = 60_000
BREAKER = "monitoring_database"
CREDENTIALS = {"email": "wa@example.com", "password": "correct horse battery"}
VIEWER = {**CREDENTIALS, "display_name": "Wa", "role": "viewer"}
_MARK = "() => { window.neverReloaded = true; }"


def test_an_import_is_seen_as_it_happens(signed_in: Watched, platform: RunningPlatform) -> None:
    page = opened(signed_in)
    expect(line(page)).to_have_text("Live")
    imported = upload(platform, "watched.csv")
    page.get_by_label("Search events").fill(imported)
    page.get_by_text("No event matches these filters").wait_for()
    start(platform, imported)
    event = page.get_by_role("button", name="import_changed").first
    event.wait_for(timeout=ARRIVES_MS)
    event.click()
    drawer = page.get_by_role("dialog", name="import_changed")
    expect(drawer.get_by_role("region", name="Data", exact=True)).to_contain_text(imported)
    page.set_viewport_size({"width": 390, "height": 844})
    box = drawer.get_by_role("region", name="Data", exact=True).bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390, "long values scroll inside their box"
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert page.evaluate("() => window.neverReloaded")
    assert signed_in.complaints == []


def test_a_list_that_stands_still_counts_what_waits(signed_in: Watched, platform: RunningPlatform) -> None:
    page = opened(signed_in)
    expect(line(page)).to_have_text("Live")
    page.get_by_role("button", name="Pause list").click()
    imported = upload(platform, "waits.csv")
    start(platform, imported)
    resume = page.get_by_role("button", name=re.compile(r"^Resume list · \d+ waiting"))
    resume.wait_for(timeout=ARRIVES_MS)
    page.get_by_label("Search events").fill(imported)
    page.get_by_text("No event matches these filters").wait_for()
    resume.click()
    page.get_by_role("button", name="import_changed").first.wait_for()
    assert signed_in.complaints == []


def test_a_second_tab_sees_what_came_before_and_the_first_misses_nothing(
    signed_in: Watched, platform: RunningPlatform
) -> None:
    first = opened(signed_in)
    expect(line(first)).to_have_text("Live")
    imported = upload(platform, "two tabs.csv")
    start(platform, imported)
    for page in (first, opened(signed_in)):
        page.get_by_label("Search events").fill(imported)
        expect(page.get_by_role("button", name="import_changed")).to_have_count(1, timeout=ARRIVES_MS)
        expect(page.get_by_text("went by unseen")).to_have_count(0)
    expect(line(first)).to_have_text("Live")
    assert signed_in.complaints == []


def test_a_flush_answers_what_was_written(signed_in: Watched) -> None:
    page = opened(signed_in)
    with page.expect_response(re.compile("/metrics/flush$")) as answered:
        page.get_by_role("button", name="Flush now").click()
    answer = answered.value.json()
    shown = page.get_by_role("status", name="Result of the flush")
    expect(shown).to_contain_text("Flushed" if answer["flushed"] else "Not flushed")
    expect(shown).to_contain_text(
        f"persisted {answer['persisted']:,} · pending {answer['pending']:,} · sink {answer['sink']}"
    )
    assert (answer["flushed"], answer["sink"]) == (True, "postgresql")
    expect(page.get_by_role("region", name="Event accounting")).not_to_contain_text(re.compile(r"Imbalance [^0\s]"))
    assert signed_in.complaints == []


def test_a_breaker_is_held_open_and_reset(signed_in: Watched, platform: RunningPlatform) -> None:
    page = opened(signed_in)
    breaker = page.get_by_role("listitem", name=BREAKER)
    expect(breaker).to_contain_text("Closed")
    breaker.get_by_role("button", name=f"Hold {BREAKER} open").click()
    page.get_by_role("button", name="Hold it open").click()
    try:
        expect(breaker).to_contain_text("Held open")
        expect(breaker).to_contain_text("Refuses every call until it is reset.", timeout=ARRIVES_MS)
        with page.expect_response(re.compile("/metrics/flush$")) as answered:
            page.get_by_role("button", name="Flush now").click()
        assert not answered.value.json()["flushed"], "what an open breaker guards is not written"
        expect(page.get_by_role("status", name="Result of the flush")).to_contain_text("Not flushed")
        breaker.get_by_role("button", name=f"Reset {BREAKER}").click()
        page.get_by_role("button", name="Reset it").click()
        expect(breaker).to_contain_text("Closed", timeout=ARRIVES_MS)
    finally:
        platform.api.post(f"/api/v1/monitoring/breakers/{BREAKER}/reset")
    changes = breaker.get_by_role("list", name=f"Changes of {BREAKER}")
    for told in ("Closed to forced open: operator", "Forced open to closed: operator"):
        expect(changes).to_contain_text(told, timeout=ARRIVES_MS)
    expect(changes).not_to_contain_text("Closed to closed")
    errors = page.get_by_role("list", name="Recent errors")
    expect(errors).to_contain_text("circuit_breaker_transition")
    assert signed_in.complaints == []


def test_a_viewer_is_told_why_not(browser: Browser, platform: RunningPlatform) -> None:
    platform.api.post("/api/v1/accounts", VIEWER)
    token = Api(platform.api.origin).post("/api/v1/auth/login", CREDENTIALS)["access_token"]
    with watched(browser, base_url=platform.api.origin) as session:
        session.context.add_cookies([{"name": "ese_access", "value": token, "url": platform.api.origin}])
        sees_why_not(opened(session))
        assert session.complaints == []


def sees_why_not(page: Page) -> None:
    page.get_by_text("may not operate circuit breakers and metrics").first.wait_for()
    expect(page.get_by_role("button", name="Flush now")).to_have_count(0)
    expect(page.get_by_role("button", name=f"Reset {BREAKER}")).to_have_count(0)


@pytest.mark.timeout(180)
def test_the_list_goes_on_after_the_server_was_killed(signed_in: Watched, platform: RunningPlatform) -> None:
    page = opened(signed_in)
    expect(line(page)).to_have_text("Live")
    killed = platform.kill("serve")
    expect(line(page)).to_have_text(re.compile(r"^Stale for \d+ s$"), timeout=ARRIVES_MS)
    platform.wait_replaced("serve", killed)
    expect(line(page)).to_have_text("Live", timeout=RETURNS_MS)
    imported = upload(platform, "afterwards.csv")
    page.get_by_label("Search events").fill(imported)
    start(platform, imported)
    page.get_by_role("button", name="import_changed").first.wait_for(timeout=ARRIVES_MS)
    assert page.evaluate("() => window.neverReloaded")
    signed_in.forget_the_restart()
    assert signed_in.complaints == []


def opened(session: Watched) -> Page:
    page = session.page()
    page.goto("/monitoring")
    page.evaluate(_MARK)
    return page


def line(page: Page) -> Locator:
    return page.get_by_role("status", name="Live connection")


def start(platform: RunningPlatform, imported: str) -> None:
    mapping = [{"column": "phone", "target": "phone"}, {"column": "name", "target": {"attribute": "name"}}]
    platform.api.post(f"/api/v1/imports/{imported}/start", {"mapping": mapping, "consent_source": "A form"})


def test_the_errors_of_the_night_are_there_in_the_morning(signed_in: Watched, platform: RunningPlatform) -> None:
    with ThreadPoolExecutor(1) as beside:  # the browser's driver has a loop in this one
        beside.submit(asyncio.run, left_last_night(platform, 120)).result()
    page = opened(signed_in)
    errors = page.get_by_role("list", name="Recent errors")
    page.get_by_role("button", name=re.compile("^Show all ")).click()
    of_the_night = errors.get_by_role("button", name=re.compile("^night_error_"))
    expect(of_the_night.first).to_be_visible(timeout=ARRIVES_MS)
    newest = of_the_night.count()  # beside those that other tests have just left
    page.get_by_role("button", name="Show older errors").click()
    expect(of_the_night).to_have_count(newest + 50, timeout=ARRIVES_MS)
    errors.get_by_role("button", name="night_error_119", exact=True).click()
    drawer = page.get_by_role("dialog", name="night_error_119")
    expect(drawer.get_by_role("region", name="Data", exact=True)).to_contain_text("left last night")
    assert signed_in.complaints == []


def test_a_circuit_that_is_held_open_is_named_on_every_page(signed_in: Watched, platform: RunningPlatform) -> None:
    page, api = signed_in.page(), platform.api
    page.goto("/contacts")
    api.post("/api/v1/monitoring/breakers/twilio/open", {"reason": "Their incident 7"})
    try:
        banner = page.get_by_role("alert").filter(has_text="No messages are sent.")
        expect(banner).to_contain_text("holds the circuit twilio open since", timeout=ARRIVES_MS)
        expect(banner).to_contain_text("Their incident 7")
        page.goto("/alerts")
        status = page.get_by_role("list", name="Components").get_by_role("listitem")
        expect(status.filter(has_text="Circuit twilio")).to_contain_text("held open by an operator", timeout=ARRIVES_MS)
        page.goto("/")
        expect(page.get_by_text("An operator holds the circuit twilio open")).to_be_visible(timeout=ARRIVES_MS)
        expect(banner).to_be_visible(timeout=ARRIVES_MS)
        banner.get_by_role("link", name="Reset it under Monitoring").click()
        page.get_by_role("button", name="Reset twilio", exact=True).click()
        page.get_by_role("button", name="Reset it", exact=True).click()
        expect(banner).to_have_count(0, timeout=ARRIVES_MS)
    finally:
        api.post("/api/v1/monitoring/breakers/twilio/reset", {})
    assert signed_in.complaints == []


async def left_last_night(platform: RunningPlatform, count: int) -> None:
    """Critical events as they were written eight hours ago: no live channel holds them any more."""
    connection = await asyncpg.connect(platform.running()["environment"]["DATABASE_URL"])
    try:
        await connection.execute(
            """
            INSERT INTO monitoring_events (event_id, epoch, "offset", event_type, category, source, "timestamp", data,
                                           metadata, created_at)
            SELECT gen_random_uuid(), 'night', n, 'night_error_' || n, 'critical', 'test',
                   now() - interval '8 hours' + n * interval '1 second', '{"what": "left last night"}', '{}', now()
            FROM generate_series(0, $1 - 1) AS n
            """,
            count,
        )
    finally:
        await connection.close()
