"""Every page opens on a platform that is a year old. `make large` does the same with a million contacts."""

import os
import subprocess
import sys

import pytest
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_every_page_opens_on_a_platform_that_is_a_year_old(browser: Browser) -> None:
    """In a process of its own, which has a Chromium of its own: this one's thread may have no other event loop."""
    environment = {**os.environ, "SCALE": "0.01", "ONLY": "screens"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.large"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "requests; 0 failed" in done.stdout
