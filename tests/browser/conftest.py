"""One platform and one Chromium for all browser tests; each test has a browser session of its own.

Both live as long as this package's tests: Playwright keeps an event loop in this thread, which tests elsewhere must not
meet."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from event_stream_engine.entrypoints.ui import DIST
from tests.browser.watching import Watched, a_browser, chromium, watched
from tests.journeys import campaign as story
from tests.journeys.running_platform import RunningPlatform

RECIPIENTS = 60


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium on this machine: install one, or name it in ESE_TEST_CHROMIUM")
    assert (DIST / "index.html").is_file(), "the UI is not built: run `python tools/prepare.py`"
    with a_browser() as started:
        yield started


@pytest.fixture(scope="package")
def platform(browser: Browser) -> Iterator[RunningPlatform]:
    """`ese up` with an empty home; the browser comes first, so that nothing is started where it would be skipped."""
    # What fails twice is a dead letter, so that no test waits out the pauses between twelve attempts.
    with RunningPlatform({"ESE_CONSUME_ATTEMPTS_MAX": "2", "ESE_ALERTS_EVERY_SECONDS": "1"}) as running:
        yield running


@pytest.fixture
def new_link(platform: RunningPlatform) -> Callable[[], str]:
    """A fresh one-time sign-in link, as the operator gets it in a terminal."""

    def make() -> str:
        command = [sys.executable, "-m", "event_stream_engine.entrypoints.cli", "sign-in"]
        environment = {**os.environ, "ESE_HOME": str(platform.home / ".ese")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = re.search(r"http\S+/sign-in/link\?token=\S+", done.stdout)
        assert found, done.stdout
        return found.group(0)

    return make


@pytest.fixture
def signed_in(browser: Browser, platform: RunningPlatform) -> Iterator[Watched]:
    """A browser at 1440 x 900 that holds the admin's session."""
    with watched(browser, viewport={"width": 1440, "height": 900}, base_url=platform.api.origin) as session:
        session.context.add_cookies(
            [{"name": "ese_access", "value": platform.api.bearer(), "url": platform.api.origin}]
        )
        yield session


def sign_in(session: Watched, platform: RunningPlatform) -> None:
    """Give a browser the admin's access cookie. It has no refresh cookie, so that no test ends another's session."""
    cookie = {"name": "ese_access", "value": platform.api.bearer(), "url": platform.api.origin}
    session.context.add_cookies([cookie])


@dataclass(frozen=True)
class Content:
    """Names of what a campaign is made of."""

    template: str = "Autumn text"
    segment: str = "Autumn gold"
    sender: str = "Autumn sender"
    recipients: int = RECIPIENTS


@pytest.fixture(scope="package")
def content(platform: RunningPlatform) -> Content:
    """Contacts, template, segment and sender, made through the API."""
    made, api = Content(), platform.api
    for n in range(made.recipients):
        attributes = {"name": f"Gold {n}", "club": "autumn"}
        api.post("/api/v1/contacts", {"phone": story.phone(5000 + n), "consent": "opted_in", "attributes": attributes})
    api.post("/api/v1/templates", {"name": made.template, "channel": "sms", "body": "Hi {name|there}, autumn is here."})
    rule = {"all": [{"field": "attributes.club", "op": "eq", "value": "autumn"}]}
    api.post("/api/v1/segments", {"name": made.segment, "definition": rule})
    sender = {"name": made.sender, "channel": "sms", "address": "+14155550111", "messages_per_second": 20}
    api.post("/api/v1/senders", sender)
    return made


@pytest.fixture
def people_file(tmp_path: Path) -> Path:
    """Thirty people of whom one opted out, four others, a repeated row and two that are no numbers."""
    rows = [f"{story.phone(n)},Ana {n},premium,{'OPT_OUT' if n == 7 else 'OPT_IN'}" for n in range(30)]
    rows += [f"{story.phone(100 + n)},Bo {n},standard,OPT_IN" for n in range(4)]
    rows += [f"{story.phone(3)},Ana 3,premium,OPT_IN", "+1415,Short,premium,OPT_IN", "hello,Words,premium,OPT_IN"]
    file = tmp_path / "spring people.csv"
    file.write_text("\n".join(["phone_number,name,tier,consent_state", *rows]) + "\n")
    return file
