"""Callbacks come as Twilio sends them, and go wrong exactly as configured."""

import asyncio
import socket

import pytest

from event_stream_engine.entrypoints.sandbox.callbacks import Overrides
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.messaging.gateway import Accepted, OutgoingMessage
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, Receiver, StartSandbox, calm

FROM, TO = "+14155550100", "+14155550101"


async def send(sandbox: SandboxServer, callback: str, to: str = TO, sender: str = FROM, channel: str = "sms") -> str:
    message = OutgoingMessage(to, sender, channel, body="Hi", status_callback=callback)  # type: ignore[arg-type]
    async with TwilioGateway(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, base_url=sandbox.url) as gateway:
        outcome = await gateway.send(message)
    assert isinstance(outcome, Accepted)
    return outcome.sid


async def test_the_first_status_is_not_called_back(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox()
    sid = await send(sandbox, receiver.url)
    assert await sandbox.account.activity.quiet(10)
    assert sorted(receiver.statuses(sid)) == ["delivered", "sent"]


async def test_a_service_also_reports_queued(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox()
    sid = await send(sandbox, receiver.url, sender="MG" + "0" * 32)
    assert await sandbox.account.activity.quiet(10)
    assert sorted(receiver.statuses(sid)) == ["delivered", "queued", "sent"]


@pytest.mark.parametrize(
    ("to", "channel", "statuses"),
    [
        ("+15005630003", "sms", ["sent", "undelivered"]),
        ("+15005663024", "whatsapp", ["failed"]),
        ("+15005630001", "sms", ["failed"]),
    ],
)
async def test_a_magic_number_fails_with_its_code(
    start_sandbox: StartSandbox, receiver: Receiver, to: str, channel: str, statuses: list[str]
) -> None:
    sandbox = await start_sandbox()
    sid = await send(sandbox, receiver.url, to=to, channel=channel)
    assert await sandbox.account.activity.quiet(10)
    assert sorted(receiver.statuses(sid)) == statuses
    (last,) = [w.form for w in receiver.received if w.form["MessageStatus"] == statuses[-1]]
    assert last["ErrorCode"] == to[-5:]
    assert "RawDlrDoneDate" in last or channel == "whatsapp" or statuses == ["failed"]


async def test_duplicated_callbacks_come_twice(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox(calm(duplicated=1))
    sid = await send(sandbox, receiver.url)
    assert await sandbox.account.activity.quiet(10)
    assert sorted(receiver.statuses(sid)) == ["delivered", "delivered", "sent", "sent"]


async def test_lost_callbacks_do_not_come_but_the_status_moves_on(
    start_sandbox: StartSandbox, receiver: Receiver
) -> None:
    sandbox = await start_sandbox(calm(lost=1))
    sid = await send(sandbox, receiver.url)
    assert await sandbox.account.activity.quiet(10)
    assert receiver.received == []
    message = sandbox.account.ledger.get(sid)
    assert message is not None
    assert message.status == "delivered"


async def test_a_reordered_message_is_delivered_before_it_was_sent(
    start_sandbox: StartSandbox, receiver: Receiver
) -> None:
    sandbox = await start_sandbox(calm(reordered=1))
    sid = await send(sandbox, receiver.url)
    assert await sandbox.account.activity.quiet(10)
    assert receiver.statuses(sid) == ["delivered", "sent"]


async def test_slow_callbacks_come_after_the_status_itself(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox(calm(slow=1, slow_seconds=60), clock_scale=100)
    sid = await send(sandbox, receiver.url)
    await receiver.wait_for(1)
    message = sandbox.account.ledger.get(sid)
    assert message is not None
    assert message.status == "delivered"
    assert await sandbox.account.activity.quiet(10)
    assert sorted(receiver.statuses(sid)) == ["delivered", "sent"]


async def test_an_early_callback_arrives_before_the_201(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox(calm(early=1, status_delay_seconds=(600, 600)))
    sid = await send(sandbox, receiver.url)
    assert receiver.statuses(sid) == ["sent"]


async def test_a_server_error_loses_the_callback_unless_the_url_asks_for_more(
    start_sandbox: StartSandbox, receiver: Receiver
) -> None:
    sandbox = await start_sandbox(calm(lost=0))
    receiver.answers = [500, 500]
    await send(sandbox, receiver.url)
    assert await sandbox.account.activity.quiet(10)
    assert len(receiver.received) == 2
    assert sandbox.account.dispatcher.counts["undelivered"] == 2


async def test_overrides_retry_with_one_idempotency_token(start_sandbox: StartSandbox, receiver: Receiver) -> None:
    sandbox = await start_sandbox()
    receiver.answers = [503, 404, 0]
    sid = await send(sandbox, f"{receiver.url}/hook#rc=5&rp=all", to="+15005630001")
    assert await sandbox.account.activity.quiet(10)
    assert receiver.statuses(sid) == ["failed"] * 4
    assert len({w.headers["i-twilio-idempotency-token"] for w in receiver.received}) == 1
    assert {w.path for w in receiver.received} == {"/hook"}


async def test_by_default_only_a_failed_connection_is_retried_once(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    await send(sandbox, f"http://127.0.0.1:{port}/", to="+15005630001")
    assert await sandbox.account.activity.quiet(10)
    counts = sandbox.account.dispatcher.counts
    assert (counts["retried"], counts["undelivered"], counts["delivered"]) == (1, 1, 0)


async def test_a_read_timeout_of_the_url_holds(start_sandbox: StartSandbox) -> None:
    release = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sandbox = await start_sandbox()
    await send(sandbox, f"http://127.0.0.1:{port}/#rt=100", to="+15005630001")
    assert await sandbox.account.activity.quiet(10)
    release.set()
    server.close()
    assert sandbox.account.dispatcher.counts["undelivered"] == 1


def test_overrides_are_held_within_twilios_bounds() -> None:
    assert Overrides.parse("") == Overrides(1, frozenset({"ct"}), 5000, 15_000)
    assert Overrides.parse("rc=9&rp=4xx,odd&ct=1&rt=99999") == Overrides(5, frozenset({"4xx"}), 100, 15_000)
    assert Overrides.parse("rc=x&rp=all").retries == 1
