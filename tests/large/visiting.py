"""Every page of a large platform, in a browser: how long it takes to be drawn, and what it complains about."""

import time
from collections.abc import Mapping

from playwright.sync_api import Response

from tests.browser.watching import a_browser, settle, watched

PAGES = (
    "/", "/alerts", "/inbound", "/inbound?search=ana", "/contacts", "/contacts?search=ana", "/contacts?search=212",
    "/contacts/{contact_id}", "/imports", "/imports/{import_id}", "/segments", "/segments/{segment_id}",
    "/segments/new", "/templates", "/templates/{template_id}", "/campaigns", "/campaigns?search=campaign",
    "/campaigns/{campaign_id}", "/campaigns/{campaign_id}?status=undelivered", "/campaigns/{campaign_id}?search=ana",
    "/campaigns/{short}", "/campaigns/{long}", "/campaigns/{running}", "/campaigns/{paused}", "/campaigns/{draft}",
    "/campaigns/{draft}/edit?step=review", "/senders", "/streams", "/streams/groups", "/streams/dead-letters",
    "/streams/replays", "/flags", "/monitoring", "/accounts", "/audit", "/settings", "/settings/api-keys",
    "/settings/opt-out-keywords",
)  # fmt: skip

CAMPAIGNS = """
SELECT 'running', id FROM campaigns WHERE status = 'running' UNION ALL
SELECT 'paused', id FROM campaigns WHERE status = 'paused' UNION ALL
SELECT 'draft', id FROM campaigns WHERE status = 'draft' UNION ALL
(SELECT 'short', id FROM campaigns WHERE status = 'completed' ORDER BY completed_at - launched_at, id LIMIT 1) UNION ALL
(SELECT 'long', id FROM campaigns WHERE status = 'completed' ORDER BY launched_at - completed_at, id LIMIT 1)
"""


def visit(origin: str, token: str, known: Mapping[str, str]) -> tuple[list[tuple[float, str]], list[str]]:
    """The seconds of each page, the better of two visits, and complaints. To be called in a thread without a loop."""
    took = []
    with a_browser() as browser, watched(browser, base_url=origin, viewport={"width": 1440, "height": 900}) as session:
        session.context.add_cookies([{"name": "ese_access", "value": token, "url": origin}])
        page = session.page()

        def note(response: Response) -> None:
            if response.status >= 500:
                session.complaints.append(f"{response.status} {response.url}")

        page.on("response", note)
        for address in PAGES:
            seconds = []
            for _ in range(2):
                started = time.perf_counter()
                page.goto(address.format(**known))
                settle(page)
                seconds.append(time.perf_counter() - started)
            took.append((min(seconds), address))
        return took, session.complaints
