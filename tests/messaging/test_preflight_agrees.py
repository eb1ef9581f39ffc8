"""What preflight counts is what the gate decides, contact by contact."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from event_stream_engine import clock
from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.actions import campaigns, preflight
from event_stream_engine.messaging.model.compliance import Recipient, Refused, judge
from event_stream_engine.messaging.model.templates import content_variables, render, unsendable
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.store import preflight as store
from event_stream_engine.messaging.tables import contacts
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.messaging.conftest import BY, World, phone
from tests.sandbox.conftest import StartSandbox

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
CONSENTS = ("opted_in", "opted_out", "stopped", "unknown")
BLOCKED: tuple[list[str], ...] = ([], ["sms"], ["whatsapp"], ["sms", "whatsapp"])
NAMES = (None, "", "Ana")
HEARD = (None, NOW - timedelta(hours=23), NOW - timedelta(hours=24), NOW - timedelta(days=9))
BODY = "Hi {name}, {phone} {city|there}"


@pytest.fixture
async def everybody(world: World) -> World:
    """One contact of each kind."""
    kinds = itertools.product(CONSENTS, BLOCKED, NAMES, HEARD)
    for number, (consent, blocked, name, heard) in enumerate(kinds):
        contact_id = await world.add_contact(number, **({"name": name} if name is not None else {}))
        values = {"consent": consent, "blocked_channels": blocked, "last_inbound_at": heard}
        async with world.database.transaction() as tx:
            await tx.execute(update(contacts).where(contacts.c.id == contact_id).values(**values))
    return world


async def test_the_gate_and_preflights_sql_give_each_contact_the_same_verdict(everybody: World) -> None:
    async with everybody.database.transaction() as tx:
        people = list(await tx.execute(select(contacts)))
        for channel, approved in itertools.product(("sms", "whatsapp"), (True, False)):
            decided = store.verdict(
                channel=channel, body=BODY, is_approved_template=approved, now=NOW
            )  # fmt: skip
            rows = await tx.execute(select(contacts.c.id, decided))
            sql = {row[0]: row[1] for row in rows}
            for person in people:
                verdict = judge(
                    Recipient(person.consent, None, tuple(person.blocked_channels), person.last_inbound_at),
                    channel=channel,
                    is_approved_template=approved,
                    unsendable=_unsendable(BODY, person, approved),
                    quiet=None,
                    now=NOW,
                )
                expected = verdict.reason if isinstance(verdict, Refused) else "allowed"
                assert sql[person.id] == expected, (channel, approved, person)
    assert len(people) == len(CONSENTS) * len(BLOCKED) * len(NAMES) * len(HEARD)


def _unsendable(body: str, person: Any, is_template: bool) -> str | None:
    variables = content_variables(body, person.attributes, person.phone) if is_template else None
    return unsendable(render(body, person.attributes, person.phone), variables)


VALUES = (
    None,
    "",
    "Ana",
    " ",
    "\u00a0",
    "a\nb",
    "a\tb",
    "a    b",
    "a     b",
    "\u2028",
    "é" * 1590,
    "x" * 1600,
    "x" * 2000,
)
BODIES = (
    "Hi {a}", "{a|}", "{a|}{b|}", "{a|x}{b|y}", "{a|}, {b|}", "{a|}{a|x}{b}", "{phone}{a|}", " {a| } {b|}", "plain",
    "{a|x}" * 2, "{a|1}{a}", "{b|}\n{a|none}",
)  # fmt: skip


async def test_the_gate_and_preflights_sql_measure_each_text_alike(world: World) -> None:
    """Empty, blank, long and multi-line values, with and without defaults, as SMS and as an approved template."""
    for number, (a, b) in enumerate(itertools.product(VALUES, VALUES)):
        attributes = {name: value for name, value in (("a", a), ("b", b)) if value is not None}
        async with world.database.transaction() as tx:
            row = {"phone": phone(number), "consent": "opted_in", "attributes": attributes}
            await tx.execute(contacts.insert().values(**row))
    reasons = set()
    async with world.database.transaction() as tx:
        people = list(await tx.execute(select(contacts)))
        for body, approved in itertools.product(BODIES, (True, False)):
            channel = "whatsapp" if approved else "sms"
            decided = store.verdict(channel=channel, body=body, is_approved_template=approved, now=NOW)
            sql = {row[0]: row[1] for row in await tx.execute(select(contacts.c.id, decided))}
            expected = {person.id: _unsendable(body, person, approved) or "allowed" for person in people}
            assert sql == expected, (body, approved)
            reasons |= set(expected.values())
    assert reasons == {
        "allowed", "missing_attribute", "variable_empty", "variable_multiline", "text_empty", "text_too_long",
    }  # fmt: skip


async def test_one_persons_text_that_cannot_be_sent_stops_nobody_else(
    world: World, start_sandbox: StartSandbox, gateway_to: Callable[..., TwilioGateway]
) -> None:
    sandbox = await start_sandbox()
    await world.add_contact(1, note="x" * 2000)
    await world.add_contact(2, note="short")
    campaign = await world.draft(body="Hi: {note|none}")
    found = await world.act(preflight.preflight, campaign)
    assert [(e["reason"], e["count"]) for e in found.exclusions] == [("text_too_long", 1)]
    assert next(p.message for p in found.problems if p.code == "text_too_long").startswith("1 person is left out")
    await world.launch(campaign)
    await world.send_round(campaign, gateway_to(sandbox.url))
    assert await world.statuses(campaign) == {"refused": 1, "accepted": 1}
    assert (await world.campaign(campaign)).status == "running"
    await world.assert_counted(campaign)


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
async def test_what_preflight_announces_is_what_the_launch_does(everybody: World, channel: str) -> None:
    with clock.frozen(NOW):
        campaign = await everybody.draft(body=BODY, channel=channel)
        announced = await everybody.act(preflight.preflight, campaign)
        await everybody.launch(campaign)
        started = await everybody.statuses(campaign)
        counted = await everybody.act(reports.counts, [campaign])
        claim = await everybody.claim(campaign, 1000)
    left_out = announced.audience - announced.eligible
    assert started == {"queued": announced.eligible, "refused": left_out}, "left out from the start"
    assert (counted[campaign]["queued"], counted[campaign]["refused"]) == (announced.eligible, left_out)
    assert announced.eligible == len(claim.outgoing)
    rows = (await everybody.rows(campaign)).values()
    refused = [row.reason for row in rows if row.status == "refused"]
    assert {e["reason"]: e["count"] for e in announced.exclusions} == {r: refused.count(r) for r in set(refused)}
    assert announced.audience == len(rows)
    texts = {str(p["contact_id"]): p["text"] for p in announced.previews}
    claimed = {str(row.contact_id): row.body for row in rows if row.status == "sending"}
    assert texts.items() <= claimed.items()
    await everybody.assert_counted(campaign)


async def test_a_deleted_contact_is_refused_and_stays_accounted_for(world: World) -> None:
    campaign = await world.launched(2)
    async with world.database.transaction() as tx:
        await tx.execute(contacts.delete().where(contacts.c.phone == phone(0)))
    assert len((await world.claim(campaign)).outgoing) == 1
    assert (await world.rows(campaign))[phone(0)].reason == "contact_deleted"
    await world.assert_counted(campaign)


async def test_preflight_names_what_forbids_a_launch(world: World) -> None:
    await world.add_contact(1)
    campaign = await world.draft(channel="whatsapp", sender_id=None)
    found = await world.act(preflight.preflight, campaign)
    assert not found.can_launch
    with pytest.raises(campaigns.CampaignNotReady):
        await world.act(campaigns.launch_campaign, campaign, by=BY)


async def test_the_expected_finish_counts_the_quiet_hours_of_everybody(world: World) -> None:
    for number in range(4):
        await world.add_contact(number)
    night = (time(21), time(8))
    campaign = await world.draft(quiet_hours=night, messages_per_second=2)
    with clock.frozen(datetime(2026, 3, 11, 6, tzinfo=UTC)):
        found = await world.act(preflight.preflight, campaign)
    assert found.quiet_now == 4
    assert found.expected_finish == datetime(2026, 3, 11, 15, 0, 2, tzinfo=UTC), (
        "08:00 in California, where their numbers are"
    )
    assert (found.expected_seconds, found.sending_seconds) == (9 * 3600 + 2, 2.0)


async def test_preflight_names_the_placeholders_that_leave_people_out(world: World) -> None:
    await world.add_contact(1, name="Ana")
    await world.add_contact(2)
    await world.add_contact(3, consent="opted_out")
    campaign = await world.draft(body="Hi {name}, use {discount_code} or {code|SALE}")
    found = await world.act(preflight.preflight, campaign)
    told = {entry["reason"]: (entry["count"], entry["detail"]) for entry in found.exclusions}
    assert told == {
        "missing_attribute": (2, "{discount_code} for 2, {name} for 1"),
        "opted_out": (1, None),
    }
    named = [problem.message for problem in found.problems if problem.code == "placeholder_without_value"]
    assert named[0].startswith("{discount_code} has no value for 2 people")
    assert "{discount_code|…}" in named[0]


async def test_a_topic_narrows_the_audience_and_preflight_says_so(world: World) -> None:
    for number, topics in enumerate((["offers"], ["news"], [])):
        contact = await world.add_contact(number)
        async with world.database.transaction() as tx:
            await tx.execute(update(contacts).where(contacts.c.id == contact).values(topics=topics))
    campaign = await world.draft(topic="offers")
    assert (await world.act(preflight.preflight, campaign)).audience == 1
    await world.launch(campaign)
    assert set(await world.rows(campaign)) == {phone(0)}


@pytest.mark.parametrize(("address", "channel"), [("whatsapp:+14155550100", "sms"), ("sms:+14155550100", "whatsapp")])
async def test_an_address_of_one_channel_is_no_sender_of_the_other(world: World, address: str, channel: str) -> None:
    with pytest.raises(Invalid, match="choose the other channel"):
        await world.draft(channel=channel, address=address)
