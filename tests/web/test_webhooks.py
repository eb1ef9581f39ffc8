"""Twilio's requests: only Twilio's own count, once each, and a STOP is in force before the answer."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.messaging.routes.webhooks import BODY_MAX
from event_stream_engine.messaging.twilio.signature import SHA256, sign
from event_stream_engine.settings import Settings
from tests.sandbox.conftest import AUTH_TOKEN
from tests.web.client import ORIGIN, Answer, Client
from tests.web.conftest import add_contact
from tests.web.settings import settings_for

STATUS, INBOUND = "/webhooks/twilio/status", "/webhooks/twilio/inbound"
SID = "SM" + "5" * 32
PHONE = "+14152340000"


def receipt(status: str = "delivered", **given: str) -> dict[str, str]:
    return {"MessageSid": SID, "MessageStatus": status, "From": "+14155550100", "To": PHONE, **given}


def written(body: str, sid: str = SID) -> dict[str, str]:
    return {"MessageSid": sid, "From": PHONE, "To": "+14155550100", "Body": body, "NumMedia": "0"}


async def call(client: Client, path: str, form: dict[str, str], *, token: str = AUTH_TOKEN, **headers: str) -> Answer:
    signature = sign(token, ORIGIN + path, list(form.items()))
    given = {"x-twilio-signature": signature, **headers}
    return await client.post(path, data=form, headers=given)


async def recorded(database: Database, type_: str) -> int:
    async with database.transaction() as tx:
        query = text("SELECT count(*) FROM outbox WHERE type = :type")
        return int((await tx.execute(query, {"type": type_})).scalar_one())


async def test_a_signed_receipt_is_kept_even_for_a_message_we_do_not_know(
    anonymous: Client, database: Database
) -> None:
    """It may be early: our own record of the send comes later."""
    assert (await call(anonymous, STATUS, receipt())).status_code == 204
    assert await recorded(database, "StatusCallbackReceived") == 1


async def test_a_forged_request_changes_nothing(
    anonymous: Client, database: Database, subtests: pytest.Subtests
) -> None:
    for path, form in ((STATUS, receipt()), (INBOUND, written("STOP"))):
        forgeries = {
            "none": "",
            "another token": sign("wrong", ORIGIN + path, list(form.items())),
            "another form": sign(AUTH_TOKEN, ORIGIN + path, [("MessageSid", "SM")]),
            "another address": sign(AUTH_TOKEN, "https://evil.example" + path, list(form.items())),
            "garbage": "\xff\xfe not base64",
        }
        for forgery, signature in forgeries.items():
            with subtests.test(path=path, forgery=forgery):
                answer = await anonymous.post(path, data=form, headers=signed(signature))
                assert (answer.status_code, answer.json()["code"]) == (403, "forged_signature")
    assert await recorded(database, "StatusCallbackReceived") + await recorded(database, "InboundReceived") == 0


def signed(signature: str) -> dict[str, str]:
    return {"x-twilio-signature": signature.encode("latin-1", "ignore").decode("latin-1")} if signature else {}


async def test_the_message_id_in_the_address_is_covered_by_the_signature(anonymous: Client, database: Database) -> None:
    form = receipt()
    signature = sign(AUTH_TOKEN, f"{ORIGIN}{STATUS}?m=one", list(form.items()))
    moved = await anonymous.post(f"{STATUS}?m=two", data=form, headers={"x-twilio-signature": signature})
    assert moved.status_code == 403


async def test_a_stop_is_in_force_when_it_is_answered(owner: Client, anonymous: Client) -> None:
    contact = await add_contact(owner, consent="opted_in")
    answer = await call(anonymous, INBOUND, written("stop"))
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert (await owner.get(f"/api/v1/contacts/{contact['id']}")).json()["consent"] == "stopped"


async def test_a_replayed_message_changes_nothing(owner: Client, anonymous: Client, database: Database) -> None:
    contact = await add_contact(owner, consent="opted_in")
    await call(anonymous, INBOUND, written("STOP"))
    await call(anonymous, INBOUND, written("START", sid="SM" + "6" * 32))
    assert (await call(anonymous, INBOUND, written("STOP"))).status_code == 200
    assert (await owner.get(f"/api/v1/contacts/{contact['id']}")).json()["consent"] == "opted_in"
    assert await recorded(database, "InboundReceived") == 2


@pytest.mark.parametrize("path", [STATUS, INBOUND])
async def test_a_body_over_the_bound_is_refused_before_it_is_read_whole(anonymous: Client, path: str) -> None:
    answer = await call(anonymous, path, {"Body": "x" * BODY_MAX})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"no equals sign", b"a=1&&b", urlencode({f"f{n}": "1" for n in range(300)}).encode()]
)
async def test_what_is_no_form_is_refused(anonymous: Client, content: bytes) -> None:
    answer = await anonymous.post(STATUS, content=content, headers={"x-twilio-signature": "x"})
    assert answer.status_code in (400, 403), answer.text


@pytest.mark.parametrize("form", [{}, {"MessageSid": SID}, {"MessageStatus": "sent"}])
async def test_a_signed_form_without_its_fields_is_refused(
    anonymous: Client, database: Database, form: dict[str, str]
) -> None:
    answer = await call(anonymous, STATUS, form)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await recorded(database, "StatusCallbackReceived") == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"ErrorCode": "99999999999999999999"}, {"ErrorCode": "abc"}, {"MessageStatus": "x\x00y"}, {"To": "\x00"},
        {"MessageSid": "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace")}, {"Extra": "\x00"},
    ],
)  # fmt: skip
async def test_odd_values_in_a_signed_receipt_never_break_the_server(anonymous: Client, odd: dict[str, str]) -> None:
    assert (await call(anonymous, STATUS, receipt(**odd))).status_code in (204, 400)


async def test_odd_values_in_a_signed_message_never_break_the_server(anonymous: Client) -> None:
    odd: list[dict[str, Any]] = [
        {"Body": "a\x00b"}, {"From": "\x00"}, {"From": ""}, {"NumMedia": "99999999999"}, {"Body": "x" * 2000},
        {"Extra": "\x00"}, {"MessageSid": "\x00"}, {"To": "a\x00b"},
    ]  # fmt: skip
    for number, given in enumerate(odd):
        answer = await call(anonymous, INBOUND, {**written("hi", sid=f"SM{number:032d}"), **given})
        assert answer.status_code in (200, 400), (given, answer.status_code, answer.text)


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """A Webhooks Rule names a SharedKey; a second secret is of its rotation."""
    return settings_for(database_url, redis_url, tmp_path, TWILIO_WEBHOOK_SECRET="old, shared")


@pytest.mark.parametrize(
    ("secret", "algorithm", "status"),
    [
        ("shared", "HMAC_SHA256", 204),
        ("old", "HMAC_SHA256", 204),
        ("wrong", "HMAC_SHA256", 403),
        ("shared", "HMAC_MD5", 403),
    ],
)
async def test_a_shared_keys_signature_counts(anonymous: Client, secret: str, algorithm: str, status: int) -> None:
    form = receipt()
    signature = sign(secret, ORIGIN + STATUS, list(form.items()), SHA256)
    headers = {
        "x-twilio-signature": signature,
        "x-twilio-webhooks-signature-settings": f"key=webhooks_sharedkey_1,algorithm={algorithm}",
    }
    assert (await anonymous.post(STATUS, data=form, headers=headers)).status_code == status


async def test_a_shared_key_signs_nothing_without_its_header(anonymous: Client) -> None:
    form = receipt()
    signature = sign("shared", ORIGIN + STATUS, list(form.items()))
    answer = await anonymous.post(STATUS, data=form, headers={"x-twilio-signature": signature})
    assert answer.status_code == 403
