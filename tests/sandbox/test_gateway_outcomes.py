"""Every way a send can end is told apart on a real socket: what may be repeated, and what may not."""

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from event_stream_engine.messaging.gateway import (
    Accepted,
    GatewayUnavailable,
    NotSent,
    OutgoingMessage,
    Rejected,
    Throttled,
    Unknown,
)
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.sandbox.conftest import StartSandbox, calm

Connect = Callable[..., TwilioGateway]
SENDER = "+14155550100"
SHORT = timedelta(milliseconds=300)


def sms(to: str = "+14155550101", body: str | None = "Hello", sender: str = SENDER) -> OutgoingMessage:
    return OutgoingMessage(to=to, sender=sender, channel="sms", body=body)


async def test_an_accepted_message_has_its_sid_status_and_segments(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    outcome = await gateway_to(sandbox.url).send(sms(body="ж" * 71 + " & more = 100 % + ü"))
    assert isinstance(outcome, Accepted)
    assert (outcome.sid[:2], outcome.status, outcome.segments) == ("SM", "queued", 2)
    message = sandbox.account.ledger.get(outcome.sid)
    assert message is not None
    assert message.body == "ж" * 71 + " & more = 100 % + ü"


async def test_a_messaging_service_accepts_before_it_knows_the_segments(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    outcome = await gateway_to(sandbox.url).send(sms(sender="MG" + "0" * 32))
    assert isinstance(outcome, Accepted)
    assert (outcome.status, outcome.segments) == ("accepted", None)


async def test_a_whatsapp_template_goes_out_with_its_variables(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    outcome = await gateway_to(sandbox.url).send(
        OutgoingMessage(
            to="+14155550101",
            sender=SENDER,
            channel="whatsapp",
            content_sid="HX" + "a" * 32,
            content_variables='{"1":"Ana & Co"}',
        )
    )
    assert isinstance(outcome, Accepted)
    message = sandbox.account.ledger.get(outcome.sid)
    assert message is not None
    assert (message.to, message.from_) == ("whatsapp:+14155550101", f"whatsapp:{SENDER}")
    assert message.body.endswith('{"1":"Ana & Co"}')


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (sms(to="+15005550001"), 21211),
        (sms(to="12345"), 21211),
        (sms(to="+15005550009"), 21614),
        (sms(to="+15005550004"), 21610),
        (sms(body="x" * 1601), 21617),
        (sms(body=""), 21602),
        (sms(body=None), 21602),
        (sms(sender="+15005550007"), 21606),
    ],
)
async def test_a_refusal_carries_twilios_code(
    start_sandbox: StartSandbox, gateway_to: Connect, message: OutgoingMessage, code: int
) -> None:
    sandbox = await start_sandbox()
    outcome = await gateway_to(sandbox.url).send(message)
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.http_status) == (code, 400)
    assert sandbox.account.ledger.accepted == 0


async def test_wrong_credentials_are_a_refusal(start_sandbox: StartSandbox, gateway_to: Connect) -> None:
    sandbox = await start_sandbox()
    outcome = await gateway_to(sandbox.url, auth_token="wrong").send(sms())
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.http_status) == (20003, 401)


async def test_429_is_throttled_and_was_not_accepted(start_sandbox: StartSandbox, gateway_to: Connect) -> None:
    sandbox = await start_sandbox(calm(throttled=1))
    outcome = await gateway_to(sandbox.url).send(sms())
    assert outcome == Throttled(1.0)
    assert sandbox.account.ledger.accepted == 0


async def test_above_the_concurrency_cap_requests_are_throttled(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(concurrency_cap=2, latency_ms=(200, 200)))
    gateway = gateway_to(sandbox.url)
    outcomes = await asyncio.gather(*[gateway.send(sms(to=f"+1415555{i:04d}")) for i in range(10)])
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(Accepted) >= 2
    assert kinds.count(Throttled) == 10 - kinds.count(Accepted) > 0
    assert sandbox.account.ledger.accepted == kinds.count(Accepted)


@pytest.mark.parametrize(
    ("fault", "accepted"), [("error_before", 0), ("error_after", 1), ("dropped", 1), ("hanging", 1)]
)
async def test_whatever_leaves_the_fate_open_is_unknown(
    start_sandbox: StartSandbox, gateway_to: Connect, fault: str, accepted: int
) -> None:
    sandbox = await start_sandbox(calm(**{fault: 1}, hanging_seconds=2))
    outcome = await gateway_to(sandbox.url, total_timeout=SHORT).send(sms())
    assert isinstance(outcome, Unknown), outcome
    assert sandbox.account.ledger.accepted == accepted


async def test_after_a_fault_the_next_try_draws_anew(start_sandbox: StartSandbox, gateway_to: Connect) -> None:
    sandbox = await start_sandbox(calm(throttled=0.5))
    gateway = gateway_to(sandbox.url)
    tries = 0
    for number in range(20):
        while not isinstance(await gateway.send(sms(to=f"+1415555{number:04d}")), Accepted):
            tries += 1
            assert tries < 200
    assert tries > 0
    assert sandbox.account.ledger.accepted == 20


