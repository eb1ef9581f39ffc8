"""Two-step sign-in: with the password alone nobody gets in, and each code works once."""

from base64 import b32decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.actions.sessions import CHALLENGE_SECONDS
from event_stream_engine.identity.actions.two_step import STEP_SECONDS
from event_stream_engine.identity.throttling import FREE
from tests.identity.test_accounts import ACCOUNTS, MEMBER, MEMBER_SIGNS_IN, REGISTER, facts
from tests.identity.test_session_families import audited
from tests.identity.test_sessions import CREDENTIALS, LOGIN, ME
from tests.web.client import Answer, Client
from tests.web.settings import PASSWORD

TWO_STEP, CODE = "/api/v1/auth/two-step", "/api/v1/auth/login/code"


@dataclass
class Phone:
    """An authenticator: a secret and a clock."""

    secret: str
    backup_codes: list[str] = field(default_factory=list)
    confirmed_with: str = ""

    def code(self, at: datetime | None = None) -> str:
        moment = int((at or clock.now()).timestamp())
        return TOTP(b32decode(self.secret), 6, SHA1(), STEP_SECONDS).generate(moment).decode()

    def wrong_code(self) -> str:
        near = {self.code(clock.now() + timedelta(seconds=STEP_SECONDS * off)) for off in (-1, 0, 1)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in near)


def the_next_step() -> Any:
    """Half a minute on: a code that has not been used."""
    return clock.frozen(clock.now() + timedelta(seconds=STEP_SECONDS))


async def turn_on(client: Client) -> Phone:
    begun = await client.post(f"{TWO_STEP}/begin", json={"password": PASSWORD})
    assert begun.status_code == 200, begun.text
    phone = Phone(begun.json()["secret"])
    phone.confirmed_with = phone.code()
    confirmed = await client.post(f"{TWO_STEP}/confirm", json={"code": phone.confirmed_with})
    assert confirmed.status_code == 200, confirmed.text
    phone.backup_codes = confirmed.json()["codes"]
    return phone


async def challenge(client: Client) -> str:
    answer = await client.post(LOGIN, json=CREDENTIALS)
    assert answer.status_code == 202, answer.text
    assert not answer.headers.getlist("set-cookie"), "no session yet"
    return str(answer.json()["challenge"])


async def second_step(client: Client, code: str) -> Answer:
    return await client.post(CODE, json={"challenge": await challenge(client), "code": code})


@pytest.fixture
async def phone(browser: Client) -> Phone:
    return await turn_on(browser)


async def test_the_password_alone_opens_nothing(phone: Phone, anonymous: Client) -> None:
    waiting = await challenge(anonymous)
    assert (await anonymous.get(ME)).status_code == 401
    assert (await anonymous.get(ME, headers={"authorization": f"Bearer {waiting}"})).status_code == 401
    entered = await anonymous.post(CODE, json={"challenge": waiting, "code": phone.backup_codes[0]})
    assert (entered.status_code, entered.json()["account"]["mfa_enabled"]) == (200, True)
    assert (await anonymous.get(ME)).status_code == 200


async def test_it_is_off_until_a_code_confirms_it(browser: Client, anonymous: Client) -> None:
    begun = await browser.post(f"{TWO_STEP}/begin", json={"password": PASSWORD})
    assert begun.json()["qr_svg"].startswith("<svg")
    assert "secret=" + begun.json()["secret"] in begun.json()["uri"]
    wrong = await browser.post(f"{TWO_STEP}/confirm", json={"code": Phone(begun.json()["secret"]).wrong_code()})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_code")
    assert (await anonymous.post(LOGIN, json=CREDENTIALS)).status_code == 200


async def test_turning_it_on_needs_the_password(browser: Client) -> None:
    refused = await browser.post(f"{TWO_STEP}/begin", json={"password": "wrong wrong wrong"})
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")


