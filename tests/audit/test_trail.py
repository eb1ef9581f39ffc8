"""The audit trail: found by who, what, whom and when; exported; and any change of it is seen."""

import asyncio
import csv
import io
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine import audit
from event_stream_engine.database import Database
from event_stream_engine.ids import new_id
from tests.web.client import Client

AUDIT = "/api/v1/audit"
ANA, BO = new_id(), new_id()


@pytest.fixture
async def trail(database: Database) -> None:
    for actor, action, entity in ((ANA, "campaign.launch", "a"), (BO, "campaign.pause", "a"), (None, "flag.kill", "b")):
        async with database.transaction() as tx:
            await audit.record(tx, actor, action, entity, {"z": 1, "a": {"number": 0.25, "text": "ü", "none": None}})


async def change(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement))


async def proof(database: Database, **given: Any) -> audit.Proof:
    async with database.transaction() as tx:
        return await audit.prove(tx, **given)


async def test_what_was_recorded_holds(database: Database, trail: None) -> None:
    found = await proof(database)
    assert (found.holds, found.checked, found.broken_at) == (True, 3, None)
    assert (await proof(database, newest=1)).checked == 1
    assert (await proof(database, newest=1)).holds


async def test_records_of_many_at_once_make_one_chain(database: Database) -> None:
    async def one(n: int) -> None:
        async with database.transaction() as tx:
            await audit.record(tx, ANA, "contact.add", n)

    await asyncio.gather(*(one(n) for n in range(20)))
    assert (await proof(database)).checked == 20
    assert (await proof(database)).holds


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("UPDATE audit_entries SET detail = '{}' WHERE id = 2", 2),
        ("UPDATE audit_entries SET actor_id = NULL WHERE id = 1", 1),
        ("UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE id = 3", 3),
        ("UPDATE audit_entries SET entity_id = 'c' WHERE id = 2", 2),
        ("DELETE FROM audit_entries WHERE id = 2", 3),
        ("DELETE FROM audit_entries WHERE id = 1", 2),
    ],
)
async def test_a_change_shows_at_its_place(database: Database, trail: None, tampering: str, broken_at: int) -> None:
    await change(database, tampering)
    found = await proof(database)
    assert (found.holds, found.broken_at) == (False, broken_at)


async def test_cutting_off_the_newest_shows_to_who_kept_the_last_hash(database: Database, trail: None) -> None:
    kept = await proof(database)
    assert kept.last_id is not None
    assert kept.last_hash is not None
    await change(database, "DELETE FROM audit_entries WHERE id = 3")
    assert (await proof(database)).holds, "the chain alone cannot know"
    assert not (await proof(database, known=(kept.last_id, kept.last_hash))).holds


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"actor_id": str(ANA)}, ["campaign.launch"]),
        ({"action": "campaign.pause"}, ["campaign.pause"]),
        ({"action": "campaign.*"}, ["campaign.pause", "campaign.launch"]),
        ({"entity_id": "b"}, ["flag.kill"]),
        ({"since": "2100-01-01T00:00:00Z"}, []),
        ({"until": "2000-01-01T00:00:00Z"}, []),
    ],
)
async def test_entries_are_found(owner: Client, trail: None, query: dict[str, str], found: list[str]) -> None:
    page = (await owner.get(AUDIT, params=query)).json()
    assert [entry["action"] for entry in page["items"]] == found


async def test_pages_and_the_export_hold_every_entry_once_with_names(owner: Client, trail: None) -> None:
    paged: list[Any] = []
    cursor = None
    while True:
        page = (await owner.get(AUDIT, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    exported = list(csv.DictReader(io.StringIO((await owner.get(f"{AUDIT}/export.csv")).text)))
    assert [row["id"] for row in exported[1:]] == [str(entry["id"]) for entry in paged]
    assert (exported[0]["action"], exported[0]["actor"]) == ("audit.export", "Ana"), "the export is an entry itself"
    assert {entry["action"] for entry in paged} == set((await owner.get(f"{AUDIT}/actions")).json()["items"]) - {
        "audit.export"
    }


async def test_the_proof_is_given_over_http(owner: Client, trail: None, database: Database) -> None:
    good = (await owner.get(f"{AUDIT}/verification")).json()
    assert (good["holds"], good["complete"], len(good["last_hash"])) == (True, True, 64)
    await change(database, "UPDATE audit_entries SET action = 'campaign.none' WHERE action = 'campaign.pause'")
    assert (await owner.get(f"{AUDIT}/verification")).json()["holds"] is False