async def test_a_refused_connection_and_a_missing_name_are_not_sent(gateway_to: Connect) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert isinstance(await gateway_to(f"http://127.0.0.1:{port}").send(sms()), NotSent)
    assert isinstance(await gateway_to("http://name.invalid").send(sms()), NotSent)


async def test_a_connect_timeout_is_not_sent(gateway_to: Connect) -> None:
    """A full backlog answers no SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        outcome = await gateway_to(f"http://127.0.0.1:{address[1]}", connect_timeout=SHORT).send(sms())
        for filler in fillers:
            filler.close()
    assert isinstance(outcome, NotSent), outcome


async def test_waiting_in_vain_for_a_connection_is_not_sent(start_sandbox: StartSandbox, gateway_to: Connect) -> None:
    sandbox = await start_sandbox(calm(latency_ms=(2000, 2000)))
    gateway = gateway_to(sandbox.url, connections=1, connect_timeout=SHORT)
    outcomes = await asyncio.gather(gateway.send(sms(to="+14155550101")), gateway.send(sms(to="+14155550102")))
    assert {type(outcome) for outcome in outcomes} == {Accepted, NotSent}
    assert sandbox.account.ledger.accepted == 1


@pytest.mark.parametrize("ending", ["reset", "close", "half_a_head", "silence", "half_a_body"])
async def test_once_the_request_was_read_no_ending_counts_as_not_sent(gateway_to: Connect, ending: str) -> None:
    release = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if ending == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if ending == "half_a_head":
            writer.write(b"HTTP/1.1 201 Cre")
        if ending == "half_a_body":
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{")
        if ending == "silence":
            await release.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await gateway_to(f"http://127.0.0.1:{port}", total_timeout=SHORT, connect_timeout=SHORT).send(sms())
    release.set()
    server.close()
    assert isinstance(outcome, Unknown), outcome


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\n???", Unknown),
        (b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n", Unknown),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno", Unknown),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", Rejected),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", Rejected),
        (b"HTTP/1.1 429 Slow\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", Throttled),
    ],
)
async def test_answers_that_are_not_twilios_are_judged_by_what_they_prove(
    gateway_to: Connect, reply: bytes, expected: type
) -> None:
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    outcome = await gateway_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}").send(sms())
    server.close()
    assert isinstance(outcome, expected), outcome
    assert requests == 1


async def test_find_sees_a_message_whose_reply_was_lost_even_before_it_was_sent(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(dropped=1, status_delay_seconds=(600, 600)))
    gateway = gateway_to(sandbox.url)
    began = datetime.now(UTC)
    assert isinstance(await gateway.send(sms(body="Only once")), Unknown)
    (found,) = await gateway.find(to="+14155550101", sender=SENDER, channel="sms", sent_after=began)
    assert (found.body, found.status, found.from_, found.to) == (
        "Only once",
        "queued",
        SENDER,
        "+14155550101",
    )
    assert await gateway.fetch(found.sid) == found


async def test_find_is_bound_to_recipient_sender_channel_and_time(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    service = "MG" + "b" * 32
    began = datetime.now(UTC)
    for message in (sms(), sms(to="+14155550102"), sms(sender="+14155550199"), sms(sender=service)):
        assert isinstance(await gateway.send(message), Accepted)

    async def count(sender: str, sent_after: datetime) -> int:
        return len(await gateway.find(to="+14155550101", sender=sender, channel="sms", sent_after=sent_after))

    assert await count(SENDER, began) == 1
    assert await count(service, began) == 1
    assert await count(SENDER, began + timedelta(seconds=5)) == 0
    found = await gateway.find(to="+14155550101", sender=SENDER, channel="whatsapp", sent_after=began)
    assert found == []


async def test_find_reads_on_over_pages(start_sandbox: StartSandbox, gateway_to: Connect) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    began = datetime.now(UTC)
    for number in range(130):
        await gateway.send(sms(body=f"number {number}"))
    found = await gateway.find(to="+14155550101", sender=SENDER, channel="sms", sent_after=began)
    assert {message.body for message in found} == {f"number {n}" for n in range(130)}
    assert len(found) == 130


async def test_an_unanswered_question_is_an_error_and_not_an_empty_answer(
    start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    assert await gateway_to(sandbox.url).fetch("SM" + "0" * 32) is None
    wrong = gateway_to(sandbox.url, auth_token="wrong")
    nobody = gateway_to("http://127.0.0.1:1")
    for gateway in (wrong, nobody):
        with pytest.raises(GatewayUnavailable):
            await gateway.find(to="+14155550101", sender=SENDER, channel="sms", sent_after=datetime.now(UTC))
        with pytest.raises(GatewayUnavailable):
            await gateway.fetch("SM" + "0" * 32)