async def test_a_code_opens_once(phone: Phone, client_of: Callable[..., Client]) -> None:
    first, second = client_of(), client_of()
    used = await second_step(first, phone.confirmed_with)
    assert "used already" in used.json()["detail"], "the code that confirmed it is used up"
    with the_next_step():
        assert (await second_step(first, phone.code())).status_code == 200
        again = await second_step(second, phone.code())
        assert (again.status_code, again.json()["code"]) == (401, "wrong_code")


@pytest.mark.parametrize(("off", "status"), [(-2, 401), (1, 200), (2, 401)])
async def test_a_clock_may_be_one_step_off(phone: Phone, anonymous: Client, off: int, status: int) -> None:
    with clock.frozen(clock.now() + timedelta(minutes=5)):
        theirs = phone.code(clock.now() + timedelta(seconds=off * STEP_SECONDS))
        assert (await second_step(anonymous, theirs)).status_code == status


async def test_a_backup_code_opens_once_however_it_is_typed(phone: Phone, client_of: Callable[..., Client]) -> None:
    assert len(set(phone.backup_codes)) == 10
    typed = phone.backup_codes[0].lower().replace("-", " ")
    client = client_of()
    assert (await second_step(client, typed)).status_code == 200
    assert (await client.get(ME)).json()["backup_codes_left"] == 9
    assert (await second_step(client_of(), phone.backup_codes[0])).status_code == 401


async def test_new_backup_codes_end_the_old_ones(
    phone: Phone, browser: Client, client_of: Callable[..., Client]
) -> None:
    body = {"password": PASSWORD, "code": phone.backup_codes[0]}
    fresh = (await browser.post(f"{TWO_STEP}/backup-codes", json=body)).json()["codes"]
    assert (await second_step(client_of(), phone.backup_codes[1])).status_code == 401
    assert (await second_step(client_of(), fresh[0])).status_code == 200


async def test_a_challenge_ends_with_its_use_and_after_five_minutes(phone: Phone, anonymous: Client) -> None:
    late = await challenge(anonymous)
    with clock.frozen(clock.now() + timedelta(seconds=CHALLENGE_SECONDS)):
        refused = await anonymous.post(CODE, json={"challenge": late, "code": phone.code()})
        assert (refused.status_code, refused.json()["code"]) == (401, "challenge_ended")
    with the_next_step():
        waiting = await challenge(anonymous)
        body = {"challenge": waiting, "code": phone.backup_codes[0]}
        assert (await anonymous.post(CODE, json=body)).status_code == 200
        body["code"] = phone.backup_codes[1]
        assert (await anonymous.post(CODE, json=body)).json()["code"] == "challenge_ended"


async def test_guessing_codes_takes_long_even_with_a_new_challenge_each_time(phone: Phone, anonymous: Client) -> None:
    for _ in range(FREE["email"]):
        assert (await second_step(anonymous, phone.wrong_code())).status_code == 401
    with the_next_step():
        waits = await second_step(anonymous, phone.code())
    assert (waits.status_code, waits.json()["code"]) == (429, "too_many_sign_ins")


async def test_turning_it_off_needs_password_and_code(phone: Phone, browser: Client, anonymous: Client) -> None:
    off = f"{TWO_STEP}/off"
    with the_next_step():
        for body in (
            {"password": "wrong wrong wrong", "code": phone.code()},
            {"password": PASSWORD, "code": phone.wrong_code()},
        ):
            assert (await browser.post(off, json=body)).status_code == 401
        done = await browser.post(off, json={"password": PASSWORD, "code": phone.code()})
    assert (done.status_code, done.json()["mfa_enabled"]) == (200, False)
    assert (await anonymous.post(LOGIN, json=CREDENTIALS)).status_code == 200


