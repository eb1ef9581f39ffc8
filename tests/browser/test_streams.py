"""An operator's work: a campaign whose launch a reaction could not apply goes on with one click."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
import pytest
from playwright.sync_api import Page, expect

from tests.browser import steps
from tests.browser.conftest import Content
from tests.browser.test_live import id_of, parts_of
from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser
FINDS_MS = 30_000
NOBODYS = "00000000-0000-7000-8000-000000000000"

_REFUSE = """
CREATE FUNCTION refuse_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the quota is used up'; END $$;
CREATE TRIGGER refuse_messages BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse_messages()
"""
_ALLOW = "DROP TRIGGER refuse_messages ON messages; DROP FUNCTION refuse_messages()"


@pytest.mark.timeout(180)
def test_a_dead_letter_is_redriven_with_one_click(
    signed_in: Watched, platform: RunningPlatform, content: Content
) -> None:
    page = signed_in.page()
    with messages_refused(platform):
        campaign = launched(platform, content, "Refused at first")
        died = letter_of(page, platform, campaign)
        page.goto("/streams/dead-letters")
        row = page.get_by_role("row").filter(has_text=campaign)
        expect(row).to_contain_text("the quota is used up")
        reads_the_letter(page, campaign)
        refuses_a_wrong_rate(page)
        row.get_by_role("button", name=re.compile("^Redrive")).click()  # the cause is still there
        page.get_by_text("redriven to messaging.freeze_audience").wait_for()
        again = platform.wait_until("it dies again", lambda: letters(platform, campaign, "open"), 30)
        assert [letter["id"] for letter in again] != died
    page.reload()
    page.get_by_role("row").filter(has_text=campaign).get_by_role("button", name=re.compile("^Redrive")).click()
    expect(page.get_by_role("row").filter(has_text=campaign)).to_have_count(0, timeout=FINDS_MS)
    page.goto(f"/campaigns/{campaign}")
    page.get_by_text(re.compile("^Completed")).first.wait_for(timeout=FINDS_MS)
    steps.every_outcome_known(page)
    assert sum(steps.counts(page).values()) == content.recipients
    assert signed_in.complaints == []


def test_a_group_is_paused_with_a_reason_and_resumed(signed_in: Watched, platform: RunningPlatform) -> None:
    page = signed_in.page()
    page.goto("/streams/groups")
    page.get_by_role("button", name="Pause messaging.apply_inbound").click()
    page.get_by_label("Why").fill("Looking at a letter")
    page.get_by_role("button", name="Pause the group").click()
    group = page.get_by_role("listitem", name="messaging.apply_inbound")
    expect(group).to_contain_text("“Looking at a letter” by Admin")
    group.get_by_role("button", name="Resume messaging.apply_inbound").click()
    group.get_by_role("button", name="Pause messaging.apply_inbound").wait_for()
    assert signed_in.complaints == []


def test_a_replay_is_counted_before_it_is_started(
    signed_in: Watched, platform: RunningPlatform, content: Content
) -> None:
    launched(platform, content, "Replayed")
    page = signed_in.page()
    page.goto("/streams/replays")
    page.get_by_role("button", name="Replay events").first.click()
    page.get_by_role("button", name=re.compile("Group")).click()
    page.get_by_role("option", name="messaging.freeze_audience").click()
    page.get_by_role("button", name="Dry run").click()
    matched = page.get_by_role("status").filter(has_text="match")
    matched.wait_for()
    count = steps.number(re.match(r"[\d,]+", matched.inner_text()).group())  # type: ignore[union-attr]
    assert count > 0
    page.get_by_role("button", name=re.compile(f"^Replay {count} event")).click()
    expect(page.get_by_role("listitem").filter(has_text="messaging.freeze_audience").first).to_contain_text(
        "Completed", timeout=FINDS_MS
    )
    assert signed_in.complaints == []


def test_a_replay_takes_a_range_of_entry_ids(signed_in: Watched, platform: RunningPlatform, content: Content) -> None:
    entry = str(launch_of(platform, launched(platform, content, "Replayed alone"))["entry_id"])
    page = signed_in.page()
    page.goto("/streams/replays")
    page.get_by_role("button", name="Replay events").first.click()
    page.get_by_role("button", name=re.compile("Group")).click()
    page.get_by_role("option", name="messaging.freeze_audience").click()
    page.get_by_text("From an entry id", exact=True).click()
    dry_run = page.get_by_role("button", name="Dry run")
    page.get_by_label("First entry").fill("nonsense")
    page.get_by_text("An entry id is <milliseconds>-<number>").wait_for()
    expect(dry_run).to_be_disabled()
    page.get_by_label("First entry").fill(entry)
    page.get_by_label("Last entry").fill("1-0")
    page.get_by_text("It must not lie before the first entry.").wait_for()
    page.get_by_label("Last entry").fill(entry)
    dry_run.click()
    expect(page.get_by_role("status").filter(has_text="match")).to_contain_text("1 event matches")
    page.get_by_role("button", name="Replay 1 event").click()
    expect(page.get_by_role("listitem").filter(has_text="1 of 1 event").first).to_contain_text(
        "Completed", timeout=FINDS_MS
    )
    assert signed_in.complaints == []


def test_an_event_is_opened_by_its_id_and_a_wrong_id_is_told(
    signed_in: Watched, platform: RunningPlatform, content: Content
) -> None:
    event = str(launch_of(platform, launched(platform, content, "Looked up"))["event_id"])
    page = signed_in.page()
    page.goto("/streams/tail")
    field = page.get_by_role("searchbox", name="Open an event by its id")
    field.fill("nonsense")
    field.press("Enter")
    page.get_by_text(re.compile("^An event's id is a UUID, such as")).wait_for()
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("")
    expect(page.get_by_text("An event's id is a UUID")).to_have_count(0)
    field.fill(NOBODYS)
    page.get_by_text("No event has this id").wait_for()
    field.fill(event)
    page.get_by_role("heading", level=1, name="CampaignLaunched").wait_for()
    (not_found,) = signed_in.complaints
    assert "404" in not_found
    assert NOBODYS in not_found


def test_the_tail_shows_what_happens_now(signed_in: Watched, platform: RunningPlatform, content: Content) -> None:
    page = signed_in.page()
    page.goto("/streams/tail?type=CampaignLaunched")
    page.get_by_text("Following", exact=True).wait_for()
    campaign = launched(platform, content, "Seen as it happens")
    row = page.get_by_role("row").filter(has_text=campaign)
    row.wait_for()
    row.get_by_role("link").click()
    page.get_by_role("heading", level=1, name="CampaignLaunched").wait_for()
    tree = page.get_by_role("list", name="Events by cause")
    tree.get_by_role("link", name="AudienceFrozen").wait_for()
    expect(tree).to_contain_text("messaging.freeze_audience")
    assert signed_in.complaints == []


def launched(platform: RunningPlatform, content: Content, name: str) -> str:
    parts = {f"{kind}_id": id_of(platform, kind, named) for kind, named in parts_of(content).items()}
    campaign = str(platform.api.post("/api/v1/campaigns", {"name": name, **parts})["id"])
    platform.api.post(f"/api/v1/campaigns/{campaign}/launch")
    return campaign


def launch_of(platform: RunningPlatform, campaign: str) -> dict[str, object]:
    """The event of the launch, once it is published."""

    def published() -> list[dict[str, object]]:
        found = platform.api.get("/api/v1/backbone/events", key=campaign, type="CampaignLaunched")["items"]
        return [event for event in found if event["entry_id"] is not None]

    return platform.wait_until("the launch is published", published, 30)[0]


def letters(platform: RunningPlatform, campaign: str, status: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = platform.api.get("/api/v1/backbone/dead-letters", key=campaign, status=status)[
        "items"
    ]
    return items


def letter_of(page: Page, platform: RunningPlatform, campaign: str) -> list[object]:
    found = platform.wait_until("the launch is given up", lambda: letters(platform, campaign, "open"), 30)
    return [letter["id"] for letter in found]


def reads_the_letter(page: Page, campaign: str) -> None:
    page.get_by_role("row").filter(has_text=campaign).get_by_role("button", name="CampaignLaunched", exact=True).click()
    drawer = page.get_by_role("dialog")
    for known in ("Data of the event", "Stack of the last failure"):
        drawer.get_by_role("region", name=known).wait_for()
    expect(drawer.get_by_role("region", name="Data of the event")).to_contain_text(campaign)
    page.keyboard.press("Escape")
    drawer.wait_for(state="detached")


def refuses_a_wrong_rate(page: Page) -> None:
    page.get_by_role("button", name="Redrive all…").click()
    dialog = page.get_by_role("dialog")
    for wrong in ("-5", "99999999"):
        dialog.get_by_label("At most a second").fill(wrong)
        dialog.get_by_label("At most a second").press("Tab")
        dialog.get_by_text("Write a whole number from 1 to 10,000, or leave it empty.").wait_for()
        expect(dialog.get_by_role("button", name=re.compile("^Redrive"))).to_be_disabled()
    dialog.get_by_label("At most a second").fill("10000")
    expect(dialog.get_by_role("button", name=re.compile("^Redrive"))).to_be_enabled()
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")


@contextmanager
def messages_refused(platform: RunningPlatform) -> Iterator[None]:
    """A rule in the database that lets no message be written: a cause that somebody can mend."""
    address = platform.running()["environment"]["DATABASE_URL"].replace("+asyncpg", "")
    execute(address, _REFUSE)
    try:
        yield
    finally:
        execute(address, _ALLOW)


def execute(address: str, statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(address)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as elsewhere:  # Playwright keeps a loop in this thread
        elsewhere.submit(asyncio.run, run()).result()
