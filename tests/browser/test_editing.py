"""Two people at one form, and lists by the keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Content
from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser

TAB_STOPS = """label => [...document.querySelector(`[role=grid][aria-label="${label}"]`).querySelectorAll(
    "a[href],button:not(:disabled),input,[tabindex]")].filter(element => element.tabIndex === 0).length"""
COME_BACK = "() => window.dispatchEvent(new Event('focus'))"


def template_page(session: Watched, platform: RunningPlatform) -> tuple[Page, str]:
    body = "Hello {name|there}, our doors are open."
    made = platform.api.post("/api/v1/templates", {"name": "For two", "channel": "sms", "body": body})
    page = session.page()
    page.goto(f"/templates/{made['id']}")
    expect(page.get_by_label("Name (required)")).to_have_value("For two")
    return page, made["id"]


def test_of_two_tabs_none_loses_its_text(signed_in: Watched, platform: RunningPlatform) -> None:
    page, template_id = template_page(signed_in, platform)
    path = f"/api/v1/templates/{template_id}"
    platform.api.patch(path, {"name": "Renamed elsewhere"})
    page.evaluate(COME_BACK)
    expect(page.get_by_label("Name (required)")).to_have_value("Renamed elsewhere")  # untouched, it follows

    page.get_by_label("Locale").fill("pt")
    platform.api.patch(path, {"body": "Good day, {name|there}."})
    page.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog", name="This template was changed by somebody else")
    expect(dialog.get_by_role("region", name="Message")).to_contain_text("Good day")
    expect(dialog.get_by_role("region", name="Message")).to_contain_text("our doors are open")
    expect(dialog.get_by_role("region", name="Locale")).to_contain_text("You changed this")
    dialog.get_by_role("button", name="Keep my changes").click()
    expect(page.get_by_text("Template saved")).to_be_visible()
    stored = platform.api.get(path)
    assert (stored["locale"], stored["body"]) == ("pt", "Good day, {name|there}."), (
        "mine, and theirs where I changed none"
    )

    page.get_by_label("Locale").fill("es")
    platform.api.patch(path, {"locale": "fr"})
    page.evaluate(COME_BACK)
    page.get_by_role("button", name="Compare").click()
    dialog.get_by_role("button", name="Use their version").click()
    expect(page.get_by_label("Locale")).to_have_value("fr")
    expect(page.get_by_text(re.compile("^Saved"))).to_be_visible()


def test_a_list_is_one_tab_stop_and_the_arrows_go_through_it(signed_in: Watched, content: Content) -> None:
    page = signed_in.page()
    page.goto("/contacts")
    rows = page.get_by_role("grid", name="Contacts").get_by_role("row")
    expect(rows.nth(20)).to_be_attached()
    assert page.evaluate(TAB_STOPS, "Contacts") == 1
    rows.nth(1).focus()
    for key, index in (("ArrowDown", 1), ("j", 2), ("ArrowUp", 1), ("PageDown", 11)):
        page.keyboard.press(key)
        expect(page.locator(f"[data-index='{index}']")).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_attribute("data-index", re.compile(r"^[3-9]\d$"))
    page.keyboard.press("Home")
    expect(page.locator("[data-index='0']")).to_be_focused()
    assert page.evaluate(TAB_STOPS, "Contacts") == 1
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-index='0'] a")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('[role=grid]') === null"), "one Tab leaves the list"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/contacts/[0-9a-f-]{36}$"))
