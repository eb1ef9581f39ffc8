"""Twilio's own Python library works against the sandbox; only the host name is redirected."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from event_stream_engine.entrypoints.sandbox.inbound import InboundRequest, receive_inbound
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, Receiver, StartSandbox, calm

T = TypeVar("T")
FROM, TO = "+14155550100", "+14155550101"
SERVICE = "MG" + "c3" * 16


class Redirected(TwilioHttpClient):
    """Sends what is meant for Twilio's host to the sandbox, and changes nothing else."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace("https://api.twilio.com", self._url), *args, **kwargs)


def client_of(sandbox: SandboxServer, sid: str = ACCOUNT_SID, secret: str = AUTH_TOKEN) -> Client:
    return Client(sid, secret, account_sid=ACCOUNT_SID, http_client=Redirected(sandbox.url))


async def call(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return await asyncio.to_thread(function, *args, **kwargs)


@pytest.fixture
async def sandbox(start_sandbox: StartSandbox) -> SandboxServer:
    return await start_sandbox(calm(status_delay_seconds=(600, 600)))


async def test_a_created_message_reads_as_twilios_own(sandbox: SandboxServer) -> None:
    message = await call(client_of(sandbox).messages.create, to=TO, from_=FROM, body="Hi €")
    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert (message.status, message.direction, message.num_segments) == ("queued", "outbound-api", "1")
    assert (message.to, message.from_, message.body) == (TO, FROM, "Hi €")
    assert abs(message.date_created - datetime.now(UTC)) < timedelta(minutes=1)
    assert (message.date_sent, message.error_code, message.price) == (None, None, None)


async def test_a_service_hides_its_sender_at_first_and_media_makes_an_mms(sandbox: SandboxServer) -> None:
    message = await call(
        client_of(sandbox).messages.create,
        to=TO,
        messaging_service_sid=SERVICE,
        media_url=["https://x/y.png"],
    )
    assert message.sid.startswith("MM")
    assert (message.status, message.from_, message.num_segments) == ("accepted", None, "0")
    assert (message.num_media, message.messaging_service_sid) == ("1", SERVICE)


async def test_what_a_person_wrote_is_listed_fetched_redacted_and_deleted(sandbox: SandboxServer) -> None:
    client = client_of(sandbox)
    await call(client.messages.create, to=TO, from_=FROM, body="Hi")
    sid = (await receive_inbound(sandbox.account, InboundRequest(from_=TO, to=FROM, body="Stop")))["sid"]
    listed = await call(client.messages.list, date_sent_after=datetime.now(UTC) - timedelta(minutes=5))
    assert [(m.sid, m.direction, m.status, m.from_, m.to, m.body) for m in listed] == [
        (sid, "inbound", "received", TO, FROM, "Stop")
    ], "the outbound one is not sent yet, and has no such date"
    assert listed[0].date_sent is not None
    assert [m.direction for m in await call(client.messages.list)] == ["inbound", "outbound-api"]
    assert [m.sid for m in await call(client.messages.list, to=FROM)] == [sid]
    assert await call(client.messages.list, date_sent_after=datetime.now(UTC) + timedelta(minutes=5)) == []
    assert (await call(client.messages(sid).fetch)).body == "Stop"
    await call(client.messages(sid).update, body="")
    assert (await call(client.messages(sid).fetch)).body == ""
    assert await call(client.messages(sid).delete)
    assert await call(client.messages.list, to=FROM) == []
    assert sandbox.account.ledger.accepted == 1, "the ledger judges what was sent, not what was received"


async def test_fetch_list_redact_and_delete(sandbox: SandboxServer) -> None:
    client = client_of(sandbox)
    created = await call(client.messages.create, to=TO, from_=FROM, body="secret")
    assert (await call(client.messages(created.sid).fetch)).body == "secret"
    await call(client.messages(created.sid).update, body="")
    assert (await call(client.messages(created.sid).fetch)).body == ""
    assert [m.sid for m in await call(client.messages.list, to=TO)] == [created.sid]
    assert await call(client.messages(created.sid).delete)
    assert await call(client.messages.list, to=TO) == []
    with pytest.raises(TwilioRestException) as gone:
        await call(client.messages(created.sid).fetch)
    assert (gone.value.status, gone.value.code) == (404, 20404)
    assert sandbox.account.ledger.accepted == 1


async def test_the_list_pages_newest_first_and_filters(sandbox: SandboxServer) -> None:
    client = client_of(sandbox)
    for number in range(7):
        await call(client.messages.create, to=TO, from_=FROM, body=str(number))
    await call(client.messages.create, to="+14155550102", from_="+14155550199", body="other")
    assert [m.body for m in await call(client.messages.list, to=TO, page_size=3)] == list("6543210")
    assert [m.body for m in await call(client.messages.list, from_="+14155550199")] == ["other"]
    assert len(await call(client.messages.list, limit=5)) == 5


async def test_a_date_filter_misses_what_is_still_queued(start_sandbox: StartSandbox) -> None:
    fast = await start_sandbox()
    client = client_of(fast)
    await call(client.messages.create, to=TO, from_=FROM, body="sent")
    assert await fast.account.activity.quiet(10)
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert len(await call(client.messages.list, to=TO, date_sent_after=now - hour)) == 1
    assert await call(client.messages.list, to=TO, date_sent_after=now + hour) == []
    assert len(await call(client.messages.list, to=TO, date_sent=now.date())) == 1
    assert await call(client.messages.list, to=TO, date_sent_before=now - hour) == []


async def test_a_queued_message_matches_no_date(sandbox: SandboxServer) -> None:
    client = client_of(sandbox)
    await call(client.messages.create, to=TO, from_=FROM, body="queued")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert await call(client.messages.list, to=TO, date_sent_after=yesterday) == []


async def test_a_scheduled_message_can_be_canceled_and_a_queued_one_not(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    client = client_of(sandbox)
    scheduled = await call(
        client.messages.create, to=TO, messaging_service_sid=SERVICE, body="later", schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1), status_callback=f"{receiver.url}/status",
    )  # fmt: skip
    assert scheduled.status == "scheduled"
    assert (await call(client.messages(scheduled.sid).update, status="canceled")).status == "canceled"
    (webhook,) = await receiver.wait_for(1)
    assert webhook.form["MessageStatus"] == "canceled"
    queued = await call(client.messages.create, to=TO, from_=FROM, body="now")
    with pytest.raises(TwilioRestException) as refused:
        await call(client.messages(queued.sid).update, status="canceled")
    assert refused.value.code == 30409


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"to": "", "from_": FROM, "body": "x"}, 21604),
        ({"to": TO, "body": "x"}, 21603),
        ({"to": TO, "from_": FROM}, 21602),
        ({"to": "0041", "from_": FROM, "body": "x"}, 21211),
        ({"to": "+15005550002", "from_": FROM, "body": "x"}, 21612),
        ({"to": "+15005550003", "from_": FROM, "body": "x"}, 21408),
        ({"to": TO, "from_": "+15005550001", "body": "x"}, 21212),
        ({"to": TO, "from_": "+15005550008", "body": "x"}, 21611),
        ({"to": f"whatsapp:{TO}", "from_": FROM, "body": "x"}, 21910),
        ({"to": TO, "messaging_service_sid": "MG1", "body": "x"}, 21705),
        ({"to": TO, "from_": FROM, "body": "x" * 1601}, 21617),
        ({"to": TO, "from_": FROM, "body": "x", "status_callback": "http://a_b.example/x"}, 21609),
        ({"to": TO, "from_": FROM, "body": "x", "status_callback": "ftp://example.org"}, 21609),
        ({"to": TO, "from_": FROM, "content_sid": "HX1"}, 21655),
        ({"to": TO, "from_": FROM, "content_sid": "HX" + "a" * 32, "content_variables": "[1]"}, 21656),
        ({"to": TO, "from_": FROM, "body": "x", "schedule_type": "fixed", "send_at": "x"}, 35118),
        ({"to": TO, "messaging_service_sid": SERVICE, "body": "x", "schedule_type": "fixed"}, 35111),
        (
            {"to": TO, "messaging_service_sid": SERVICE, "body": "x", "schedule_type": "fixed",
             "send_at": datetime.now(UTC)},
            35114,
        ),
    ],
)  # fmt: skip
async def test_a_bad_request_gets_twilios_code(sandbox: SandboxServer, given: dict[str, Any], code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await call(client_of(sandbox).messages.create, **given)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert sandbox.account.ledger.accepted == 0


async def test_only_listed_senders_exist_when_senders_are_listed(start_sandbox: StartSandbox) -> None:
    client = client_of(await start_sandbox(senders=frozenset({FROM})))
    assert (await call(client.messages.create, to=TO, from_=FROM, body="x")).status == "queued"
    for given, code in (
        ({"to": TO, "from_": "+14155550199"}, 21606),
        ({"to": f"whatsapp:{TO}", "from_": f"whatsapp:{FROM}"}, 63007),
    ):
        with pytest.raises(TwilioRestException) as refused:
            await call(client.messages.create, body="x", **given)
        assert refused.value.code == code


async def test_an_api_key_opens_the_account_and_a_wrong_secret_does_not(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(api_key_sid="SK" + "0" * 32, api_key_secret="s")
    key = client_of(sandbox, "SK" + "0" * 32, "s")
    assert (await call(key.messages.create, to=TO, from_=FROM, body="x")).status == "queued"
    with pytest.raises(TwilioRestException) as refused:
        await call(client_of(sandbox, secret="wrong").messages.create, to=TO, from_=FROM, body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)


async def test_callbacks_verify_with_twilios_validator(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox(calm(read=1))
    hook = f"{receiver.url}/status?message=7"
    message = await call(
        client_of(sandbox).messages.create, to=f"whatsapp:{TO}", from_=f"whatsapp:{FROM}", body="Hi",
        status_callback=hook,
    )  # fmt: skip
    webhooks = await receiver.wait_for(3)
    assert set(receiver.statuses(message.sid)) == {"sent", "delivered", "read"}
    for webhook in webhooks:
        signature = webhook.headers["x-twilio-signature"]
        assert RequestValidator(AUTH_TOKEN).validate(hook, webhook.form, signature)
        assert not RequestValidator("other").validate(hook, webhook.form, signature)
        assert webhook.form["AccountSid"] == ACCOUNT_SID
        assert webhook.form["ChannelPrefix"] == "whatsapp"
    (read,) = [w for w in webhooks if w.form["MessageStatus"] == "read"]
    assert read.form["EventType"] == "READ"


async def test_a_shared_key_signs_as_twilios_validator_expects(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox(webhook_secret="shared", webhook_inbound_url=f"{receiver.url}/inbound")
    await receive_inbound(sandbox.account, InboundRequest(from_=TO, to=FROM, body="Stop"))
    (webhook,) = await receiver.wait_for(1)
    algorithm = get_signature_algorithm(webhook.headers["x-twilio-webhooks-signature-settings"])
    signature = webhook.headers["x-twilio-signature"]
    assert RequestValidator("shared").validate(f"{receiver.url}/inbound", webhook.form, signature, algorithm)
    assert not RequestValidator(AUTH_TOKEN).validate(f"{receiver.url}/inbound", webhook.form, signature, algorithm)


async def test_an_api_key_opens_the_account(start_sandbox: StartSandbox, gateway_to: Callable[..., Any]) -> None:
    key = "SK" + "b2" * 16
    sandbox = await start_sandbox(api_key_sid=key, api_key_secret="key secret")
    assert await call(client_of(sandbox, key, "key secret").messages.list) == []
    gateway = gateway_to(sandbox.url, user=key, auth_token="key secret")
    now = datetime.now(UTC)
    assert await gateway.find(to=TO, sender=FROM, channel="sms", sent_after=now) == []
    with pytest.raises(TwilioRestException) as refused:
        await call(client_of(sandbox, key, "another").messages.create, to=TO, from_=FROM, body="x")
    assert refused.value.code == 20003
