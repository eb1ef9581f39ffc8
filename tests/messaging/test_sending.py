"""A person gets a campaign's message once or, provably, not at all: judged by the sandbox's ledger."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from event_stream_engine import clock
from event_stream_engine.entrypoints.sandbox.ledger import LedgerFilter
from event_stream_engine.messaging.actions import campaigns, contacts, sending
from event_stream_engine.messaging.actions.sending import Sent
from event_stream_engine.messaging.gateway import Accepted, NotSent, Rejected, Throttled
from event_stream_engine.messaging.model.campaigns import CampaignState
from event_stream_engine.messaging.model.contacts import ConsentLocked
from event_stream_engine.messaging.twilio.client import TwilioGateway
from event_stream_engine.settings import load_settings
from tests.messaging.conftest import BY, World, calm, later, phone
from tests.sandbox.conftest import Receiver, StartSandbox

Connect = Callable[..., TwilioGateway]


async def test_a_lost_reply_is_settled_by_asking_and_never_by_sending_again(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(dropped=1))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(5)
    await world.send_round(campaign, gateway)
    assert await world.statuses(campaign) == {"unknown": 5}
    assert await world.reconcile(gateway) == 0, "a request may still be under way"
    with later(5):
        assert (await world.claim(campaign)).outgoing == [], "an unknown message is nobody's to send"
        assert await world.reconcile(gateway) == 5
    assert sandbox.account.ledger.accepted == 5
    assert not set(await world.statuses(campaign)) & {"unknown", "queued"}
    await world.assert_counted(campaign)


async def test_what_twilio_does_not_have_is_sent_again_once(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(error_before=1))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(3)
    await world.send_round(campaign, gateway)
    assert await world.statuses(campaign) == {"unknown": 3}
    sandbox.account.faults = calm()
    with later(5):
        assert await world.reconcile(gateway) == 3
        assert await world.send_round(campaign, gateway) == 3
    assert sandbox.account.ledger.accepted == 3
    assert {row.attempt for row in (await world.rows(campaign)).values()} == {2}
    await world.assert_counted(campaign)


@pytest.mark.parametrize("left", [True, False], ids=["after the request", "before the request"])
async def test_the_messages_of_a_crashed_sender_are_settled(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect, left: bool
) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(4)
    claim = await world.claim(campaign)
    if left:
        await world.send(claim, gateway)
    assert await world.recover() == 0, "the lease still runs"
    with later(16):
        assert await world.recover() == 4
    with later(30):
        await world.reconcile(gateway)
        resent = await world.send_round(campaign, gateway)
    assert resent == (0 if left else 4)
    assert sandbox.account.ledger.accepted == 4
    await world.assert_counted(campaign)


async def test_two_messages_with_the_same_text_are_not_taken_for_each_other(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """Two campaigns say the same to the same person; one reply was lost, one request never left."""
    sandbox = await start_sandbox(calm(dropped=1))
    gateway = gateway_to(sandbox.url)
    await world.add_contact(1)
    first, second = await world.draft(body="Same"), await world.draft(body="Same", address="+14155550199")
    for campaign in (first, second):
        await world.launch(campaign)
    await world.send_round(first, gateway)
    await world.claim(second)
    with later(16):
        await world.recover()
    with later(30):
        await world.reconcile(gateway)
    assert await world.statuses(first) in ({"accepted": 1}, {"sent": 1}, {"delivered": 1})
    assert await world.statuses(second) == {"queued": 1}


async def test_throttled_messages_wait_and_are_not_given_up(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(throttled=1))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(3)
    await world.send_round(campaign, gateway)
    assert {(r.status, r.reason) for r in (await world.rows(campaign)).values()} == {("queued", "throttled")}
    assert (await world.claim(campaign)).outgoing == [], "they wait before the next try"
    sandbox.account.faults = calm()
    with later(120):
        assert await world.send_round(campaign, gateway) == 3
    assert sandbox.account.ledger.accepted == 3
    await world.assert_counted(campaign)


async def test_without_a_connection_messages_go_back_into_the_queue_until_they_are_given_up(
    world: World, gateway_to: Connect
) -> None:
    gateway = gateway_to("http://127.0.0.1:1")
    campaign = await world.launched(2)
    await world.send_round(campaign, gateway)
    assert await world.statuses(campaign) == {"queued": 2}
    for round_ in range(1, sending.ATTEMPTS_MAX):
        with later(100 * round_):
            assert await world.send_round(campaign, gateway) == 2
    assert {(r.status, r.reason) for r in (await world.rows(campaign)).values()} == {("failed", "not_sent")}
    await world.assert_counted(campaign)
    assert (await world.campaign(campaign)).status == "completed"


@pytest.mark.parametrize("outcome", [Throttled(None), NotSent("late"), Rejected(21211, "late", 400)])
async def test_the_late_answer_of_an_attempt_that_was_taken_over_changes_nothing(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect, outcome: Throttled | NotSent | Rejected
) -> None:
    gateway = gateway_to((await start_sandbox()).url)
    campaign = await world.launched(1)
    stalled = await world.claim(campaign)
    with later(16):
        await world.recover()
    with later(30):
        await world.reconcile(gateway)
        current = await world.claim(campaign)
        assert [item.attempt for item in current.outgoing] == [2]
        await world.record([Sent(stalled.outgoing[0], outcome)])
        assert await world.statuses(campaign) == {"sending": 1}
        await world.record(await world.send(current, gateway))
    assert await world.statuses(campaign) == {"accepted": 1}
    await world.assert_counted(campaign)


async def test_a_late_acceptance_counts_and_stops_the_next_attempt(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox()).url)
    campaign = await world.launched(1)
    stalled = await world.claim(campaign)
    with later(16):
        await world.recover()
    with later(30):
        await world.reconcile(gateway)
        assert await world.statuses(campaign) == {"queued": 1}
        await world.record([Sent(stalled.outgoing[0], Accepted("SM" + "1" * 32, "queued", 1))])
        assert (await world.claim(campaign)).outgoing == []
    assert await world.statuses(campaign) == {"accepted": 1}


async def test_two_senders_never_claim_the_same_message(world: World) -> None:
    campaign = await world.launched(30)
    claims = await asyncio.gather(*(world.claim(campaign, 10) for _ in range(6)))
    taken = [item.id for claim in claims for item in claim.outgoing]
    assert len(taken) == len(set(taken))
    rest = await world.claim(campaign)
    assert len(taken) + len(rest.outgoing) == 30
    await world.assert_counted(campaign)


async def test_receipts_that_come_before_the_answer_stay(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(early=1))
    gateway = gateway_to(sandbox.url)
    campaign = await heard.launched(3)
    sent = await heard.send(await heard.claim(campaign), gateway)
    await heard.apply_callbacks(list(await receiver.wait_for(6)))
    assert await heard.statuses(campaign) == {"delivered": 3}
    await heard.record(sent)
    assert await heard.statuses(campaign) == {"delivered": 3}
    await heard.assert_counted(campaign)


async def test_receipts_in_any_order_any_number_of_times_count_once(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(duplicated=1, reordered=0.5))
    campaign = await heard.launched(8)
    await heard.send_round(campaign, gateway_to(sandbox.url))
    told = [*await receiver.wait_for(8 * 4)] * 2
    chance = random.Random(3)
    chance.shuffle(told)
    while told:
        await heard.apply_callbacks(told[:7])
        told = told[7:]
    assert await heard.statuses(campaign) == {"delivered": 8}
    await heard.assert_counted(campaign)


async def test_a_receipt_for_another_message_under_our_id_is_kept_but_moves_nothing(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    campaign = await heard.launched(1)
    await heard.send_round(campaign, gateway_to(sandbox.url))
    (first, *_) = await receiver.wait_for(1)
    foreign = [(name, "SM" + "9" * 32 if name == "MessageSid" else value) for name, value in first.params]
    first.params[:] = [(name, "delivered" if name == "MessageStatus" else value) for name, value in foreign]
    await heard.apply_callbacks([first])
    assert await heard.statuses(campaign) == {"accepted": 1}


async def test_a_stop_between_two_claims_wins_over_the_next_message(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(6)
    await world.send_round(campaign, gateway, limit=2)
    waiting = [number for number, row in (await world.rows(campaign)).items() if row.status == "queued"]
    stopped = waiting[-1]
    await world.hear(int(stopped[-4:]), "Stop.")
    await world.send_round(campaign, gateway)
    row = (await world.rows(campaign))[stopped]
    assert (row.status, row.reason, row.attempt) == ("refused", "stopped", 0)
    assert sandbox.account.ledger.accepted == 5
    await world.assert_counted(campaign)


async def test_stop_and_start_are_the_persons_own_and_a_replay_changes_nothing(world: World) -> None:
    await world.add_contact(1)
    await world.hear(1, "STOP", sid="SM" + "a" * 32)
    assert await world.consent(1) == ("stopped", "inbound:stop")
    change = contacts.ContactChange(consent="opted_in")
    with pytest.raises(ConsentLocked):
        await world.act(contacts.change_contact, world.contacts[phone(1)], change, by=BY, if_match=None)
    await world.hear(1, "START")
    await world.hear(1, "STOP", sid="SM" + "a" * 32)
    assert await world.consent(1) == ("opted_in", "inbound:start")


async def test_a_stranger_who_writes_stop_is_remembered(world: World) -> None:
    await world.hear(77, "unsubscribe")
    assert await world.consent(77) == ("stopped", "inbound:stop")


async def test_an_opt_out_at_the_carrier_becomes_ours(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """21610: this person wrote STOP when we did not hear it."""
    sandbox = await start_sandbox()
    for number in range(2):
        await world.add_contact(number)
    campaign = await world.draft(address="+14155550177")
    await world.launch(campaign)
    sandbox.account.senders.set_blocked("+14155550177", phone(0), True)
    await world.send_round(campaign, gateway_to(sandbox.url))
    rows = await world.rows(campaign)
    assert (rows[phone(0)].status, rows[phone(0)].error_code) == ("failed", 21610)
    assert await world.consent(0) == ("stopped", "twilio:21610")
    assert await world.consent(1) == ("opted_in", "staff")
    await world.assert_counted(campaign)


async def test_a_fault_of_the_account_pauses_the_campaign_and_keeps_every_recipient(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    campaign = await world.launched(3)
    await world.send_round(campaign, gateway_to(sandbox.url, auth_token="wrong"))
    found = await world.campaign(campaign)
    assert found.status == "paused"
    assert "credentials" in (found.pause_reason or "")
    assert await world.statuses(campaign) == {"queued": 3}
    await world.act(campaigns.resume_campaign, campaign, by=BY)
    await world.send_round(campaign, gateway_to(sandbox.url))
    assert sandbox.account.ledger.accepted == 3
    await world.assert_counted(campaign)


async def test_after_a_pause_nothing_is_claimed_until_it_is_resumed(world: World) -> None:
    campaign = await world.launched(3)
    await world.act(campaigns.pause_campaign, campaign, by=BY)
    assert (await world.claim(campaign)).outgoing == []
    await world.act(campaigns.resume_campaign, campaign, by=BY)
    assert len((await world.claim(campaign)).outgoing) == 3


async def test_a_cancel_keeps_what_nobody_claimed_from_ever_being_sent(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(5)
    claim = await world.claim(campaign, 2)
    await world.act(campaigns.cancel_campaign, campaign, by=BY)
    await world.record(await world.send(claim, gateway))
    assert (await world.claim(campaign)).outgoing == []
    assert await world.statuses(campaign) == {"accepted": 2, "canceled": 3}
    await world.assert_counted(campaign)


@pytest.mark.parametrize("fault", ["throttled", "error_before", "crash"])
async def test_a_message_that_comes_back_after_a_cancel_is_canceled_too(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect, fault: str
) -> None:
    """It was under way when the campaign was canceled, and did not leave: it must not wait for ever."""
    sandbox = await start_sandbox(calm() if fault == "crash" else calm(**{fault: 1}))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(2)
    claim = await world.claim(campaign)
    await world.act(campaigns.cancel_campaign, campaign, by=BY)
    if fault != "crash":
        await world.record(await world.send(claim, gateway))
    with later(16):
        await world.recover()
    with later(30):
        await world.reconcile(gateway)
    assert await world.statuses(campaign) == {"canceled": 2}
    await world.assert_counted(campaign)


async def test_a_campaign_runs_at_its_time_and_not_before(world: World) -> None:
    await world.add_contact(1)
    campaign = await world.draft()
    await world.act(campaigns.schedule_campaign, campaign, clock.now() + timedelta(minutes=5), by=BY)
    assert await world.act(campaigns.launch_due) == []
    with later(301):
        assert await world.act(campaigns.launch_due) == [campaign]
        assert await world.act(campaigns.launch_due) == []
    assert (await world.campaign(campaign)).status == "running"


async def test_a_scheduled_campaign_is_launched_once_by_two_schedulers(world: World) -> None:
    await world.add_contact(1)
    campaign = await world.draft()
    await world.act(campaigns.schedule_campaign, campaign, clock.now() + timedelta(minutes=5), by=BY)
    with later(301):
        found = await asyncio.gather(*(world.act(campaigns.launch_due) for _ in range(4)))
    assert [item for launched in found for item in launched] == [campaign]


async def test_freezing_an_audience_twice_adds_nobody_twice(world: World) -> None:
    campaign = await world.launched(4)
    await world.add_contact(50)
    async with world.database.transaction() as tx:
        before = len(await world.rows(campaign))
        await campaigns.freeze_audience(tx, campaign)
    assert before == 4
    assert len({row.contact_id for row in (await world.rows(campaign)).values()}) == len(await world.rows(campaign))


async def test_a_launched_campaign_cannot_be_launched_again(world: World) -> None:
    campaign = await world.launched(1)
    with pytest.raises(CampaignState) as refused:
        await world.act(campaigns.launch_campaign, campaign, by=BY)
    assert (
        refused.value.detail == "This campaign is running already, so it cannot be launched again. Pause or cancel it."
    )


async def test_a_test_message_respects_a_stop_and_says_what_became_of_it(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    gateway, settings = gateway_to(sandbox.url), load_settings({"ESE_HOME": "/nonexistent"})
    await world.add_contact(1, name="Bo")
    campaign = await world.draft()
    sent = await world.send_test(campaign, 1, gateway, settings)
    assert sent.status == "accepted"
    await world.hear(1, "STOP")
    with pytest.raises(ConsentLocked):
        await world.send_test(campaign, 1, gateway, settings)
    assert sandbox.account.ledger.accepted == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_counters_equal_the_ledger_after_anything_that_can_happen(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect, seed: int
) -> None:
    """A bad day at the carrier, senders that die, people who write STOP, pauses; then the day gets better."""
    chance = random.Random(seed)
    bad = calm(
        dropped=0.1, throttled=0.1, error_before=0.1, error_after=0.1, failed=0.2, duplicated=0.3, reordered=0.3,
        early=0.3,
    )  # fmt: skip
    sandbox = await start_sandbox(bad)
    gateway = gateway_to(sandbox.url)
    campaign = await heard.launched(40)
    applied, ahead = 0, 0.0
    for _ in range(14):
        ahead += chance.choice((1, 5, 20))
        with later(ahead):
            claim = await heard.claim(campaign, chance.randint(1, 12))
            if chance.random() < 0.8:
                await heard.record(await heard.send(claim, gateway))  # else this sender dies here
            if chance.random() < 0.3:
                await heard.hear(chance.randrange(40), chance.choice(("STOP", "hello", "START")))
            await heard.recover()
            await heard.reconcile(gateway)
            new = receiver.received[applied:]
            applied += len(new)
            chance.shuffle(new)
            await heard.apply_callbacks(new)
            await heard.count(chance)
    sandbox.account.faults = calm()
    await settle(heard, campaign, gateway, ahead)
    assert await sandbox.account.activity.quiet(20)
    await heard.apply_callbacks(receiver.received)
    await heard.assert_counted(campaign)
    assert sum((await heard.statuses(campaign)).values()) == 40
    rows = (await heard.rows(campaign)).values()
    assert sandbox.account.ledger.accepted == sum(row.accepted_at is not None for row in rows)
    assert sandbox.account.ledger.report(LedgerFilter(), group=False, at_least=1, limit=1)["duplicates"] == 0


async def settle(world: World, campaign: UUID, gateway: TwilioGateway, ahead: float) -> None:
    """Until nothing is left to send."""
    for _ in range(30):
        ahead += 70
        with later(ahead):
            await world.recover()
            await world.reconcile(gateway)
            await world.send_round(campaign, gateway)
            await world.count()
        if not set(await world.statuses(campaign)) & {"queued", "sending", "unknown"}:
            return
    raise AssertionError(f"still open: {await world.statuses(campaign)}")
