"""The main job, done by a person in a browser: from the sign-in link to the report, and what can happen on the way."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import steps
from tests.browser.conftest import Content
from tests.browser.watching import Watched, watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser
EMAIL, PASSWORD = "ana@example.com", "correct horse battery"
FINISHES_MS = 60_000


@pytest.mark.timeout(240)
def test_a_newcomer_gets_from_the_sign_in_link_to_the_report(
    browser: Browser, platform: RunningPlatform, new_link: Callable[[], str], people_file: Path
) -> None:
    with watched(browser, viewport={"width": 1440, "height": 900}) as session:
        page = session.page()
        steps.open_link(page, new_link())
        steps.set_password(page, EMAIL, PASSWORD)
        steps.sign_out(page)
        steps.sign_in(page, EMAIL, PASSWORD)
        imports_people(page, people_file)
        prepares_and_launches(page)
        someone_stops_meanwhile(page, platform)
        reads_the_report(page)
        assert session.complaints == []


def imports_people(page: Page, file: Path) -> None:
    steps.go(page, "Contacts")
    steps.drop_file(page, file)
    steps.map_and_try(page, agreed="Web form, March 2026")
    tried = steps.accounting(page)
    steps.import_for_real(page)
    done = steps.accounting(page)
    expected = {"Created": 34, "Updated": 0, "Unchanged": 0, "Merged": 1, "Rejected": 2, "Kept out": 0}
    assert tried == done == expected
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Export .* rejected rows$")).click()
    rejects = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert [(row["phone_number"], row["rejected_line"]) for row in rejects] == [("+1415", "37"), ("hello", "38")]
    assert all(row["rejected_reason"] for row in rejects)
    merged = page.get_by_role("grid", name="Merged rows")
    expect(merged.get_by_role("row")).to_have_count(2)  # the header and the one
    expect(merged).to_contain_text("name: Ana 3")


def prepares_and_launches(page: Page) -> None:
    body = "Hi {name|there}, spring is here. Reply STOP to end."
    steps.write_template(page, name="Spring text", body=body, reads="spring is here. Reply STOP to end.")
    steps.build_segment(page, name="Premium", attribute="tier", value="premium", size=30)
    steps.add_sender(page, name="Shop SMS", number="+14155550100", per_second=50)
    steps.draft_campaign(page, name="Spring", segment="Premium", template="Spring text", sender="Shop SMS", rate=2)
    main = page.get_by_role("main")
    expect(main).to_contain_text("1 left out")
    expect(main.get_by_role("listitem").filter(has_text="Opted out")).to_contain_text("1")
    steps.launch(page)


def someone_stops_meanwhile(page: Page, platform: RunningPlatform) -> None:
    """STOP through the Inbound form, by whoever's turn comes last; they are then left out."""
    address = page.url
    rows = platform.api.everything(
        f"/api/v1/reporting/campaigns/{address.rsplit('/', 1)[1]}/recipients", status="queued"
    )
    last = max(rows, key=lambda row: str(row["message_id"]))["phone"]
    steps.go(page, "Inbound")
    steps.play_inbound(page, from_=last, body="STOP")
    row = page.get_by_role("row").filter(has_text=last[-4:])
    expect(row).to_contain_text("Gets no more messages")
    page.goto(address)
    page.get_by_text(re.compile("^Completed")).first.wait_for(timeout=FINISHES_MS)
    left_out = page.get_by_role("listitem").filter(has_text="Wrote STOP")
    expect(left_out).to_contain_text("1")


def reads_the_report(page: Page) -> None:
    """Every person is in exactly one state; the drill-down and the file agree with the counts."""
    steps.every_outcome_known(page)
    found = steps.counts(page)
    assert sum(found.values()) == 30, found
    assert found["Left out"] == 2, found
    page.get_by_role("link", name=re.compile("people: Wrote STOP")).click()
    expect(page).to_have_url(re.compile("status=refused.*reason=stopped"))
    people = page.get_by_role("grid", name="People of this campaign")
    expect(people.get_by_role("row")).to_have_count(2)  # the header and the one
    people.get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Wrote STOP")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear filters").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Export")).click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert len(rows) == 30
    assert sum(row["status"] == "delivered" for row in rows) == found["Delivered"]


def test_a_campaign_is_paused_resumed_and_canceled(signed_in: Watched, content: Content) -> None:
    page = signed_in.page()
    drafts(page, content, "Interrupted", rate=2)
    steps.launch(page)
    steps.confirm(page, "Pause campaign", "Pause")
    page.get_by_text("Paused.", exact=True).wait_for()
    queued = steps.counts(page)["Queued"]
    assert queued > 0
    steps.confirm(page, "Resume campaign", re.compile("^Send to"))
    page.wait_for_function(  # fewer wait: it goes on
        "before => [...document.querySelectorAll('main li')].some((row) => "
        "/^Queued/.test(row.innerText) && parseInt(row.innerText.replace(/[^0-9]/g, '')) < before)",
        arg=queued,
    )
    steps.confirm(page, "Cancel campaign", re.compile("^Cancel for"))
    page.get_by_text(re.compile("were not sent because it was canceled")).wait_for()
    page.get_by_role("region", name="People by state").get_by_text("Canceled", exact=True).wait_for()
    steps.everybody_counted(page, content.recipients)
    assert steps.counts(page)["Canceled"] > 0
    assert signed_in.complaints == []


def test_a_campaign_is_scheduled_and_taken_off_the_schedule(signed_in: Watched, content: Content) -> None:
    page = signed_in.page()
    drafts(page, content, "Later")
    page.get_by_role("button", name="Schedule").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Schedule for")).click()
    page.get_by_text(re.compile("^Launches ")).wait_for()
    steps.confirm(page, "Unschedule", "Back to a draft")
    page.get_by_text("Draft", exact=True).first.wait_for()
    assert signed_in.complaints == []


def drafts(page: Page, content: Content, name: str, rate: int | None = None) -> None:
    page.goto("/campaigns")
    steps.draft_campaign(
        page, name=name, segment=content.segment, template=content.template, sender=content.sender, rate=rate
    )
