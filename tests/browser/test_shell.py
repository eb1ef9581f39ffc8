"""What is around every page: the top bar at any width, an API that does not answer, a file dropped anywhere."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watching import Watched, overflow

pytestmark = pytest.mark.browser
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
WIDTHS = (320, 390, 640, 767, 768, 780, 806, 820, 1023, 1024, 1280)


def test_the_top_bar_fits_at_every_width(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/settings")
    expect(page.get_by_role("banner").get_by_text("Sandbox")).to_be_visible()
    page.get_by_role("banner").get_by_role("button", name="Live.").click()
    expect(page.get_by_role("banner").get_by_text("Paused")).to_be_visible()  # the widest word but "Reconnecting"
    page.get_by_role("banner").get_by_text("Paused").evaluate("chip => { chip.textContent = 'Reconnecting' }")
    wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(TWO_FRAMES)  # in the first one some media queries still answer for the old width
        if (found := overflow(page)) is not None:
            wide[width] = found
    assert wide == {}


def test_an_api_that_does_not_answer_is_said_and_asked_again(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/settings")
    page.clock.install()
    page.route("**/api/v1/segments?*", lambda route: None)
    page.get_by_role("link", name="Segments").first.click()
    expect(page.get_by_label("Loading").first).to_be_attached()
    page.clock.run_for(12_500)
    expect(page.get_by_role("alert")).to_contain_text("Still waiting")
    page.unroute("**/api/v1/segments?*")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_navigation_does_not_jump_while_it_is_asked_who_this_is(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/settings")
    expect(page.get_by_role("link", name="Audit trail")).to_be_visible()
    page.route("**/api/v1/auth/me", lambda route: None)
    page.reload()
    expect(page.get_by_role("link", name="Audit trail")).to_be_visible()


def test_a_file_dropped_anywhere_is_imported(signed_in: Watched) -> None:
    page = signed_in.page()
    page.goto("/segments")
    expect(page.get_by_role("heading", name="Segments")).to_be_visible()
    assert drop_on(page, "h1"), "else the browser leaves the app and opens the file"
    expect(page).to_have_url(re.compile("/imports/[0-9a-f-]{36}$"))
    expect(page.get_by_text("people.csv").first).to_be_visible()


def drop_on(page: Page, selector: str) -> bool:
    """Drops a file there; whether the page took it, so that the browser does not open it instead."""
    taken: bool = page.evaluate(
        """selector => {
            const data = new DataTransfer();
            data.items.add(new File(['phone\\n+14155550101\\n'], 'people.csv', { type: 'text/csv' }));
            const target = document.querySelector(selector);
            const of = type => new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
            target.dispatchEvent(of('dragenter'));
            target.dispatchEvent(of('dragover'));
            return !target.dispatchEvent(of('drop'));
        }""",
        selector,
    )
    return taken
