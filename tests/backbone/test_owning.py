"""A group has one owner, and who takes it over knows how the last one ended."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.backbone.consumers import inbox, parking
from event_stream_engine.backbone.consumers.inbox import PositionMoved
from event_stream_engine.backbone.consumers.lease import GroupLease
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.backbone.supervising import holder_name
from event_stream_engine.database import Database, Transaction
from tests.backbone.conftest import SETTINGS, STREAM, WAIT_SECONDS, ProofFact
from tests.backbone.test_consumers import GROUP, Ledger, consumer_of, consuming, ledger, publish
from tests.backbone.test_failing_reactions import expire

__all__ = ["consumer_of", "ledger", "publish"]  # fixtures


async def test_a_predecessor_of_the_same_name_is_recognised_as_dead(database: Database) -> None:
    """A container starts again with the host name and the process id of the one that died."""
    first, second = (GroupLease(database, GROUP, holder_name(), 300) for _ in range(2))
    assert await first.take()
    assert await second.take()
    assert second.before == "crashed"


async def test_what_a_process_broke_off_itself_does_not_count_as_a_death(database: Database) -> None:
    lease = GroupLease(database, GROUP, holder_name(), 300)
    assert await lease.take()
    assert await lease.take()
    assert lease.before == "released"


async def test_an_epoch_that_is_over_commits_no_effects(database: Database) -> None:
    lease = GroupLease(database, GROUP, "one:1", 300)
    assert await lease.take()
    async with database.transaction() as tx:
        await inbox.fence(tx, GROUP, lease.epoch)
    await expire(database)
    assert await GroupLease(database, GROUP, "two:1", 300).take()
    with pytest.raises(PositionMoved):
        async with database.transaction() as tx:
            await inbox.fence(tx, GROUP, lease.epoch)


async def test_a_zombies_lanes_are_rolled_back(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """Nobody has applied its events yet when it goes on, so no inbox row stops it: its epoch does."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def stopped(tx: Transaction, event: Any) -> None:
        inside.set()
        await go_on.wait()
        await ledger.apply(tx, event)

    await publish("a", "b", "c", "d")
    patient = SETTINGS.model_copy(update={"consume_lease_seconds": 300})
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", stopped, lanes=3)})
    async with consuming(consumer_of(group, name="zombie:1", settings=patient)):
        await asyncio.wait_for(inside.wait(), WAIT_SECONDS)
        await expire(database)
        assert await GroupLease(database, GROUP, "successor:1", 300).take()
        go_on.set()
        await asyncio.wait_for(ledger.applied.wait(), WAIT_SECONDS)
    assert await ledger.effects() == []


async def test_what_is_due_behind_a_head_that_is_not_wakes_nobody(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(_PARK), {"group": GROUP, "stream": STREAM, "seq": 1, "due": 60})
        await tx.execute(text(_PARK), {"group": GROUP, "stream": STREAM, "seq": 2, "due": -60})
        heads, wait = await parking.due(tx, GROUP, 10)
    assert heads == []
    assert wait is not None
    assert wait > 1


_PARK = """
INSERT INTO parked_events (group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, next_attempt_at)
VALUES (:group, gen_random_uuid(), :stream, '1-' || CAST(:seq AS int), 1, CAST(:seq AS int), 'ProofFact', 'a', '{}',
        clock_timestamp() + make_interval(secs => CAST(:due AS int)))
"""
