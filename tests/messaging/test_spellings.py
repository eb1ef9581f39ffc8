"""A line is found in whatever spelling a carrier, WhatsApp or a file writes it."""

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.events.messaging import InboundReceived
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions import contacts, inbound
from event_stream_engine.messaging.model.contacts import ContactExists, parse_phone
from event_stream_engine.messaging.model.spellings import line_of, spellings
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.twilio.webhooks import parse_inbound
from tests.messaging.conftest import BY, SENDER, World

LINES = {
    "+525512345678": "+5215512345678",
    "+5511987654321": "+551187654321",
    "+541123456781": "+5491123456781",
}
"""As a team writes them, and as WhatsApp does."""

Written = st.from_regex(r"\A\+5[245][0-9]{8,11}\Z")


async def add(world: World, number: str, **given: str) -> None:
    change = contacts.ContactChange(phone=number, consent="opted_in", attributes=given)
    await world.act(contacts.add_contact, change, by=BY)


async def write(world: World, number: str, body: str) -> None:
    """A WhatsApp message as its webhook and its consumer take it."""
    prefix = "whatsapp:"
    form = parse_inbound([
        ("MessageSid", f"SM{new_id().hex}"), ("From", prefix + number), ("To", prefix + SENDER), ("Body", body),
    ])  # fmt: skip
    received = await world.act(inbound.receive, form)
    event = InboundReceived(
        inbound_id=str(received.id), phone=number, kind=received.reading.kind, channel="whatsapp", sender=SENDER,
        received_at=clock.now(),
    )  # fmt: skip
    await world.act(inbound.apply, event)


async def state(world: World) -> dict[str, tuple[str, bool]]:
    """By number: consent, and whether the 24-hour window was opened."""
    async with world.database.transaction() as tx:
        rows = await tx.execute(text("SELECT phone, consent, last_inbound_at IS NOT NULL AS is_open FROM contacts"))
        return {row.phone: (row.consent, row.is_open) for row in rows}


@pytest.mark.parametrize(("stored", "written"), LINES.items())
async def test_a_stop_in_whatsapps_spelling_stops_the_contact(world: World, stored: str, written: str) -> None:
    await add(world, stored)
    await write(world, written, "STOP")
    assert await state(world) == {stored: ("stopped", True)}, "the same contact, and no second one"
    await write(world, written, "Start")
    assert await state(world) == {stored: ("opted_in", True)}


@pytest.mark.parametrize(("stored", "written"), LINES.items())
async def test_a_contact_is_found_and_not_added_twice_in_another_spelling(
    world: World, stored: str, written: str
) -> None:
    await add(world, stored)
    with pytest.raises(ContactExists, match=re.escape(stored)):
        await add(world, written)
    async with world.database.transaction() as tx:
        where = store.matching(search=written, consent=None, topic=None, rule=None)
        assert [found.phone for found in await store.page(tx, where, sort="phone", after=None, limit=5)] == [stored]


async def test_a_stop_is_for_both_of_two_contacts_that_are_spellings_of_one_line(world: World) -> None:
    await add(world, "+541123456781")
    async with world.database.transaction() as tx:  # as an earlier release stored it
        await tx.execute(text("INSERT INTO contacts (phone, consent) VALUES ('+5491123456781', 'opted_in')"))
    await write(world, "+5491123456781", "STOP")
    assert await state(world) == {"+541123456781": ("stopped", True), "+5491123456781": ("stopped", True)}


async def test_an_opt_out_by_the_team_is_for_both_too(world: World) -> None:
    await add(world, "+541123456781")
    async with world.database.transaction() as tx:
        row = await tx.execute(
            text("INSERT INTO contacts (phone, consent) VALUES ('+5491123456781', 'opted_in') RETURNING id")
        )
        other = row.scalar_one()
    change = contacts.ContactChange(consent="opted_out")
    await world.act(contacts.change_contact, other, change, by=BY, if_match=None)
    assert await state(world) == {"+541123456781": ("opted_out", False), "+5491123456781": ("opted_out", False)}


@pytest.mark.parametrize(
    ("number", "all_of_them"),
    [
        ("+525512345678", {"+525512345678", "+5215512345678"}),
        ("+551134567890", {"+551134567890"}),  # a landline of São Paulo
        ("+5511987654321", {"+5511987654321", "+551187654321"}),
        ("+5491123456781", {"+5491123456781", "+541123456781"}),
        ("+14155550100", {"+14155550100"}),
        ("12345", {"12345"}),
        ("", {""}),
    ],
)
def test_what_the_spellings_of_a_number_are(number: str, all_of_them: set[str]) -> None:
    assert set(spellings(number)) == all_of_them
    assert spellings(number)[0] == number


@given(number=Written)
def test_every_spelling_has_the_same_spellings(number: str) -> None:
    """So it does not matter by which of them a line is looked up."""
    for spelling in spellings(number):
        assert set(spellings(spelling)) == set(spellings(number))
        assert line_of(spelling) == line_of(number)


@given(number=Written)
def test_a_number_is_stored_as_libphonenumber_has_it(number: str) -> None:
    """What is valid stays as it was written; what is not becomes a valid spelling of the line, or is refused."""
    parsed = phonenumbers.parse(number)
    try:
        read = parse_phone(number, None).e164
    except ValueError:
        assert not any(phonenumbers.is_valid_number(phonenumbers.parse(s)) for s in spellings(number))
        return
    assert phonenumbers.is_valid_number(phonenumbers.parse(read))
    assert line_of(read) == line_of(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
    if phonenumbers.is_valid_number(parsed):
        assert read == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
