"""Two campaigns to the same people from the same sender, while answers get lost: each person gets each message once,
and no campaign takes the other's message for its own."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.messaging.gateway import Unknown
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.messaging.conftest import World, calm, later, phone
from tests.sandbox.conftest import Receiver, StartSandbox

Connect = Callable[..., TwilioGateway]

PEOPLE = 40
SPRING, AUTUMN = "HX" + "a" * 32, "HX" + "b" * 32
TEXTS = {
    "different texts": {SPRING: "Hi {{1}}, spring is here", AUTUMN: "Hi {{1}}, autumn is here"},
    "one text": {SPRING: "Hi {{1}}, spring is here", AUTUMN: "Hi {{1}}, spring is here"},
    "texts that differ from ours": {},
}


async def launched(world: World, texts: dict[str, str]) -> tuple[UUID, UUID]:
    for number in range(PEOPLE):
        await world.add_contact(number, name=f"Ana {number}")
    campaigns = []
    for sid in (SPRING, AUTUMN):
        body = texts.get(sid, "Hi {{1}}, it is {0}").replace("{{1}}", "{name}").replace("{0}", sid)
        campaigns.append(await world.draft(body=body, channel="whatsapp", content_sid=sid))
    for campaign in campaigns:
        await world.launch(campaign)
    return campaigns[0], campaigns[1]


async def send_all(world: World, campaigns: tuple[UUID, UUID], gateway: TwilioGateway) -> None:
    """Both in turns, with answers that get lost, until nothing is open."""
    ahead = 0.0
    for _ in range(60):
        ahead += 3
        with later(ahead):
            for campaign in campaigns:
                await world.send_round(campaign, gateway, limit=12)
            await world.recover()
            await world.reconcile(gateway)
        states = {state for campaign in campaigns for state in await world.statuses(campaign)}
        if not states & {"queued", "sending", "unknown"}:
            return
    raise AssertionError(f"still open: {states}")


async def compare(world: World, sandbox: SandboxServer, campaigns: tuple[UUID, UUID]) -> None:
    """The callback address of each accepted message names the row it was sent for."""
    sent_for: dict[str, list[str]] = {}
    for message in sandbox.account.ledger.newest_first(None):
        row_id = (message.callback or "").partition("?m=")[2].partition("#")[0]
        sent_for.setdefault(row_id, []).append(message.sid)
    for campaign in campaigns:
        rows = (await world.rows(campaign)).values()
        assert [len(sent_for.get(str(row.id), [])) for row in rows] == [1] * PEOPLE
        assert {str(row.id): [row.provider_sid] for row in rows}.items() <= sent_for.items()
        await world.assert_counted(campaign)
    assert len(sent_for) == 2 * PEOPLE


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
async def test_each_person_gets_the_message_of_each_campaign_once(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect, texts: dict[str, str]
) -> None:
    faults = calm(dropped=0.15, error_before=0.15, error_after=0.05, lost=1)
    sandbox = await start_sandbox(faults, templates=texts)
    gateway = gateway_to(sandbox.url)
    campaigns = await launched(world, texts)
    await send_all(world, campaigns, gateway)
    assert sandbox.account.refusals["dropped"], "some answers were lost"
    await compare(world, sandbox, campaigns)


async def test_no_second_message_leaves_to_a_person_while_the_first_may_be_under_way(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm(dropped=1))
    gateway = gateway_to(sandbox.url)
    await world.add_contact(1)
    first, second = await world.draft(body="Spring"), await world.draft(body="Autumn")
    other_sender = await world.draft(body="Winter", address="+14155550177")
    for campaign in (first, second, other_sender):
        await world.launch(campaign)
    claim = await world.claim(first)
    assert (await world.claim(second)).outgoing == [], "it is being sent"
    assert (await world.rows(second))[phone(1)].reason == "other_message_under_way"
    assert len((await world.claim(other_sender)).outgoing) == 1
    await world.record(await world.send(claim, gateway))
    assert await world.statuses(first) == {"unknown": 1}
    with later(3):
        assert (await world.claim(second)).outgoing == [], "whether it left is not known"
    with later(6):
        assert await world.reconcile(gateway) == 1
    with later(9):
        assert len((await world.claim(second)).outgoing) == 1
    await world.assert_counted(second)


async def test_a_test_message_and_a_campaign_are_not_taken_for_each_other(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """A test message's answer was lost, and so was the campaign's request, before it left."""
    sandbox = await start_sandbox(calm(dropped=1))
    gateway = gateway_to(sandbox.url)
    await world.add_contact(1)
    campaign = await world.draft(body="Same")
    sent = await world.send_test(campaign, 1, gateway, world.application)
    assert sent.status == "unknown"
    await world.launch(campaign)
    assert (await world.claim(campaign)).outgoing == [], "the test may be under way"
    with later(20):
        assert await world.reconcile(gateway) == 1
        await world.claim(campaign)
    with later(40):
        await world.recover()
    with later(60):
        await world.reconcile(gateway)
        assert await world.statuses(campaign) == {"queued": 1}, "it did not leave"
        sandbox.account.faults = calm()
        assert await world.send_round(campaign, gateway) == 1
    assert sandbox.account.ledger.accepted == 2


async def test_a_message_that_moved_while_twilio_was_asked_keeps_its_state(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    """Twilio's answer to the question is older than the receipt."""
    sandbox = await start_sandbox(calm(error_after=1))
    gateway = gateway_to(sandbox.url)
    campaign = await heard.launched(1)
    sent = await heard.send(await heard.claim(campaign), gateway)
    assert [type(item.outcome) for item in sent] == [Unknown]
    await heard.record(sent)
    with later(5):
        asked = await heard.ask(gateway)
        await heard.apply_callbacks(list(await receiver.wait_for(2)))
        before = await heard.statuses(campaign)
        assert await heard.settle(asked) == 0
        assert await heard.reconcile(gateway) == 0
    assert await heard.statuses(campaign) == before
    await heard.assert_counted(campaign)


async def test_a_receipt_under_our_id_for_a_message_that_is_another_rows_moves_nothing(
    heard: World, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox()
    gateway = gateway_to(sandbox.url)
    await heard.add_contact(1)
    first, second = await heard.draft(body="One"), await heard.draft(body="Two")
    for campaign in (first, second):
        await heard.launch(campaign)
    await heard.send_round(first, gateway)
    received = list(await receiver.wait_for(2))
    other = (await heard.rows(second))[phone(1)].id
    for webhook in received:
        webhook.path = webhook.path.partition("?m=")[0] + f"?m={other}"
    await heard.apply_callbacks(received)
    assert await heard.statuses(second) == {"queued": 1}
    await heard.assert_counted(second)


async def test_after_a_restore_a_message_whose_text_changed_is_not_sent_a_second_time(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    sandbox = await start_sandbox(calm())
    gateway = gateway_to(sandbox.url)
    campaign = await world.launched(1)
    await world.send_round(campaign, gateway)
    restored = """
        UPDATE messages SET status = 'unknown', reason = 'restored', provider_sid = NULL, accepted_at = NULL,
            body = 'Hi Anna, as the name was in the backup', due_at = now(), claimed_at = claimed_at - interval '5 min'
    """
    await world.act(lambda tx: tx.execute(text(restored)))
    with later(5):
        await world.reconcile(gateway)
        assert await world.statuses(campaign) == {"unknown": 1}
    with later(4000):
        await world.reconcile(gateway)
    (row,) = (await world.rows(campaign)).values()
    assert (row.status, row.reason) == ("failed", "outcome_unclear")
    assert sandbox.account.ledger.accepted == 1
