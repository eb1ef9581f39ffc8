"""A new email address counts once its mailbox has answered; until then the old one stays, and is told."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.actions.mails import CONFIRM_LIFETIME
from event_stream_engine.identity.smtp import BREAKER
from event_stream_engine.identity.throttling import SPENT_MAX
from event_stream_engine.resilience import Breaker
from event_stream_engine.settings import Settings
from tests.identity.conftest import send_mails
from tests.identity.mail_server import MailServer
from tests.identity.test_accounts import facts
from tests.identity.test_session_families import audited
from tests.identity.test_sessions import CREDENTIALS, LOGIN, ME
from tests.web.client import Client

CONFIRM, CANCEL = "/api/v1/auth/confirm-email", "/api/v1/auth/me/new-email"
NEW = "ana2@example.com"
BODY = {"email": NEW, "current_password": CREDENTIALS["password"]}


@pytest.fixture
def settings(with_mail: Settings) -> Settings:
    return with_mail


@pytest.fixture
def mailed(mail_server: MailServer, database: Database, settings: Settings) -> Callable[[str], Any]:
    """Send what is due; the token of the newest link that was mailed to an address, or None."""

    async def token(address: str = NEW) -> str | None:
        await send_mails(database, settings, Breaker(BREAKER))
        texts = [mail.get_content() for mail in mail_server.mails if mail["To"] == address]  # type: ignore[attr-defined]
        found = [link for said in texts for link in re.findall(r"/confirm-email/link\?token=(\S+)", said)]
        return found[-1] if found else None

    return token


async def test_the_old_address_stays_until_the_link_is_used_once(
    browser: Client, anonymous: Client, mail_server: MailServer, mailed: Callable[..., Any], database: Database
) -> None:
    asked = (await browser.patch(ME, json=BODY)).json()
    assert (asked["email"], asked["new_email"]) == (CREDENTIALS["email"], NEW)
    token = await mailed()
    assert {(mail["To"], mail["Subject"].split(" ·")[0]) for mail in mail_server.mails} == {
        (NEW, "Confirm your email address"), (CREDENTIALS["email"], "A new email address was asked for")
    }  # fmt: skip
    assert (await anonymous.post(LOGIN, json={**CREDENTIALS, "email": NEW})).status_code == 401
    assert (await anonymous.post(LOGIN, json=CREDENTIALS)).status_code == 200
    assert (await anonymous.post(CONFIRM, json={"token": token})).status_code == 204
    me = (await browser.get(ME)).json()
    assert (me["email"], me["new_email"]) == (NEW, None)
    assert (await anonymous.post(LOGIN, json=CREDENTIALS)).status_code == 401
    assert (await anonymous.post(LOGIN, json={**CREDENTIALS, "email": NEW})).status_code == 200
    again = await anonymous.post(CONFIRM, json={"token": token})
    assert (again.status_code, again.json()["code"]) == (409, "link_ended")
    await mailed()
    assert (mail_server.mails[-1]["To"], "was changed" in mail_server.mails[-1]["Subject"]) == (
        CREDENTIALS["email"], True
    )  # fmt: skip
    actions = [action for action, _ in await audited(database, "account.ask_email_change", "account.change")]
    assert actions == ["account.ask_email_change", "account.change"]
    changes = [fact for kind, fact in await facts(database) if kind == "UserUpdated"]
    assert [(fact["email"], fact["changed_fields"]) for fact in changes] == [(NEW, ["email"])]


async def test_looking_at_the_link_does_nothing_and_its_button_confirms(
    browser: Client, anonymous: Client, mailed: Callable[..., Any]
) -> None:
    await browser.patch(ME, json=BODY)
    token = await mailed()
    page = await anonymous.get("/confirm-email/link", params={"token": token})
    assert (page.status_code, "script" in page.text) == (200, False)
    assert (await browser.get(ME)).json()["email"] == CREDENTIALS["email"]
    done = await anonymous.post("/confirm-email/link", data={"token": token})
    assert (done.status_code, NEW in done.text) == (200, True)
    assert (await browser.get(ME)).json()["email"] == NEW
    again = await anonymous.post("/confirm-email/link", data={"token": token})
    assert (again.status_code, "was used or has expired" in again.text) == (409, True)


async def test_the_link_ends_after_a_day(browser: Client, anonymous: Client, mailed: Callable[..., Any]) -> None:
    await browser.patch(ME, json=BODY)
    token = await mailed()
    with clock.frozen(clock.now() + CONFIRM_LIFETIME):
        assert (await anonymous.post(CONFIRM, json={"token": token})).json()["code"] == "link_ended"


async def test_the_password_is_wanted_first(browser: Client, mailed: Callable[..., Any]) -> None:
    assert (await browser.patch(ME, json={"email": NEW})).status_code == 401
    assert await mailed() is None


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("how", ["canceled", "password changed", "another asked for"])
async def test_what_waits_no_longer_counts(
    browser: Client, anonymous: Client, mailed: Callable[..., Any], how: str, sent: bool
) -> None:
    await browser.patch(ME, json=BODY)
    token = await mailed() if sent else None
    if how == "canceled":
        assert (await browser.delete(CANCEL)).json()["new_email"] is None
    elif how == "password changed":
        given = {"password": "a wholly different phrase", "current_password": CREDENTIALS["password"]}
        assert (await browser.patch(ME, json=given)).json()["new_email"] is None
    else:
        assert (await browser.patch(ME, json={**BODY, "email": "third@example.com"})).status_code == 200
    if sent:
        assert (await anonymous.post(CONFIRM, json={"token": token})).json()["code"] == "link_ended"
    else:
        assert await mailed() is None
    assert (await browser.get(ME)).json()["email"] == CREDENTIALS["email"]


async def test_an_address_that_another_account_took_meanwhile_is_refused(
    browser: Client, owner: Client, anonymous: Client, mailed: Callable[..., Any]
) -> None:
    await browser.patch(ME, json=BODY)
    token = await mailed()
    other = {"email": NEW, "password": CREDENTIALS["password"], "display_name": "Bo"}
    assert (await owner.post("/api/v1/accounts", json=other)).status_code == 201
    assert (await anonymous.post(CONFIRM, json={"token": token})).json()["code"] == "email_taken"
    assert (await browser.patch(ME, json=BODY)).json()["code"] == "email_taken", "nor can it be asked for"


async def test_asking_often_has_to_wait_and_changes_nothing(browser: Client, database: Database) -> None:
    answers = [await browser.patch(ME, json=BODY) for _ in range(SPENT_MAX["email"] + 1)]
    assert [answer.status_code for answer in answers] == [200] * SPENT_MAX["email"] + [429]
    more = [await browser.patch(ME, json={**BODY, "email": f"n{n}@example.com"}) for n in range(SPENT_MAX["account"])]
    assert more[-1].status_code == 429, "nor by naming ever other addresses"
    async with database.transaction() as tx:
        sent = text("SELECT count(*) FROM mails WHERE kind = 'email_confirm'")
        assert (await tx.execute(sent)).scalar_one() <= SPENT_MAX["account"]
