"""A Chromium, pages that remember what went wrong in them, and the checks every page must pass."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE_MS = 30_000
"""A bound against standing still, not a promise: two cores may carry two platforms and a browser."""
_NOTED_BY_A_RESTART = ("net::ERR_", "502", "503")

_MEASURE_OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return null;
  const guilty = [...document.querySelectorAll('body *')].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.right > innerWidth + 0.5 && !element.closest('.sr-only');
  });
  const innermost = guilty.filter((element) => !guilty.some((other) => other !== element && element.contains(other)));
  return `${wide} px too wide: ` + innermost.slice(0, 3).map((element) => element.outerHTML.slice(0, 160)).join(' | ');
}"""


def chromium() -> str | None:
    """The Chromium of the system, or the one `ESE_TEST_CHROMIUM` names."""
    given = os.environ.get("ESE_TEST_CHROMIUM")
    return given or next(filter(None, map(shutil.which, CANDIDATES)), None)


@contextmanager
def a_browser() -> Iterator[Browser]:
    executable = chromium()
    assert executable is not None, "no Chromium: install one, or name it in ESE_TEST_CHROMIUM"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A browser session of its own, and what its pages complained about: errors in the console, uncaught errors,
    violations of the content security policy (Chromium reports them in the console)."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        return page

    def forget_the_restart(self) -> None:
        """Failed requests while the server was down on purpose are no complaint."""
        self.complaints[:] = [text for text in self.complaints if not any(part in text for part in _NOTED_BY_A_RESTART)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[Watched]:
    """Options are those of a browser context: viewport, color_scheme, storage_state …"""
    context = browser.new_context(locale="en-US", reduced_motion="reduce", accept_downloads=True, **options)
    try:
        yield Watched(context)
    finally:
        context.close()


_STILL = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
  done(document.getAnimations().every((animation) => animation.playState !== 'running')))))"""


def settle(page: Page) -> None:
    """Until nothing on the page stands for something still to come, and nothing moves or changes colour."""
    page.locator("h1").first.wait_for()
    page.wait_for_function("() => !document.querySelector('.skeleton') && document.fonts.status === 'loaded'")
    page.wait_for_function(_STILL)


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical, with the first places. What a second look no longer finds was measured
    between two paints (a theme that was just changed), and nobody meets it."""
    found = _violations(page)
    if found:
        settle(page)
        again = _violations(page)
        found = [violation for violation in found if violation in again]
    return found


def _violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {' | '.join(str(node['html'])[:160] for node in one['nodes'][:3])}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> str | None:
    """Whether the page scrolls sideways, and what makes it."""
    wide: str | None = page.evaluate(_MEASURE_OVERFLOW)
    return wide
