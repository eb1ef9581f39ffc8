"""What a statement reads grows with what it is asked for, also while PostgreSQL has no statistics of a table that was
empty a moment ago: after a storm is when it matters."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy import text

from event_stream_engine.backbone import outbox, ticks
from event_stream_engine.backbone.consumers import inbox, parking
from event_stream_engine.backbone.packing import take
from event_stream_engine.backbone.relay.lease import Lease
from event_stream_engine.database import Database, Transaction, raw
from event_stream_engine.events.base import Envelope
from tests.backbone.conftest import STREAM, ProofFact, facts

__all__ = ["facts"]  # fixture

GROUP = "proof.plans"
KEYS = 12
EACH = 150
TICKS = 150


async def touched(tx: Transaction, tables: str) -> int:
    """Rows read and index searches made by this transaction in tables whose name begins so."""
    query = """
    SELECT coalesce(sum(seq_tup_read + coalesce(idx_scan, 0) + coalesce(idx_tup_fetch, 0)), 0)::bigint
    FROM pg_stat_xact_user_tables WHERE relname LIKE :tables || '%'
    """
    return int((await tx.execute(text(query), {"tables": tables})).scalar_one())


@asynccontextmanager
async def few_touched(tx: Transaction, most: float) -> AsyncIterator[None]:
    """Of the parked events, within the block."""
    before = await touched(tx, "parked_events")
    yield
    assert await touched(tx, "parked_events") - before < most


@pytest.fixture
def waiting() -> Sequence[Envelope]:
    """Events of a few keys, many of each."""
    return [
        Envelope(
            id=uuid4(),
            type="ProofFact",
            subject=f"k{number % KEYS}",
            time="2026-01-01T00:00:00Z",
            entry_id=f"1-{number}",
            stream=STREAM,
            data=msgspec.Raw(b"{}"),
        )
        for number in range(1, KEYS * EACH + 1)
    ]


async def test_what_becomes_due_behind_what_was_applied_is_found_by_its_key(
    database: Database, waiting: Sequence[Envelope]
) -> None:
    async with database.transaction() as tx:
        await parking.park_behind(tx, GROUP, waiting)
    async with database.transaction() as tx, few_touched(tx, len(waiting) / 10):
        await parking.promote_fronts(tx, GROUP, waiting[: 2 * KEYS])
        due, _ = await parking.due(tx, GROUP, 100)
    assert {head.event_id for head in due} == {entry.id for entry in waiting[:KEYS]}


async def test_what_waits_is_not_read_to_find_what_is_due_or_has_nothing_before_it(
    database: Database, waiting: Sequence[Envelope]
) -> None:
    """Both are asked again and again while a key waits, be it with a million events."""
    async with database.transaction() as tx:
        await parking.park_behind(tx, GROUP, waiting)
    async with database.transaction() as tx, few_touched(tx, len(waiting) / 10):
        assert await parking.due(tx, GROUP, 100) == ([], None)
        await parking.promote_orphans(tx, GROUP)
        due, _ = await parking.due(tx, GROUP, 100)
    assert {head.event_id for head in due} == {entry.id for entry in waiting[:KEYS]}


async def test_whether_a_key_waits_is_asked_once_for_each_event(
    database: Database, waiting: Sequence[Envelope]
) -> None:
    async with database.transaction() as tx:
        await parking.park_behind(tx, GROUP, waiting)
        await tx.execute(text("INSERT INTO outbox_ticks (id, snapshot, generation) VALUES (1, '10:10:', 1)"))
    new = [msgspec.structs.replace(entry, id=uuid4()) for entry in waiting[:200]]
    async with database.transaction() as tx, few_touched(tx, 2 * len(waiting)):
        taken = await inbox.take(tx, GROUP, new)
    assert (taken.free, len(taken.waiting)) == ([], len(new))


async def test_the_log_is_read_once_however_many_transactions_were_open_at_each_tick(database: Database) -> None:
    lease = Lease(database, "host:1:1", 60)
    assert await lease.take()
    async with database.driver() as connection:
        newest = ticks.BEFORE_ALL
        for number in range(TICKS):
            async with database.transaction() as late:
                await outbox.record(late, ProofFact(entity=f"late {number}", version=1))
                async with database.transaction() as tx:
                    await outbox.record(tx, ProofFact(entity=f"early {number}", version=1))
                newest = await following(connection, newest, lease.epoch)
        newest = await following(connection, newest, lease.epoch)
    async with database.transaction() as tx:
        before = await touched(tx, "outbox_2")
        found = [entry async for slice_ in ticks.history(await raw(tx), 0, newest.id) for _, entry in slice_]
        read = await touched(tx, "outbox_2") - before
    assert len(found) == 2 * TICKS
    assert read < 50 * len(found), "an index search in each day's partition for each tick, and not the whole log"


async def following(connection: ticks.Connection, previous: ticks.Tick, epoch: int) -> ticks.Tick:
    taken = await take(connection, previous, epoch, 500)
    assert taken is not None
    return taken.tick
