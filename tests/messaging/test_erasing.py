"""An erased person is nowhere in the database, and their STOP stays in force."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from event_stream_engine import encryption
from event_stream_engine.encryption import Keyring
from event_stream_engine.messaging.actions import contacts, erasing, inbound, suppressions
from event_stream_engine.messaging.store import erasures
from event_stream_engine.messaging.twilio.webhooks import parse_inbound
from tests.messaging.conftest import BY, SENDER, World, calm, later, phone
from tests.messaging.imports.conftest import Importer, csv_of, importer
from tests.sandbox.conftest import Receiver, StartSandbox
from tests.sandbox.test_gateway_outcomes import Connect

__all__ = ["importer"]

DIGITS = phone(0).removeprefix("+1")
SECRET = "Rumpelstiltskin"
TABLES = (
    "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


async def places(world: World, *texts: str) -> set[str]:
    """The tables that hold one of the texts, written in any way."""
    found = set()
    async with world.database.transaction() as tx:
        for table in (await tx.execute(text(TABLES))).scalars().all():
            query = f"""
            SELECT count(*) FROM {table} AS t WHERE t::text LIKE ANY (:patterns)
            OR regexp_replace(t::text, '[ ().-]', '', 'g') LIKE ANY (:patterns)
            """
            patterns = [f"%{one}%" for one in texts]
            if (await tx.execute(text(query), {"patterns": patterns})).scalar_one():
                found.add(table)
    return found


async def finish(world: World) -> list[bool]:
    """One round of the task."""
    async with world.database.transaction() as tx:
        waiting = await erasures.unfinished(tx)
    return [await world.act(erasing.go_on, erasure_id) for erasure_id in waiting]


async def erase(world: World, number: int = 0) -> None:
    await world.act(contacts.remove_contact, world.contacts[phone(number)], by=BY)


async def apply_inbound(world: World) -> None:
    """What the consumer does with each message that was received."""
    async with world.database.transaction() as tx:
        rows = (await tx.execute(text("SELECT * FROM inbound_messages"))).all()
    for row in rows:
        event = inbound.InboundReceived(
            inbound_id=str(row.id), phone=row.phone, kind=row.kind, channel=row.channel, sender=row.sender,
            received_at=row.received_at,
        )  # fmt: skip
        await world.act(inbound.apply, event)


async def test_nothing_of_an_erased_person_is_left_in_any_table(
    heard: World, importer: Importer, receiver: Receiver, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    world = heard
    gateway = gateway_to((await start_sandbox(calm())).url)
    campaign = await world.launched(2, body="Hi {name|there}")
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE contacts SET attributes = jsonb_build_object('name', CAST(:name AS text)) "
                              "WHERE phone = :phone"), {"name": SECRET, "phone": phone(0)})  # fmt: skip
    await world.send_round(campaign, gateway)
    await world.apply_callbacks(await receiver.wait_for(4))
    await importer.run(csv_of(f"{phone(0)},,{SECRET}", f"{phone(0)},,{SECRET} 2", f"(415) 234-0000 x5,,{SECRET}"))
    await world.hear(0, f"I am {SECRET}", channel="whatsapp")
    await world.hear(0, "STOP")
    await apply_inbound(world)
    before = await world.statuses(campaign)
    assert len(await places(world, DIGITS, SECRET)) >= 7, "it was there to be erased"

    await erase(world)
    left = await places(world, DIGITS, SECRET)
    assert "messages" not in left, "what an index finds is erased at once"
    assert await finish(world) == [False], "consumers may still read the events"
    with later(erasing.EVENTS_SETTLE.total_seconds() + 60):
        assert await finish(world) == [True]
        assert await finish(world) == []
    assert await places(world, DIGITS, SECRET) == set()

    assert await world.statuses(campaign) == before, "the reports' counts stay exact"
    await world.assert_counted(campaign)
    async with world.database.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM inbound_messages"))).scalar_one() == 2
        erased = (await tx.execute(text("SELECT erased FROM erasures"))).scalar_one()
    assert erased["messages"] == 1
    assert erased["inbound_messages"] == 2
    assert erased["import_rejects"] == 1
    assert erased["import_merges"] == 1
    assert erased["events"] >= 3


async def test_a_message_on_its_way_keeps_its_number_until_it_is_settled(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    campaign = await world.launched(1)
    claim = await world.claim(campaign)
    await erase(world)
    with later(3600):
        assert await finish(world) == [False]
        assert set(await world.rows(campaign)) == {phone(0)}
        await world.record(await world.send(claim, gateway))
        assert await finish(world) == [True]
        assert set(await world.rows(campaign)) == {""}


async def again(world: World, consent: str = "opted_in") -> tuple[str, str | None]:
    """The number is added by hand once more; its consent and where that comes from."""
    change = contacts.ContactChange(phone=phone(0), consent=consent)  # type: ignore[arg-type]
    contact = await world.act(contacts.add_contact, change, by=BY)
    world.contacts[phone(0)] = contact.id
    return contact.consent, contact.consent_source


async def test_a_stop_outlives_the_contact_until_the_person_writes_start(world: World, importer: Importer) -> None:
    await world.add_contact(0)
    await world.hear(0, "STOP")
    await erase(world)
    file = csv_of(f"{phone(0)},yes,Oslo", f"{phone(1)},yes,Oslo")
    tried = await importer.run(file, dry_run=True)
    assert (tried.created, tried.consent_kept) == (2, 1)
    done = await importer.run(file)
    assert (done.created, done.consent_kept) == (2, 1)
    assert await world.consent(0) == ("stopped", "inbound:stop")
    assert (await world.consent(1))[0] == "opted_in"
    rows = await importer.contacts()
    world.contacts[phone(0)] = rows[phone(0)].id
    assert rows[phone(0)].consent_changed_at < done.started_at, "when the person said it"

    await erase(world)
    assert await again(world) == ("stopped", "inbound:stop")
    await world.hear(0, "START")
    assert await world.consent(0) == ("opted_in", "inbound:start")
    await erase(world)
    assert (await again(world))[0] == "opted_in"


async def test_an_opt_out_outlives_the_contact_until_the_team_lifts_it(world: World) -> None:
    await world.add_contact(0, consent="opted_out")
    await erase(world)
    assert await again(world) == ("opted_out", "staff")
    change = contacts.ContactChange(consent="opted_in")
    await world.act(contacts.change_contact, world.contacts[phone(0)], change, by=BY, if_match=None)
    await erase(world)
    assert (await again(world))[0] == "opted_in"


async def test_who_never_said_no_leaves_no_hash(world: World) -> None:
    await world.add_contact(0)
    await erase(world)
    async with world.database.transaction() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM suppressions"))).scalar_one() == 0


async def test_a_stop_from_a_number_that_cannot_be_read_refuses_every_later_claim(world: World) -> None:
    """The contact was stored by an earlier release, with a number that is not valid any more."""
    campaign = await world.draft()
    async with world.database.transaction() as tx:
        await tx.execute(text("INSERT INTO contacts (phone, consent) VALUES ('+999123456', 'opted_in')"))
    before = REGISTRY.get_sample_value("ese_unread_stops_total") or 0
    form = parse_inbound([("MessageSid", "SM1"), ("From", "+999123457"), ("To", SENDER), ("Body", "STOP")])
    await world.act(inbound.receive, form)
    assert REGISTRY.get_sample_value("ese_unread_stops_total") == before + 1
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE contacts SET phone = '+999123457'"))
    await world.launch(campaign)
    assert (await world.claim(campaign)).outgoing == []
    (row,) = (await world.rows(campaign)).values()
    assert (row.status, row.reason) == ("refused", "stopped")
    await world.count()
    await world.assert_counted(campaign)


async def test_a_contact_takes_over_what_the_person_of_its_new_number_said(world: World) -> None:
    await world.add_contact(0)
    await world.hear(0, "STOP")
    await erase(world)
    other: UUID = await world.add_contact(1)
    change = contacts.ContactChange(phone=phone(0))
    await world.act(contacts.change_contact, other, change, by=BY, if_match=None)
    assert await world.consent(0) == ("stopped", "inbound:stop")


@pytest.fixture
def secret_key() -> Any:
    """The tests' own key is in force again afterwards."""
    yield encryption.configure
    encryption.configure("k" * 40)


async def test_a_new_secret_key_still_knows_who_said_no(world: World, secret_key: Callable[..., None]) -> None:
    await world.add_contact(0)
    await world.hear(0, "STOP")
    await erase(world)
    new = Keyring.of("n" * 40, "k" * 40)
    assert await world.act(suppressions.rotate, new, "test")
    assert not await world.act(suppressions.rotate, new, "test")
    secret_key("n" * 40)
    assert phone(0) in await world.act(suppressions.suppressed, [phone(0)])
    secret_key("o" * 40)
    with pytest.raises(encryption.SecretUnreadable):
        await world.act(suppressions.suppressed, [phone(0)])
