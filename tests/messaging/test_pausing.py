"""A campaign stops by itself when the next message would fail as the last ones did, and for no single person's sake."""

from collections.abc import Callable

import pytest

from event_stream_engine import clock
from event_stream_engine.messaging.actions import campaigns
from event_stream_engine.messaging.actions.sending import Sent
from event_stream_engine.messaging.gateway import Accepted, Rejected
from event_stream_engine.messaging.twilio.client import TwilioGateway
from event_stream_engine.messaging.twilio.errors import ERRORS
from tests.messaging.conftest import BY, World, calm, later, phone
from tests.sandbox.conftest import Receiver, StartSandbox

Connect = Callable[..., TwilioGateway]
OF_ONE_PERSON = sorted(code for code, error in ERRORS.items() if error.pause_when == "mostly")
OF_THE_ACCOUNT = (0, 20003, 21606, 21703, 63007)


def test_the_codes_that_one_persons_data_can_cause() -> None:
    assert OF_ONE_PERSON == [21602, 21617, 21656, 63028, 63030]


async def answered(world: World, campaign: object, codes: list[int]) -> None:
    claim = await world.claim(campaign, len(codes))  # type: ignore[arg-type]
    outcomes = [
        Rejected(code, "no", 400) if code else Accepted(f"SM{item.id.hex}", "queued", 1)
        for item, code in zip(claim.outgoing, codes, strict=True)
    ]
    await world.record([Sent(item, outcome) for item, outcome in zip(claim.outgoing, outcomes, strict=True)])


@pytest.mark.parametrize("code", OF_ONE_PERSON)
async def test_a_code_that_one_person_can_cause_fails_that_person_and_the_others_get_theirs(
    world: World, code: int
) -> None:
    campaign = await world.launched(30)
    await answered(world, campaign, [code] * 19 + [0] * 11)
    assert (await world.campaign(campaign)).status == "running"
    assert await world.statuses(campaign) == {"failed": 19, "accepted": 11}
    await world.assert_counted(campaign)


async def test_a_campaign_pauses_when_20_of_its_last_50_answers_fail_alike(world: World) -> None:
    campaign = await world.launched(120)
    await answered(world, campaign, [21656] * 19)
    await answered(world, campaign, [0] * 40)
    await answered(world, campaign, [21656] * 10)
    assert (await world.campaign(campaign)).status == "running", "19 of them are longer ago"
    await answered(world, campaign, [21656] * 10)
    found = await world.campaign(campaign)
    assert found.status == "paused"
    assert (found.pause_reason or "").startswith("20 of the last 50 messages failed alike: The template's variables")
    assert "21656" in (found.pause_reason or "")
    await world.act(campaigns.resume_campaign, campaign, by=BY)
    await answered(world, campaign, [21656] * 19)
    assert (await world.campaign(campaign)).status == "running", "it is judged by what came since"
    await world.assert_counted(campaign)


@pytest.mark.parametrize("code", OF_THE_ACCOUNT)
async def test_a_fault_of_the_account_or_the_sender_pauses_at_once(world: World, code: int) -> None:
    campaign = await world.launched(3)
    await answered(world, campaign, [code or 20404, 0, 0])
    assert (await world.campaign(campaign)).status == "paused"
    assert await world.statuses(campaign) == {"queued": 1, "accepted": 2}


@pytest.mark.parametrize(("code", "stops_others"), [(30034, False), (30002, True), (63041, False)])
async def test_faults_of_the_account_that_come_by_receipt_pause_too(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect, code: int, stops_others: bool
) -> None:
    sandbox = await start_sandbox(calm(failed=1, failure_codes={str(code): 1}))
    gateway = gateway_to(sandbox.url)
    campaign = await heard.launched(60)
    other = await heard.draft(address="+14155550177")
    await heard.launch(other)
    await heard.send_round(campaign, gateway, limit=19)
    assert await sandbox.account.activity.quiet(20)
    await heard.apply_callbacks(receiver.received)
    assert (await heard.campaign(campaign)).status == "running"
    await heard.send_round(campaign, gateway, limit=1)
    assert await sandbox.account.activity.quiet(20)
    await heard.apply_callbacks(receiver.received)
    found = await heard.campaign(campaign)
    assert found.status == "paused"
    assert str(code) in (found.pause_reason or "")
    assert (await heard.claim(campaign)).outgoing == []
    assert (await heard.campaign(other)).status == ("paused" if stops_others else "running")
    await heard.assert_counted(campaign)


async def test_they_pause_when_the_receipts_are_lost_and_twilio_is_asked(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(failed=1, failure_codes={"30034": 1}, lost=1))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(30)
    await world.send_round(campaign, gateway, limit=25)
    assert await sandbox.account.activity.quiet(20)
    with later(3600):
        assert await world.ask_about_silent(gateway) == (25, 0)
    assert (await world.campaign(campaign)).status == "paused"
    assert (await world.rows(campaign))[phone(0)].campaign_id == campaign


async def test_messages_whose_callbacks_were_refused_are_asked_about_at_once(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """Not only after they have been silent for `ESE_STALE_MINUTES`."""
    sandbox = await start_sandbox(calm(lost=1))
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(5)
    await world.send_round(campaign, gateway)
    assert await sandbox.account.activity.quiet(20)
    assert await world.ask_about_silent(gateway) == (0, 0)
    refused_until = clock.now()
    assert await world.ask_about_silent(gateway, refused_until) == (5, 0)
    assert {row.status for row in (await world.rows(campaign)).values()} <= {"delivered", "read"}
    assert await world.ask_about_silent(gateway, refused_until) == (0, 0), "once"


async def test_failures_that_concern_each_person_alone_pause_nothing(world: World) -> None:
    campaign = await world.launched(60)
    await answered(world, campaign, [21211] * 60)
    assert (await world.campaign(campaign)).status == "running"
