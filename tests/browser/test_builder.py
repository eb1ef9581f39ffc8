"""A campaign that is begun is not lost: before it can be saved, and while a part of it is added meanwhile."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import steps
from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser


def test_a_campaign_is_kept_while_its_sender_is_added(signed_in: Watched, platform: RunningPlatform) -> None:
    template = {
        "name": "Winter note",
        "channel": "whatsapp",
        "body": "Hi *{name|there}*",
        "content_sid": "HX" + "a" * 32,
    }
    platform.api.post("/api/v1/templates", template)
    page = signed_in.page()
    page.goto("/campaigns/new/edit")
    page.get_by_label("Campaign name").fill("Winter")
    steps.go(page, "Senders")  # nothing asks: it is kept here
    page.goto("/campaigns/new/edit")
    expect(page.get_by_label("Campaign name")).to_have_value("Winter")
    page.get_by_label("Campaign name").fill("")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Campaign name")).to_be_focused()
    expect(page.get_by_label("Campaign name")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Campaign name").fill("Winter")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("radio", name="Winter note").locator("xpath=ancestor::label").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.get_by_role("button", name="Add a sender").click()
    dialog = page.get_by_role("dialog", name="Add sender")
    dialog.get_by_label("Name").fill("Winter sender")
    dialog.get_by_label("Number or messaging service").fill("+14155550177")
    dialog.get_by_role("button", name="Add").click()
    expect(page.get_by_role("radio", name="Winter sender")).to_be_checked()
    page.get_by_role("button", name="Save and review").click()
    expect(page).to_have_url(re.compile("step=review"))
    page.goto("/campaigns/new/edit")
    expect(page.get_by_label("Campaign name")).to_have_value("")
    assert signed_in.complaints == []
