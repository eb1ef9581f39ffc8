"""An alert as a person meets it: at the bell without a reload, acknowledged, silenced, and over; by keyboard too."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg
import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import go
from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser
FINDS_MS = 30_000
GROUP = "messaging.apply_inbound"

_LETTER = f"""
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
    taken_over, error_class, error, stack, history, release, first_failed_at)
SELECT gen_random_uuid(), '{GROUP}', event_id, stream, '1-1', 1, 1, type, key, '{{}}', 2, 0, 0, 'Broken', 'broken', '',
    '[]', 'journey', now() FROM outbox LIMIT 1
"""
_NONE = "DELETE FROM dead_letters WHERE release = 'journey'"


def sql(platform: RunningPlatform, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(platform.running()["environment"]["DATABASE_URL"])
        await connection.execute(statement)
        await connection.close()

    with ThreadPoolExecutor(1) as beside:  # this thread's event loop is Playwright's
        beside.submit(asyncio.run, run()).result()


@contextmanager
def a_dead_letter(platform: RunningPlatform) -> Iterator[None]:
    sql(platform, _LETTER)
    try:
        yield
    finally:
        sql(platform, _NONE)


def bell(page: Page, text: str) -> None:
    expect(page.get_by_role("button", name=re.compile(f"^Alerts: .*{text}"))).to_be_visible(timeout=FINDS_MS)


@pytest.mark.timeout(180)
def test_an_alert_reaches_the_bell_and_is_looked_after(signed_in: Watched, platform: RunningPlatform) -> None:
    page = signed_in.page()
    page.goto("/")
    go(page, "Alerts")
    bell(page, "none firing")
    page.evaluate("window.notReloaded = true")
    with a_dead_letter(platform):
        bell(page, "1 alert firing, 1 unread")
        page.get_by_role("button", name=re.compile("^Alerts:")).focus()
        page.keyboard.press("Enter")
        popover = page.get_by_role("dialog", name="Alerts")
        expect(popover.get_by_text(f"Dead letters of {GROUP}: 1")).to_be_visible()
        page.keyboard.press("Escape")
        expect(popover).to_have_count(0)
        bell(page, "1 alert firing$")

        row = page.get_by_role("list", name="Open alerts").get_by_role("listitem").filter(has_text=GROUP)
        row.get_by_role("button", name=re.compile("^Silence")).click()
        dialog = page.get_by_role("dialog", name="Silence this alert")
        expect(dialog.get_by_role("button", name="Silence")).to_be_disabled()
        dialog.get_by_label("Why").fill("Known, mended tomorrow")
        page.keyboard.press("Enter")
        expect(row.get_by_text("“Known, mended tomorrow”")).to_be_visible()
        bell(page, "none firing")
        row.get_by_role("button", name="End silence").click()
        row.get_by_role("button", name=re.compile("^Acknowledge")).click()
        expect(row.get_by_text("Acknowledged", exact=True)).to_be_visible()
    past = page.get_by_role("list", name="Past alerts")
    expect(past.get_by_text(f"Dead letters of {GROUP}: 1").first).to_be_visible(timeout=FINDS_MS)
    assert page.evaluate("window.notReloaded"), "all of it came by itself"

    past.get_by_role("link", name="Runbook").first.click()
    page.get_by_role("heading", level=1, name="EseDeadLetters").wait_for()
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    assert signed_in.complaints == []


@pytest.mark.timeout(180)
def test_a_rule_is_silenced_before_it_fires(signed_in: Watched, platform: RunningPlatform) -> None:
    page = signed_in.page()
    page.goto("/alerts")
    rules = page.get_by_role("list", name="Rules")
    rule = rules.get_by_role("listitem").filter(has=page.get_by_text("EseDeadLetters", exact=True))
    rule.get_by_role("button", name="Silence EseDeadLetters").click()
    dialog = page.get_by_role("dialog", name="Silence EseDeadLetters")
    dialog.get_by_label("Why").fill("Upgrade tonight")
    page.keyboard.press("Enter")
    expect(rule.get_by_text("“Upgrade tonight”")).to_be_visible()
    expect(rules.get_by_role("listitem").first).to_contain_text("EseDeadLetters")
    with a_dead_letter(platform):
        row = page.get_by_role("list", name="Open alerts").get_by_role("listitem").filter(has_text=GROUP)
        expect(row.get_by_text("Silenced", exact=True)).to_be_visible(timeout=FINDS_MS)
        bell(page, "none firing")
        row.get_by_role("button", name="End silence of the rule").click()
        expect(row.get_by_text("Firing", exact=True)).to_be_visible()
        expect(rule.get_by_role("button", name="Silence EseDeadLetters")).to_be_visible()
    bell(page, "none firing")
    assert signed_in.complaints == []


def test_the_system_status_says_what_each_part_measures(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/alerts")
    parts = page.get_by_role("list", name="Components")
    for name in ("PostgreSQL", "Redis", "Relay", "Process ese work", "Queue sending", "Disk"):
        expect(parts.get_by_text(name, exact=True)).to_be_visible()
    expect(page.get_by_text("Live", exact=True).last).to_be_visible(timeout=FINDS_MS)
