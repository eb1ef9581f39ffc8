"""What else the sandbox plays: fates by seed, queues, opt-outs, windows, ledger, restarts."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyreqwest.client import Client, ClientBuilder

from event_stream_engine.entrypoints.sandbox.config import config_from
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.gateway import Accepted, OutgoingMessage, Rejected, SendOutcome
from event_stream_engine.messaging.twilio.client import TwilioGateway
from event_stream_engine.messaging.twilio.signature import verify
from event_stream_engine.messaging.twilio.webhooks import parse_inbound
from event_stream_engine.settings import load_settings
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, Receiver, StartSandbox, calm

FROM, TO = "+14155550100", "+14155550101"
SERVICE = "MG" + "d4" * 16


@pytest.fixture
async def http() -> AsyncIterator[Client]:
    async with ClientBuilder().no_proxy().timeout(timedelta(seconds=20)).build() as client:
        yield client


async def send_all(sandbox: SandboxServer, messages: list[OutgoingMessage]) -> list[SendOutcome]:
    async with TwilioGateway(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, base_url=sandbox.url) as gateway:
        return list(await asyncio.gather(*[gateway.send(message) for message in messages]))


async def send(sandbox: SandboxServer, **changes: Any) -> SendOutcome:
    given = {"to": TO, "sender": FROM, "channel": "sms", "body": "Hi", **changes}
    return (await send_all(sandbox, [OutgoingMessage(**given)]))[0]


async def ask(http: Client, url: str) -> Any:
    response = await http.get(url).build().send()
    assert response.status == 200, await response.text()
    return await response.json()


async def inbound(http: Client, sandbox: SandboxServer, body: dict[str, Any]) -> Any:
    response = await http.post(f"{sandbox.url}/sandbox/inbound").body_json(body).build().send()
    assert response.status == 202, await response.text()
    return await response.json()


async def test_the_same_seed_gives_the_same_fates_in_any_order(start_sandbox: StartSandbox) -> None:
    """Replies, failures and statuses agree between two runs; another seed gives others."""
    mess = calm(throttled=0.1, error_before=0.1, error_after=0.1, dropped=0.1, failed=0.3, concurrency_cap=1000)
    messages = [OutgoingMessage(f"+1415555{i:04d}", FROM, "sms", body="Hi") for i in range(150)]

    async def run(seed: int, order: int) -> dict[str, tuple[str, str | None, int | None]]:
        sandbox = await start_sandbox(mess, seed=seed)
        shuffled = random.Random(order).sample(messages, len(messages))
        outcomes = await send_all(sandbox, shuffled)
        assert await sandbox.account.activity.quiet(20)
        final = {m.to: (m.status, m.error_code) for m in sandbox.account.ledger.newest_first(None)}
        return {
            message.to: (type(outcome).__name__, *final.get(message.to, (None, None)))
            for message, outcome in zip(shuffled, outcomes, strict=True)
        }

    first, second, other = await run(1, 1), await run(1, 2), await run(2, 1)
    assert first == second
    assert first != other
    assert {name for name, _, _ in first.values()} == {"Accepted", "Throttled", "Unknown"}
    assert {status for _, status, _ in first.values()} == {None, "delivered", "undelivered"}


async def test_a_senders_queue_delays_by_its_rate_on_the_scaled_clock(start_sandbox: StartSandbox) -> None:
    """At one segment a second the third message leaves two seconds later: 20 ms at a hundredfold clock."""
    sandbox = await start_sandbox(calm(messages_per_second=1), clock_scale=100)
    await send(sandbox, body="a" * 161)
    await send(sandbox, to="+14155550102")
    wait = sandbox.account.senders.wait(FROM, 1)
    assert 0 <= wait <= 3
    assert await sandbox.account.activity.quiet(10)


async def test_ten_hours_of_queue_are_full_for_sms(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(calm(messages_per_second=0.0001))
    outcomes = [await send(sandbox, to=f"+1415555{i:04d}") for i in range(5)]
    # Each takes 10,000 s of the 36,000.
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 4 + [Rejected]
    assert isinstance(outcomes[4], Rejected)
    assert outcomes[4].code == 21611


async def test_with_a_service_a_full_queue_fails_the_message_later(
    start_sandbox: StartSandbox, receiver: Receiver
) -> None:
    sandbox = await start_sandbox(calm(messages_per_second=0.00001))
    await send(sandbox, sender=SERVICE)
    await send(sandbox, sender=SERVICE, to="+14155550102", status_callback=receiver.url)
    await receiver.wait_for(2)
    (failed,) = [w.form for w in receiver.received if w.form["MessageStatus"] == "failed"]
    assert failed["ErrorCode"] == "30001"


async def test_stop_blocks_the_sender_and_start_opens_it(
    start_sandbox: StartSandbox, receiver: Receiver, http: Client
) -> None:
    hook = f"{receiver.url}/inbound"
    sandbox = await start_sandbox(webhook_inbound_url=hook)
    answer = await inbound(http, sandbox, {"from": TO, "to": FROM, "body": "Stop."})
    assert (answer["effect"], answer["webhook_status"]) == ("stop", 204)
    webhook = receiver.received[0]
    assert verify([AUTH_TOKEN], hook, webhook.params, webhook.headers["x-twilio-signature"])
    form = parse_inbound(webhook.params)
    assert (form.from_, form.to, form.body, form.opt_out_type) == (TO, FROM, "Stop.", None)
    assert {"FromCity", "ToCountry", "NumSegments", "ApiVersion"} <= set(form.raw)

    refused = await send(sandbox)
    assert isinstance(refused, Rejected)
    assert refused.code == 21610
    assert isinstance(await send(sandbox, sender="+14155550199"), Accepted)
    await inbound(http, sandbox, {"from": TO, "to": FROM, "body": "start"})
    assert isinstance(await send(sandbox), Accepted)


async def test_only_a_service_tells_the_opt_out_type_and_fails_the_message_later(
    start_sandbox: StartSandbox, receiver: Receiver, http: Client
) -> None:
    sandbox = await start_sandbox(webhook_inbound_url=f"{receiver.url}/inbound")
    await inbound(http, sandbox, {"from": TO, "to": SERVICE, "body": "arrêt", "opt_out_type": "STOP"})
    form = parse_inbound(receiver.received[0].params)
    assert (form.opt_out_type, form.messaging_service_sid) == ("STOP", SERVICE)
    assert isinstance(await send(sandbox, sender=SERVICE, status_callback=receiver.url), Accepted)
    webhooks = await receiver.wait_for(3)
    assert {"failed"} == {w.form["MessageStatus"] for w in webhooks if w.form.get("ErrorCode") == "21610"}


async def test_whatsapp_opt_out_without_a_service_is_the_platforms_own_business(
    start_sandbox: StartSandbox, http: Client
) -> None:
    sandbox = await start_sandbox()
    answer = await inbound(http, sandbox, {"from": f"whatsapp:{TO}", "to": f"whatsapp:{FROM}", "body": "STOP"})
    assert answer["effect"] is None
    assert isinstance(await send(sandbox, channel="whatsapp"), Accepted)


async def test_media_and_buttons_arrive_with_whatsapps_fields(
    start_sandbox: StartSandbox, receiver: Receiver, http: Client
) -> None:
    sandbox = await start_sandbox(webhook_inbound_url=f"{receiver.url}/inbound")
    people = {"from": f"whatsapp:{TO}", "to": f"whatsapp:{FROM}"}
    media = [{"url": "https://example.org/cat.png", "content_type": "image/png"}]
    await inbound(http, sandbox, {**people, "media": media, "profile_name": "Ana"})
    await inbound(http, sandbox, {**people, "button": {"text": "Yes, please", "payload": "confirm"}})
    first, second = [parse_inbound(webhook.params) for webhook in receiver.received]
    assert (first.sid[:2], first.media[0].content_type) == ("MM", "image/png")
    assert (first.profile_name, first.raw["WaId"]) == ("Ana", TO.removeprefix("+"))
    assert (second.button_text, second.button_payload) == ("Yes, please", "confirm")


async def test_whatsapp_text_outside_the_window_fails_and_inside_or_by_template_goes(
    start_sandbox: StartSandbox, http: Client
) -> None:
    sandbox = await start_sandbox(calm(whatsapp_window=True))
    closed = await send(sandbox, channel="whatsapp")
    template = await send(sandbox, channel="whatsapp", body=None, content_sid="HX" + "a" * 32, content_variables="{}")
    await inbound(http, sandbox, {"from": f"whatsapp:{TO}", "to": f"whatsapp:{FROM}", "body": "hello"})
    opened = await send(sandbox, channel="whatsapp", body="Hi again")
    assert await sandbox.account.activity.quiet(10)
    codes = []
    for outcome in (closed, template, opened):
        assert isinstance(outcome, Accepted)
        message = sandbox.account.ledger.get(outcome.sid)
        assert message is not None
        codes.append(message.error_code)
    assert codes == [63016, None, None]


async def test_the_whatsapp_sandbox_needs_a_join(start_sandbox: StartSandbox) -> None:
    sandbox = await start_sandbox(calm(whatsapp_join_required=True))
    outcome = await send(sandbox, channel="whatsapp")
    assert await sandbox.account.activity.quiet(10)
    assert isinstance(outcome, Accepted)
    message = sandbox.account.ledger.get(outcome.sid)
    assert message is not None
    assert message.error_code == 63015


async def test_the_ledger_counts_exactly_and_names_duplicates(start_sandbox: StartSandbox, http: Client) -> None:
    sandbox = await start_sandbox()
    for number in range(5):
        await send(sandbox, to=f"+1415555{number:04d}", body="first campaign")
    await send(sandbox, to="+14155550003", body="first campaign")
    await send(sandbox, to="+14155550003", body="second campaign")
    ledger = f"{sandbox.url}/sandbox/ledger"
    whole = await ask(http, ledger)
    assert (whole["accepted"], whole["recipients"], whole["duplicates"]) == (7, 5, 2)
    assert whole["duplicated"] == [{"to": "+14155550003", "sender": FROM, "accepted": 3}]
    assert whole["exact"]
    first = await ask(http, f"{ledger}?body=first%20campaign&group=to&min=2")
    assert (first["accepted"], first["duplicates"]) == (6, 1)
    assert first["items"] == [{"to": "+14155550003", "sender": FROM, "accepted": 2}]
    assert (await ask(http, f"{ledger}?since=2100-01-01T00:00:00Z"))["accepted"] == 0
    assert (await ask(http, f"{ledger}?to=%2B14155550000"))["accepted"] == 1
    quiet = await ask(http, f"{sandbox.url}/sandbox/quiet?timeout=10")
    assert quiet == {"quiet": True, "pending": 0}
    assert (await ask(http, ledger))["by_status"] == {"delivered": 7}


async def test_past_its_bound_the_ledger_forgets_details_but_never_counts(
    start_sandbox: StartSandbox, http: Client
) -> None:
    sandbox = await start_sandbox(messages_max=3, pairs_max=5)
    outcomes = [await send(sandbox, to=f"+1415555{i:04d}") for i in range(6)]
    assert [type(outcome).__name__ for outcome in outcomes] == ["Accepted"] * 5 + ["Unknown"]
    report = await ask(http, f"{sandbox.url}/sandbox/ledger")
    assert (report["accepted"], report["recipients"], report["forgotten"]) == (5, 5, 2)
    assert not (await ask(http, f"{sandbox.url}/sandbox/ledger?body=Hi"))["exact"]


async def test_a_restart_keeps_messages_counts_opt_outs_and_sends_what_was_pending(
    tmp_path: Path, start_sandbox: StartSandbox, receiver: Receiver, http: Client
) -> None:
    journal = tmp_path / "sandbox.jsonl"
    slow = calm(status_delay_seconds=(600, 600))
    first = await start_sandbox(slow, journal=journal)
    outcome = await send(first, status_callback=receiver.url)
    assert isinstance(outcome, Accepted)
    await inbound(http, first, {"from": "+14155550102", "to": FROM, "body": "STOP"})
    # As a kill leaves it: nothing was closed, and the last line is torn.
    killed = tmp_path / "killed.jsonl"
    killed.write_bytes(journal.read_bytes() + b'["m","SMtorn')

    second = await start_sandbox(journal=killed)
    await receiver.wait_for(2)
    assert sorted(receiver.statuses(outcome.sid)) == ["delivered", "sent"]
    assert second.account.ledger.accepted == 1
    refused = await send(second, to="+14155550102")
    assert isinstance(refused, Rejected)
    assert isinstance(await send(second, to="+14155550103"), Accepted)
    assert await second.account.activity.quiet(10)
    assert [json.loads(line)[0] for line in killed.read_text().splitlines()].count("m") == 2

    third = await start_sandbox(journal=killed)
    assert third.account.activity.pending == 0
    message = third.account.ledger.get(outcome.sid)
    assert message is not None
    assert message.status == "delivered"


async def test_reset_forgets_everything_but_the_faults(
    tmp_path: Path, start_sandbox: StartSandbox, http: Client
) -> None:
    sandbox = await start_sandbox(calm(status_delay_seconds=(600, 600)), journal=tmp_path / "sandbox.jsonl")
    await send(sandbox)
    await inbound(http, sandbox, {"from": TO, "to": FROM, "body": "STOP"})
    waiting = asyncio.create_task(sandbox.account.activity.quiet(20))
    assert (await http.post(f"{sandbox.url}/sandbox/reset").build().send()).status == 204
    status = await ask(http, f"{sandbox.url}/sandbox")
    assert (status["accepted"], status["blocked"], status["pending"]) == (0, 0, 0)
    assert (tmp_path / "sandbox.jsonl").read_bytes() == b""
    assert await waiting
    assert isinstance(await send(sandbox), Accepted)


async def test_faults_change_at_run_time_and_bad_ones_are_refused(start_sandbox: StartSandbox, http: Client) -> None:
    sandbox = await start_sandbox()
    url = f"{sandbox.url}/sandbox/faults"
    await http.put(url).body_json({"throttled": 1}).build().send()
    assert type(await send(sandbox)).__name__ == "Throttled"
    await http.put(url).body_json({}).build().send()
    assert isinstance(await send(sandbox), Accepted)
    for bad in ({"throttled": 2}, {"nonsense": 1}, {"dropped": 0.6, "hanging": 0.6}, [1]):
        response = await http.put(url).body_json(bad).build().send()
        assert response.status == 422, bad
    assert (await ask(http, url))["throttled"] == 0


async def test_a_web_page_cannot_use_the_sandbox(start_sandbox: StartSandbox, http: Client) -> None:
    sandbox = await start_sandbox()
    request = http.post(f"{sandbox.url}/sandbox/reset").header("Origin", "https://example.org")
    assert (await request.build().send()).status == 403


def test_settings_name_what_is_wrong(tmp_path: Path) -> None:
    environment = {
        "ESE_HOME": str(tmp_path), "ESE_SANDBOX_ACCOUNT_SID": ACCOUNT_SID, "ESE_SANDBOX_AUTH_TOKEN": "t",
        "ESE_SANDBOX_FAULTS": '{"failed": 0.5}', "ESE_SANDBOX_SENDERS": f"{FROM}, {TO}",
        "ESE_SANDBOX_SERVICES": f'{{"{SERVICE}": ["{FROM}"]}}',
    }  # fmt: skip
    config = config_from(load_settings(environment))
    assert (config.account_sid, config.faults.failed) == (ACCOUNT_SID, 0.5)
    assert (config.senders, config.services) == ({FROM, TO}, {SERVICE: (FROM,)})
    assert config.webhook_inbound_url == "http://127.0.0.1:8700/webhooks/twilio/inbound#rc=5&rp=all"
    with pytest.raises(Invalid, match="failed"):
        config_from(load_settings({**environment, "ESE_SANDBOX_FAULTS": '{"failed": 5}'}))
    with pytest.raises(Invalid, match="ESE_SANDBOX_ACCOUNT_SID"):
        config_from(load_settings({"ESE_HOME": str(tmp_path)}))
