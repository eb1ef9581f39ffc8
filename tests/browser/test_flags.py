"""Feature flags in the browser: made, rolled out, tried, killed, looked up and taken back; also by keyboard."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import go
from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser
NAME = "journey.new-form"


def say_why(page: Page, reason: str, button: str) -> None:
    dialog = page.locator("[role=dialog], [role=alertdialog]")
    dialog.get_by_label("Why").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_flags_life(signed_in: Watched, platform: RunningPlatform) -> None:
    page = signed_in.page()
    page.goto("/")
    go(page, "Feature flags")
    expect(page.get_by_role("link", name=re.compile("^MONITORING_"))).to_have_count(8)

    page.get_by_role("button", name="New flag").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Description").fill("The form of the journey")
    page.get_by_label("Why").fill("Try it")
    page.get_by_role("button", name="Create flag").click()
    page.get_by_role("heading", level=1, name=NAME).wait_for()

    page.get_by_role("button", name="Roll out by percentage").click()
    slider = page.get_by_role("slider", name="Percentage")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Exactly, %")).to_have_value("1")
    page.get_by_label("Exactly, %").fill("12.345")
    expect(page.get_by_text("with at most two decimals")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    page.get_by_label("Exactly, %").fill("100")
    page.get_by_role("button", name="Save", exact=True).click()
    say_why(page, "Everybody", "Save")
    expect(page.get_by_text("version 2", exact=True)).to_be_visible()
    stored = platform.api.get(f"/api/v1/flags/{NAME}")
    assert stored["rollout"] == {"percentage": 100, "serve": {"value": True, "variant": None, "split": False}}

    page.get_by_label("Value", exact=True).last.fill("contact-1")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("inside the percentage")).to_be_visible()

    page.get_by_role("button", name="Kill", exact=True).click()
    say_why(page, "It fails for some", "Kill it")
    expect(page.get_by_text("“It fails for some”").first).to_be_visible()
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("the kill switch is on")).to_be_visible()

    killing = page.get_by_role("listitem").filter(has_text="“It fails for some”")
    killing.get_by_text("What changed").click()
    expect(killing.get_by_text("Killed", exact=True)).to_be_visible()
    page.get_by_role("button", name="Restore version 1").click()
    say_why(page, "As it was", "Restore")
    expect(page.get_by_text("version 4", exact=True)).to_be_visible()
    assert platform.api.get(f"/api/v1/flags/{NAME}")["rollout"] is None
    assert [row["by"] is not None for row in platform.api.get(f"/api/v1/flags/{NAME}/history")["items"]] == [True] * 4


def test_flags_that_do_not_go_together_are_refused_where_they_are_edited(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/flags/MONITORING_BATCH_SIZE")
    page.get_by_label("Value", exact=True).first.fill("20000")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Why").fill("Larger")
    page.locator("[role=dialog]").get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("These flags do not go together")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Undo edits").click()
    expect(page.get_by_label("Value", exact=True).first).to_have_value("100")


def test_a_search_that_finds_nothing_says_so_and_stands_in_the_address(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/flags?search=nothing")
    expect(page.get_by_role("heading", name="No flag matches")).to_be_visible()
    page.get_by_role("button", name="Show all flags").click()
    expect(page.get_by_role("link", name="MONITORING_BATCH_SIZE")).to_be_visible()
    assert "search" not in page.url


def test_a_flag_that_is_not_there_is_said_to_be_missing(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/flags/none")
    expect(page.get_by_role("alert")).to_contain_text("no flag none")
