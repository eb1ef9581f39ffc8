"""The live connection: what the chip says is so, and figures are right again after the server was away."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import steps
from tests.browser.conftest import Content
from tests.browser.watching import Watched
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
    for tab in tabs:
        # Receipts that met no server are asked for ten minutes later: until then all is sent, and not completed.
        expect(tab.get_by_text(re.compile("^(Completed|All sent)")).first).to_be_visible(timeout=RETURNS_MS)
    platform.wait_until("both tabs show what the API counts", lambda: all(agrees(platform, tab) for tab in tabs), 20)
    signed_in.forget_the_restart()
    assert signed_in.complaints == []


def agrees(platform: RunningPlatform, tab: Page) -> bool:
    """Receipts that came while nobody listened are asked for later; until then both say "sent"."""
    counts = platform.api.get(f"/api/v1/campaigns/{tab.url.rsplit('/', 1)[1]}")["counts"]
    shown = {name.lower(): count for name, count in steps.counts(tab).items()}
    return sum(shown.values()) == counts.pop("audience") and shown == {k: v for k, v in counts.items() if v}


def live(tab: Page) -> Locator:
    return tab.get_by_role("button", name=re.compile(r"^Live\."))


def parts_of(content: Content) -> dict[str, str]:
    return {"template": content.template, "segment": content.segment, "sender": content.sender}


def id_of(platform: RunningPlatform, kind: str, name: str) -> str:
    items = platform.api.get(f"/api/v1/{kind}s")["items"]
    return next(str(item["id"]) for item in items if item["name"] == name)
