"""An opt-out in free words is in force at once; a person may confirm it or take it back; it is confirmed once."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone.effects import Effects
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.messaging import inbound_tasks
from event_stream_engine.messaging.actions import confirmations, keywords, reviews
from event_stream_engine.messaging.gateway import Accepted, Held, NotSent, Rejected, SendOutcome, Throttled, Unknown
from event_stream_engine.messaging.model.replies import StopWords, read_reply
from event_stream_engine.messaging.model.replies.confirmations import confirmation_text
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.messaging.conftest import BY, SENDER, World, calm, later, phone
from tests.sandbox.conftest import StartSandbox

CERTAIN = "Please remove me from your list"
IN_DOUBT = ("I'm out", "basta así gracias señor", "stop the order", "enough for today", "I want out on Friday")
DOUBTFUL = next(reply for reply in IN_DOUBT if read_reply(reply, StopWords()).needs_review)


async def last_inbound(world: World) -> Any:
    query = text("SELECT * FROM inbound_messages ORDER BY received_at DESC, id DESC LIMIT 1")
    return (await world.act(lambda tx: tx.execute(query))).one()


async def doubt(world: World, number: int) -> UUID:
    """A reply that the wording leaves in doubt; its id."""
    await world.hear(number, DOUBTFUL)
    row = await last_inbound(world)
    assert (row.kind, row.basis, row.review) == ("stop", "wording", "open"), (row.kind, row.basis, row.score)
    found: UUID = row.id
    return found


async def test_an_opt_out_in_free_words_stops_the_next_message(world: World) -> None:
    await world.add_contact(1)
    campaign = await world.draft()
    await world.launch(campaign)
    await world.hear(1, CERTAIN, channel="whatsapp")
    assert await world.consent(1) == ("stopped", "inbound:wording")
    assert (await world.claim(campaign)).outgoing == []
    row = await last_inbound(world)
    assert (row.basis, row.review, row.effect) == ("wording", None, "Gets no more messages")


async def test_a_doubtful_reply_stops_too_until_a_person_says_that_it_is_none(world: World) -> None:
    await world.add_contact(1)
    message = await doubt(world, 1)
    assert (await world.consent(1))[0] == "stopped"
    row = await world.act(reviews.review, message, "not_opt_out", by=BY)
    assert (row.kind, row.review, row.reviewed_by) == ("text", "not_opt_out", BY.account_id)
    assert await world.consent(1) == ("opted_in", "inbound:review")
    row = await world.act(reviews.review, message, "opt_out", by=BY)  # taken back
    assert (row.kind, row.review) == ("stop", "opt_out")
    assert (await world.consent(1))[0] == "stopped"
    await world.act(reviews.review, message, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "opted_in"


async def test_staff_can_mark_any_reply_as_an_opt_out(world: World) -> None:
    await world.add_contact(1)
    await world.hear(1, "What time do you open tomorrow?")
    message = (await last_inbound(world)).id
    await world.act(reviews.review, message, "opt_out", by=BY)
    assert await world.consent(1) == ("stopped", "inbound:review")
    await world.act(reviews.review, message, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "opted_in"


async def test_no_review_takes_back_a_stop_by_keyword(world: World) -> None:
    await world.add_contact(1)
    doubtful = await doubt(world, 1)
    await world.hear(1, "STOP")
    keyword = (await last_inbound(world)).id
    with pytest.raises(reviews.OptOutStands):
        await world.act(reviews.review, keyword, "not_opt_out", by=BY)
    await world.act(reviews.review, doubtful, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "stopped"


async def test_of_two_doubtful_replies_the_second_review_restores_consent(world: World) -> None:
    await world.add_contact(1)
    first = await doubt(world, 1)
    second = await doubt(world, 1)
    await world.act(reviews.review, first, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "stopped"
    await world.act(reviews.review, second, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "opted_in"


async def test_a_review_does_not_opt_in_whom_staff_opted_out_before(world: World) -> None:
    await world.add_contact(1, consent="opted_out")
    message = await doubt(world, 1)
    await world.act(reviews.review, message, "not_opt_out", by=BY)
    assert (await world.consent(1))[0] == "opted_out"


async def test_a_yes_opts_nobody_in(world: World) -> None:
    await world.add_contact(1, consent="opted_out")
    await world.hear(1, "Yes!")
    await world.hear(2, "YES")
    assert (await world.consent(1))[0] == "opted_out"
    strangers = await world.act(lambda tx: tx.execute(text("SELECT count(*) FROM contacts WHERE consent = 'opted_in'")))
    assert strangers.scalar_one() == 0
    await world.hear(1, "START")
    assert (await world.consent(1))[0] == "opted_in"


async def test_a_keyword_of_the_teams_own_counts_from_the_next_reply_on(world: World) -> None:
    await world.add_contact(1)
    await world.act(keywords.add_keyword, "Pineapple", by=BY.account_id)
    await world.hear(1, "pineapple!")
    assert await world.consent(1) == ("stopped", "inbound:stop")
    await world.act(keywords.remove_keyword, "pineapple", by=BY.account_id)
    await world.add_contact(2)
    await world.hear(2, "pineapple!")
    assert (await world.consent(2))[0] == "opted_in"
    listed = {keyword.word: keyword.origin for keyword in await world.act(keywords.list_keywords)}
    assert listed["stop"] == "required"
    assert "Pineapple" not in listed


Connect = Callable[..., TwilioGateway]


@pytest.fixture
async def effects(world: World, redis_url: str, tmp_path: Path) -> AsyncIterator[Effects]:
    client = connect(redis_url)
    yield Effects(world.database, client, tmp_path)
    await client.aclose()


async def statuses(world: World) -> list[tuple[str, str]]:
    """The confirmations: number and status."""
    query = text("SELECT phone, status FROM opt_out_confirmations ORDER BY phone")
    return [(row.phone, row.status) for row in await world.act(lambda tx: tx.execute(query))]


async def test_an_opt_out_is_confirmed_once_and_in_the_persons_language(
    world: World, effects: Effects, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    await world.add_contact(1)
    began = clock.now()
    await world.hear(1, "baja por favor")
    await world.hear(1, "baja por favor")
    await inbound_tasks.send_confirmations(effects, gateway)
    await inbound_tasks.send_confirmations(effects, gateway)
    sent = await gateway.find(to=phone(1), sender=SENDER, channel="sms", sent_after=began - timedelta(seconds=5))
    assert [message.body for message in sent] == [confirmation_text(None, "es")]
    assert await statuses(world) == [(phone(1), "sent")]


async def test_twilio_confirms_its_own_keywords_on_sms_only(world: World) -> None:
    await world.add_contact(1)
    await world.add_contact(2)
    await world.hear(1, "STOP")
    await world.hear(2, "STOP", channel="whatsapp")
    assert await statuses(world) == [(phone(2), "waiting")]


async def test_a_confirmation_that_could_not_be_sent_within_five_minutes_is_not_sent(
    world: World, effects: Effects, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    await world.add_contact(1)
    await world.hear(1, CERTAIN)
    with later(301):
        await inbound_tasks.send_confirmations(effects, gateway)
    assert await statuses(world) == [(phone(1), "expired")]


async def test_a_confirmation_under_way_in_a_crash_is_not_repeated(world: World) -> None:
    await world.add_contact(1)
    await world.hear(1, CERTAIN)
    claimed, _ = await world.act(confirmations.claim_confirmations, 10)
    assert len(claimed) == 1
    with later(61):
        again, late = await world.act(confirmations.claim_confirmations, 10)
    assert (list(again), late) == ([], 1)
    assert await statuses(world) == [(phone(1), "unknown")]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Accepted("SM1", "queued", 1), "sent"),
        (Rejected(21610, "blocked", 400), "failed"),
        (Throttled(1.0), "waiting"),
        (NotSent("no connection"), "waiting"),
        (Held(None), "waiting"),
        (Unknown("timeout"), "unknown"),
    ],
)
async def test_only_what_did_not_leave_is_tried_again(world: World, outcome: SendOutcome, status: str) -> None:
    await world.add_contact(1)
    await world.hear(1, CERTAIN)
    claimed, _ = await world.act(confirmations.claim_confirmations, 10)
    assert await world.act(confirmations.settle_confirmation, claimed[0].inbound_id, outcome) == status
    assert await statuses(world) == [(phone(1), status)]
