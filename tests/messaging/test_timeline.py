"""What a contact's page tells of them: who created them then, and what became of each message, in words."""

from typing import Any

from sqlalchemy import text

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.store import contacts as store
from tests.messaging.conftest import World, phone


async def entries(world: World, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await world.act(store.timeline, world.contacts[phone(number)], 100)
    return found


async def created(world: World, number: int) -> str | None:
    (entry,) = [entry for entry in await entries(world, number) if entry["kind"] == "created"]
    detail: str | None = entry["detail"]
    return detail


async def _as_imported(tx: Transaction) -> None:
    await tx.execute(text("DELETE FROM consent_changes"))
    await tx.execute(text("UPDATE contacts SET import_id = gen_random_uuid(), consent_source = 'import:1'"))


async def test_a_stop_does_not_change_who_created_a_contact(world: World) -> None:
    await world.add_contact(1)
    await world.act(_as_imported)
    await world.add_contact(2)
    for number in (1, 2):
        await world.hear(number, "STOP")
    imported = await created(world, 1)
    assert imported is not None
    assert imported.startswith("import:")
    assert await created(world, 2) == "staff"


async def test_a_stranger_who_writes_stop_was_created_by_it(world: World) -> None:
    await world.hear(3, "STOP")
    rows = await world.act(lambda tx: tx.execute(text("SELECT id FROM contacts")))
    world.contacts[phone(3)] = rows.scalar_one()
    assert await created(world, 3) == "inbound:stop"


async def test_a_message_is_told_with_its_state_and_reason_apart_from_its_name(world: World) -> None:
    await world.add_contact(1, consent="opted_out")
    campaign = await world.draft(name="Spring")
    await world.launch(campaign)
    (told,) = [entry for entry in await entries(world, 1) if entry["kind"] == "message"]
    assert (told["title"], told["status"], told["reason"]) == ("Spring", "refused", "opted_out")
