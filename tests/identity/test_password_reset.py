"""A forgotten password: asking tells nothing, the link works once and soon, and nobody stays signed in."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.doctor import Verdict, examine
from event_stream_engine.identity.actions.mails import ATTEMPTS_MAX, RESET_LIFETIME
from event_stream_engine.identity.letters import Letter
from event_stream_engine.identity.smtp import BREAKER, MailRefused, Server
from event_stream_engine.resilience import Breaker
from event_stream_engine.settings import Settings
from tests.identity.conftest import send_mails
from tests.identity.mail_server import PASSWORD as SMTP_PASSWORD
from tests.identity.mail_server import USER, MailServer, serving
from tests.identity.test_session_families import audited
from tests.identity.test_sessions import CREDENTIALS, LOGIN, ME, REFRESH
from tests.web.client import Client
from tests.web.settings import settings_for

ASK, CONFIRM = "/api/v1/auth/password-reset", "/api/v1/auth/password-reset/confirm"
NEW = "a wholly different phrase"


@pytest.fixture
def settings(with_mail: Settings) -> Settings:
    return with_mail


async def mailed_token(mail_server: MailServer, database: Database, settings: Settings) -> str:
    await send_mails(database, settings, Breaker(BREAKER))
    found = re.search(r"/reset-password/link\?token=(\S+)", mail_server.mails[-1].get_content())  # type: ignore[attr-defined]
    assert found
    return found.group(1)


async def test_a_mailed_link_sets_a_new_password_and_ends_every_session(
    browser: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    assert (await anonymous.post(ASK, json={"email": " ANA@example.com "})).status_code == 202
    assert mail_server.mails == [], "nothing is sent inside the request"
    token = await mailed_token(mail_server, database, settings)
    mail = mail_server.mails[0]
    assert (mail["To"], mail["From"]) == ("ana@example.com", "ese@example.org")
    done = await anonymous.post(CONFIRM, json={"token": token, "password": NEW})
    assert done.status_code == 204, done.text
    assert (await browser.get(ME)).status_code == 401
    assert (await browser.post(REFRESH)).status_code == 401
    assert (await anonymous.post(LOGIN, json=CREDENTIALS)).status_code == 401
    assert (await anonymous.post(LOGIN, json={**CREDENTIALS, "password": NEW})).status_code == 200
    again = await anonymous.post(CONFIRM, json={"token": token, "password": NEW})
    assert (again.status_code, again.json()["code"]) == (409, "link_ended")
    assert len(await audited(database, "account.reset_password")) == 1
    await send_mails(database, settings, Breaker(BREAKER))
    assert "password was changed" in mail_server.mails[-1]["Subject"]


async def test_asking_for_nobody_answers_the_same_and_sends_nothing(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    known = await anonymous.post(ASK, json={"email": "ana@example.com"})
    unknown = await anonymous.post(ASK, json={"email": "nobody@example.com"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    pages = [
        (await anonymous.post("/reset-password", data={"email": email})).text.replace(email, "")
        for email in ("ana@example.com", "nobody@example.com")
    ]
    assert pages[0] == pages[1]
    await send_mails(database, settings, Breaker(BREAKER))
    assert {mail["To"] for mail in mail_server.mails} == {"ana@example.com"}


async def test_the_link_ends_after_half_an_hour(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    token = await mailed_token(mail_server, database, settings)
    with clock.frozen(clock.now() + RESET_LIFETIME):
        late = await anonymous.post(CONFIRM, json={"token": token, "password": NEW})
    assert late.json()["code"] == "link_ended"


async def test_a_weak_password_does_not_use_the_link_up(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    token = await mailed_token(mail_server, database, settings)
    page = await anonymous.post("/reset-password/link", data={"token": token, "password": "passwordpassword"})
    assert (page.status_code, "soon guessed" in page.text) == (422, True)
    done = await anonymous.post("/reset-password/link", data={"token": token, "password": NEW})
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in?changed=true")


async def test_a_changed_password_ends_links_that_are_on_their_way(
    browser: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    token = await mailed_token(mail_server, database, settings)
    body = {"password": NEW, "current_password": CREDENTIALS["password"]}
    assert (await browser.patch(ME, json=body)).status_code == 200
    assert (await anonymous.post(CONFIRM, json={"token": token, "password": NEW * 2})).json()["code"] == "link_ended"


async def test_a_link_asked_for_before_a_change_is_not_sent_after_it(
    browser: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    body = {"password": NEW, "current_password": CREDENTIALS["password"]}
    assert (await browser.patch(ME, json=body)).status_code == 200
    await send_mails(database, settings, Breaker(BREAKER))
    assert ["password was changed" in mail["Subject"] for mail in mail_server.mails] == [True], "only the notice"


async def test_the_doctor_says_whether_mail_can_be_sent(
    settings: Settings, mail_server: MailServer, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    silent = settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL="smtp://127.0.0.1:1")
    wrong = settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL="mail.example.com")
    without = settings_for(database_url, redis_url, tmp_path)
    verdicts = [
        next(found.verdict for found in await examine(given) if found.subject == "email")
        for given in (settings, silent, wrong, without)
    ]
    assert verdicts == [Verdict.GOOD, Verdict.MISSING, Verdict.MISSING, Verdict.NOTE]
    assert mail_server.mails == []


async def test_asking_often_has_to_wait(owner: Client, anonymous: Client) -> None:
    statuses = [(await anonymous.post(ASK, json={"email": "ana@example.com"})).status_code for _ in range(4)]
    assert statuses == [202, 202, 202, 429]
    assert (await anonymous.post(ASK, json={"email": "bo@example.com"})).status_code == 202


async def test_a_mail_that_fails_is_tried_again_and_in_the_end_given_up(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    mail_server.answer = "450 later"
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    await send_mails(database, settings, Breaker(BREAKER))
    await send_mails(database, settings, Breaker(BREAKER))
    assert await outcomes(database) == [(None, 1)], "not again before the pause is over"
    mail_server.answer = "250 OK"
    with clock.frozen(clock.now() + timedelta(seconds=11)):
        await send_mails(database, settings, Breaker(BREAKER))
    assert await outcomes(database) == [("sent", 2)]


async def test_a_mail_is_given_up_after_its_last_attempt(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    mail_server.answer = "450 later"
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    async with database.transaction() as tx:
        last = text("UPDATE mails SET attempts = :last, due_at = now() - interval '1 second'")
        await tx.execute(last, {"last": ATTEMPTS_MAX})
    await send_mails(database, settings, Breaker(BREAKER))
    assert await outcomes(database) == [("given_up", ATTEMPTS_MAX)]


async def test_a_refused_recipient_is_not_tried_again(
    owner: Client, anonymous: Client, mail_server: MailServer, database: Database, settings: Settings
) -> None:
    mail_server.answer = "550 no such mailbox"
    await anonymous.post(ASK, json={"email": "ana@example.com"})
    await send_mails(database, settings, Breaker(BREAKER))
    assert await outcomes(database) == [("refused", 1)]


async def outcomes(database: Database) -> list[tuple[str | None, int]]:
    async with database.transaction() as tx:
        return [(row[0], row[1]) for row in await tx.execute(text("SELECT outcome, attempts FROM mails"))]


class TestWithoutMail:
    """No ESE_SMTP_URL."""

    @pytest.fixture
    def settings(self, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
        return settings_for(database_url, redis_url, tmp_path)

    async def test_the_page_says_what_to_do(self, anonymous: Client) -> None:
        assert "ese sign-in --email" in (await anonymous.get("/reset-password")).text
        refused = await anonymous.post(ASK, json={"email": "ana@example.com"})
        assert (refused.status_code, refused.json()["code"]) == (409, "mail_not_configured")
        assert "ese sign-in --email" in refused.json()["detail"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_mail_goes_over_tls_with_a_certificate_that_is_checked(
    scheme: str, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with serving(starttls=scheme == "smtp", tls=scheme == "smtps") as (server, authority):
        (tmp_path / "ca.pem").write_bytes(authority)
        where = f"{scheme}://{USER}:{quote(SMTP_PASSWORD)}@localhost:{server.port}"
        trusting = settings_for(
            database_url, redis_url, tmp_path, ESE_SMTP_URL=where, ESE_SMTP_CA_FILE=str(tmp_path / "ca.pem")
        )
        await Server.of(trusting).send("ana@example.com", Letter("Hello", "Olá"), "1")
        assert server.mails[0].get_content().strip() == "Olá"
        wary = settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL=where)
        with pytest.raises(MailRefused, match="CERTIFICATE_VERIFY_FAILED"):
            await Server.of(wary).send("ana@example.com", Letter("Hello", "Olá"), "2")
        assert len(server.mails) == 1


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path, database_url: str, redis_url: str) -> None:
    async with serving(tls=True, name="mail.example.org") as (server, authority):
        (tmp_path / "ca.pem").write_bytes(authority)
        given = {"ESE_SMTP_URL": f"smtps://localhost:{server.port}", "ESE_SMTP_CA_FILE": str(tmp_path / "ca.pem")}
        with pytest.raises(MailRefused, match="Hostname mismatch"):
            await Server.of(settings_for(database_url, redis_url, tmp_path, **given)).reach()


async def test_a_server_without_starttls_gets_nothing(
    mail_server: MailServer, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    where = f"smtp://localhost:{mail_server.port}"
    server = Server.of(settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL=where))
    with pytest.raises(MailRefused, match="STARTTLS"):
        await server.send("ana@example.com", Letter("Hello", "secret"), "1")
    assert mail_server.mails == []


SOON_GUESSED = ("short", "passwordpassword", "qwertyuiop12", "123456789012", "ana@example.com2", "aaaaaaaaaaaaaaaaaa")


async def test_a_password_that_is_soon_guessed_is_refused(browser: Client, subtests: pytest.Subtests) -> None:
    for weak in SOON_GUESSED:
        with subtests.test(weak=weak):
            refused = await browser.patch(ME, json={"password": weak, "current_password": CREDENTIALS["password"]})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "password")


async def test_guessing_the_current_password_takes_long(browser: Client, client_of: Callable[..., Client]) -> None:
    body = {"password": NEW, "current_password": "wrong wrong wrong"}
    statuses = [(await browser.patch(ME, json=body)).status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    assert (await client_of().post(LOGIN, json=CREDENTIALS)).status_code == 200, "signing in is counted apart"