async def test_an_admin_resets_anothers_and_an_operator_does_not(
    owner: Client, client_of: Callable[..., Client], database: Database
) -> None:
    member = str((await owner.post(REGISTER, json=MEMBER)).json()["id"])
    bo = client_of()
    await bo.post(LOGIN, json=MEMBER_SIGNS_IN)
    await turn_on(bo)
    me = (await owner.get(ME)).json()["id"]
    assert (await bo.post(f"{ACCOUNTS}/{me}/two-step/reset")).json()["code"] == "permission_missing"
    assert (await client_of().post(LOGIN, json=MEMBER_SIGNS_IN)).status_code == 202
    assert (await owner.post(f"{ACCOUNTS}/{member}/two-step/reset")).json()["mfa_enabled"] is False
    assert (await client_of().post(LOGIN, json=MEMBER_SIGNS_IN)).status_code == 200
    assert [name for name, _ in await audited(database, "account.two_step_on", "account.two_step_off")] == [
        "account.two_step_on",
        "account.two_step_off",
    ]


async def test_each_change_is_a_fact(phone: Phone, browser: Client, database: Database) -> None:
    with the_next_step():
        await browser.post(f"{TWO_STEP}/off", json={"password": PASSWORD, "code": phone.code()})
    told = [data for name, data in await facts(database) if name == "UserUpdated"]
    assert [(data["changed_fields"], data["mfa_enabled"]) for data in told] == [
        (["mfa_enabled"], True),
        (["mfa_enabled"], False),
    ]
    assert phone.secret not in str(told)


async def test_the_sign_in_page_asks_for_the_code(phone: Phone, anonymous: Client) -> None:
    first = await anonymous.post("/sign-in", data={**CREDENTIALS, "next": "/streams"})
    assert (first.status_code, first.headers["location"]) == (303, "/sign-in/code?next=%2Fstreams")
    assert "HttpOnly" in first.headers["set-cookie"]
    page = await anonymous.get("/sign-in/code", params={"next": "/streams"})
    assert 'autocomplete="one-time-code"' in page.text
    wrong = await anonymous.post("/sign-in/code", data={"code": phone.wrong_code(), "next": "/streams"})
    assert wrong.status_code == 401
    assert "The code is wrong" in wrong.text
    entered = await anonymous.post("/sign-in/code", data={"code": phone.backup_codes[0], "next": "/streams"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/streams")
    assert "ese_challenge" not in anonymous.cookies
    assert (await anonymous.get(ME)).status_code == 200


async def test_the_code_page_without_a_challenge_begins_again(phone: Phone, anonymous: Client) -> None:
    page = await anonymous.post("/sign-in/code", data={"code": phone.code()})
    assert page.status_code == 401
    assert 'action="/sign-in"' in page.text


async def test_an_idempotency_key_keeps_no_secret(browser: Client, database: Database) -> None:
    begin, password = f"{TWO_STEP}/begin", {"password": PASSWORD}
    begun, again = [await browser.post(begin, json=password, headers=once(browser, "begin")) for _ in range(2)]
    assert (begun.status_code, again.status_code, again.json()["code"]) == (200, 409, "answered_once")
    phone = Phone(begun.json()["secret"])
    body = {"code": phone.code()}
    done, again = [await browser.post(f"{TWO_STEP}/confirm", json=body, headers=once(browser, "ok")) for _ in range(2)]
    assert (done.status_code, again.status_code, again.json()["code"]) == (200, 409, "answered_once")
    async with database.transaction() as tx:
        kept = (await tx.execute(text("SELECT body FROM idempotency_keys"))).scalars().all()
    assert len(kept) == 2
    for secret in (phone.secret, *done.json()["codes"]):
        assert not any(secret.encode() in answer for answer in kept)


def once(client: Client, key: str) -> dict[str, str]:
    return {**client.headers, "idempotency-key": key}


async def test_neither_the_secret_nor_a_backup_code_is_stored_readable(
    phone: Phone, database: Database, app: FastAPI
) -> None:
    async with database.transaction() as tx:
        secret = (await tx.execute(text("SELECT secret FROM second_factors"))).scalar_one()
        codes = " ".join((await tx.execute(text("SELECT code_hash FROM backup_codes"))).scalars())
    assert phone.secret not in secret
    assert b32decode(phone.secret).hex() not in secret
    assert not any(code in codes or code.replace("-", "") in codes for code in phone.backup_codes)
