"""The live connection: what the chip says is so, and figures are right again after the server was away."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import steps
from tests.browser.conftest import Content
from tests.browser.watching import Watched
from tests.journeys import campaign as story
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser
RETURNS_MS = 60_000

_NOTE_STATES = """() => {
  const chips = [...document.querySelectorAll('header button')];
  const chip = chips.find((button) => /^(Live|Connecting|Reconnecting)/.test(button.ariaLabel));
  window.statesSeen = [];
  new MutationObserver(() => window.statesSeen.push(chip.ariaLabel.split('.')[0])).observe(chip, { attributes: true });
}"""


@pytest.mark.timeout(180)
def test_two_tabs_are_right_again_after_the_server_was_killed(
    signed_in: Watched, platform: RunningPlatform, content: Content
) -> None:
    api = platform.api
    parts = {f"{kind}_id": id_of(platform, kind, name) for kind, name in parts_of(content).items()}
    campaign = api.post("/api/v1/campaigns", {"name": "Two tabs", "messages_per_second": 3, **parts})["id"]
    api.post(f"/api/v1/campaigns/{campaign}/launch")
    tabs = [signed_in.page(), signed_in.page()]
    for tab in tabs:
        tab.goto(f"/campaigns/{campaign}")
        tab.get_by_role("region", name="People by state").wait_for()
        live(tab).wait_for()
        tab.evaluate(_NOTE_STATES)
    killed = platform.kill("serve")
    for tab in tabs:
        tab.wait_for_function("() => window.statesSeen.includes('Reconnecting')")
    platform.wait_replaced("serve", killed)
    for tab in tabs:
        live(tab).wait_for(timeout=RETURNS_MS)
    settled = story.wait_settled(platform, story.Launched(campaign, ("",) * content.recipients), 90)
    expected = {name: count for name, count in settled.items() if count and name != "audience"}
    for tab in tabs:
        expect(tab.get_by_text(re.compile("^Completed")).first).to_be_visible(timeout=RETURNS_MS)
        assert {name.lower(): count for name, count in steps.counts(tab).items()} == expected
    signed_in.forget_the_restart()
    assert signed_in.complaints == []


def live(tab: Page) -> Locator:
    return tab.get_by_role("button", name=re.compile(r"^Live\."))


def parts_of(content: Content) -> dict[str, str]:
    return {"template": content.template, "segment": content.segment, "sender": content.sender}


def id_of(platform: RunningPlatform, kind: str, name: str) -> str:
    items = platform.api.get(f"/api/v1/{kind}s")["items"]
    return next(str(item["id"]) for item in items if item["name"] == name)
