"""What a person does in the browser, one function per thing done. Everything is found as a person finds it: by the
words on the page."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

FINDS_MS = 30_000


def open_link(page: Page, link: str) -> None:
    """Follow a sign-in link and press its button."""
    page.goto(link)
    page.get_by_role("button", name="Open Event Stream Engine").click()
    page.get_by_role("heading", name="Overview").wait_for()


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", level=1, name="Overview").wait_for()


def go(page: Page, place: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=place, exact=True).click()
    page.get_by_role("heading", level=1, name=place).wait_for()


def open_profile(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="my profile").click()
    page.get_by_role("heading", level=1, name="My profile").wait_for()


def set_password(page: Page, email: str, password: str) -> None:
    open_profile(page)
    card = section(page, "Set a password")
    card.get_by_label("Email").fill(email)
    card.get_by_label("New password").fill(password)
    card.get_by_role("button", name="Save password").click()
    page.get_by_text(f"sign in as {email}").wait_for()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def drop_file(page: Page, file: Path) -> None:
    """Drop a file on the page, as from a file manager."""
    transfer = page.evaluate_handle(
        """([name, text]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], name, { type: 'text/csv' }));
          return transfer;
        }""",
        [file.name, file.read_text("utf-8-sig")],
    )
    main = page.locator("main")
    main.dispatch_event("dragover", {"dataTransfer": transfer})
    page.get_by_text("Drop the file to import it").wait_for()
    main.dispatch_event("drop", {"dataTransfer": transfer})


def map_and_try(page: Page, *, agreed: str, region: str | None = None) -> None:
    """Say where the people agreed, and start the dry run."""
    page.get_by_label("Where these people agreed").fill(agreed)
    if region:
        choose_from_combobox(page, "Region of numbers without a country code", region)
    page.get_by_role("button", name="Dry run").click()
    page.get_by_text("Nothing was written.").wait_for(timeout=FINDS_MS)


def import_for_real(page: Page) -> None:
    """After the dry run: the same mapping, without filling it in again."""
    page.get_by_role("button", name=re.compile(r"for real$")).click()
    page.get_by_text(re.compile(r"^[\d,]+ (person|people) (added|updated)")).wait_for(timeout=FINDS_MS)


def accounting(page: Page) -> dict[str, int]:
    """The figures under "All rows"."""
    region = page.get_by_role("region", name="All rows")
    return {
        term.inner_text().strip(): number(figure.inner_text())
        for term, figure in zip(region.locator("dt").all(), region.locator("dd:first-of-type").all(), strict=True)
    }


def write_template(page: Page, *, name: str, body: str, reads: str) -> None:
    """A new SMS template; the preview shows what one contact reads before it is saved."""
    go(page, "Templates")
    page.get_by_role("link", name="New template").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("textbox", name="Message").fill(body)
    page.get_by_text(reads).first.wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", level=1, name=name).wait_for()


def build_segment(page: Page, *, name: str, attribute: str, value: str, size: int) -> None:
    """One rule, attribute is value; its size is on the page before it is saved."""
    go(page, "Segments")
    page.get_by_role("link", name="New segment").first.click()
    page.get_by_label("Name", exact=False).first.fill(name)
    choose_from_combobox(page, "Field", attribute)
    page.get_by_label("Value").first.fill(value)
    page.get_by_label("Value").first.blur()
    page.get_by_text(re.compile(rf"^{size:,}$")).first.wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", level=1, name=name).wait_for()


def add_sender(page: Page, *, name: str, number: str, per_second: int) -> None:
    go(page, "Senders")
    page.get_by_role("button", name="Add sender").first.click()
    dialog = page.get_by_role("dialog", name="Add sender")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_text("SMS", exact=True).click()
    dialog.get_by_label("Number or messaging service").fill(number)
    dialog.get_by_label("Messages per second").fill(str(per_second))
    dialog.get_by_role("button", name="Add").click()
    dialog.wait_for(state="detached")
    page.get_by_text(number).first.wait_for()


def draft_campaign(page: Page, *, name: str, segment: str, template: str, sender: str, rate: int | None = None) -> None:
    """The four steps up to the preflight; quiet hours off, so that the hour of the test does not matter."""
    go(page, "Campaigns")
    page.get_by_role("link", name="New campaign").first.click()
    page.get_by_label("Campaign name").fill(name)
    page.get_by_text("A segment", exact=True).click()
    page.get_by_role("radio", name=segment).locator("xpath=ancestor::label").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("radio", name=template).locator("xpath=ancestor::label").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("radio", name=sender).locator("xpath=ancestor::label").click()
    if rate:
        page.get_by_label("Messages per second for this campaign").fill(str(rate))
    page.get_by_text("Keep quiet hours").click()
    page.get_by_role("button", name="Save and review").click()
    page.get_by_role("button", name=re.compile(r"^Launch to")).wait_for()


def launch(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Launch to")).click()
    page.get_by_role("alertdialog").get_by_role("button", name=re.compile(r"^Send to")).click()
    page.get_by_role("region", name="People by state").wait_for()


def confirm(page: Page, action: str, button: str | re.Pattern[str]) -> None:
    """Press a campaign's button, and the one of the dialog that asks whether it is meant."""
    page.get_by_role("button", name=action).click()
    page.get_by_role("alertdialog").get_by_role("button", name=button).click()
    page.get_by_role("alertdialog").wait_for(state="detached")


def counts(page: Page) -> dict[str, int]:
    """The legend under the bar "People by state". The text of an element that is not laid out, as in a tab that loads,
    has no line breaks, so that names and values are read by their elements."""
    rows = page.get_by_role("region", name="People by state").locator("li")
    parts = rows.evaluate_all("rows => rows.map((row) => [...row.children].slice(-2).map((part) => part.textContent))")
    return {name: number(value) for name, value in parts}


def everybody_counted(page: Page, people: int) -> None:
    """Until the states of the legend sum to so many."""
    page.wait_for_function(
        "people => [...document.querySelectorAll('[aria-label=\"People by state\"] li')]"
        ".reduce((sum, row) => sum + Number(row.innerText.replace(/[^0-9]/g, '')), 0) === people",
        arg=people,
    )


def every_outcome_known(page: Page) -> None:
    """Until nobody's message is only accepted or sent: the last receipts come after the campaign is done."""
    underway = page.get_by_role("region", name="People by state").locator("li")
    expect(underway.filter(has_text=re.compile(r"^(Accepted|Sent|Sending|Queued)"))).to_have_count(0, timeout=FINDS_MS)


def play_inbound(page: Page, *, from_: str, body: str) -> None:
    """Write as a person, through the sandbox's form."""
    page.get_by_role("combobox", name="From").fill(from_)
    page.get_by_role("option", name=re.compile(f"{from_[-4:]}$")).first.click()  # numbers are masked
    page.get_by_label("Text", exact=True).fill(body)
    page.get_by_role("button", name="Send as them").click()


def choose_from_combobox(page: Page, label: str, text: str) -> None:
    field = page.get_by_role("combobox", name=label).first
    field.fill(text)
    page.get_by_role("option", name=re.compile(re.escape(text), re.IGNORECASE)).first.click()


def section(page: Page, title: str) -> Locator:
    """The card under a heading."""
    return page.locator("section", has=page.get_by_role("heading", name=title))


def number(text: str) -> int:
    return int(text.strip().replace(",", ""))
