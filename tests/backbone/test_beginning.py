"""Where a group begins to hear a stream, and that nothing is owed to it from before."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.subscriptions import GROUPS, Group, Reaction, subscribe
from event_stream_engine.backbone.verify import GroupProof, verify
from event_stream_engine.database import Database
from event_stream_engine.events.base import REGISTRY
from tests.backbone.conftest import WAIT_SECONDS, ProofFact
from tests.backbone.test_consumers import GROUP, Ledger, consumer_of, consuming, group_of, ledger, publish

__all__ = ["consumer_of", "ledger", "publish"]  # fixtures


class LateFact(ProofFact, frozen=True, kw_only=True):
    """A second type in the stream of the first."""


@pytest.fixture(autouse=True)
def late_facts(facts: None) -> Iterator[None]:
    REGISTRY["LateFact"] = LateFact
    yield
    del REGISTRY["LateFact"]


@pytest.fixture
def proven(database: Database, streams: RedisStreams) -> Callable[[Group], Any]:
    async def prove(group: Group) -> GroupProof:
        return (await verify(database, streams, [group])).groups[0]

    return prove


async def test_a_group_may_begin_at_the_end_and_is_owed_nothing_from_before(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, proven: Any
) -> None:
    await publish("a", "b")
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", ledger.apply, begins="end")})
    async with consuming(consumer_of(group)):
        await noted(database)
        await publish("a", "c")
        await ledger.wait_effects(2)
    async with consuming(consumer_of(group)):  # its next owner goes on where it stands
        await publish("b")
        await ledger.wait_effects(3)
    assert ledger.calls == [("a", 2), ("c", 1), ("b", 2)]
    proof = await proven(group)
    assert (proof.due, proof.before, proof.holds) == (3, 2, True)


async def test_a_type_that_a_group_comes_to_hear_later_is_owed_from_then_on(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, proven: Any
) -> None:
    await publish("a", kind=LateFact)
    async with consuming(consumer_of(group_of(ledger))):
        await publish("b")
        await ledger.wait_effects(1)
    both = group_of(ledger, "single", ProofFact, LateFact)
    async with consuming(consumer_of(both)):
        await publish("c", kind=LateFact)
        await ledger.wait_effects(2)
    proof = await proven(both)
    assert (proof.due, proof.before, proof.holds) == (2, 1, True)
    await forget(database, "inbox")
    proof = await proven(both)
    assert (proof.missing.count, proof.before, proof.holds) == (2, 1, False)


async def test_a_group_from_before_this_was_noted_is_owed_everything(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, proven: Any
) -> None:
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(2)
    await forget(database, "heard_types")
    async with consuming(consumer_of(group_of(ledger))):
        await noted(database)
    await forget(database, "inbox")
    proof = await proven(group_of(ledger))
    assert (proof.missing.count, proof.before) == (2, 0)


def test_a_group_has_one_place_in_a_stream() -> None:
    async def react(*_given: Any) -> None: ...

    subscribe(ProofFact, group="proof.both", begins="end")(react)
    try:
        with pytest.raises(TypeError, match="at the start and at the end"):
            subscribe(LateFact, group="proof.both")(react)
    finally:
        del GROUPS["proof.both"]


async def noted(database: Database) -> None:
    """Until an owner has said from where on it hears."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            async with database.transaction() as tx:
                if (await tx.execute(text("SELECT count(*) FROM heard_types"))).scalar_one():
                    return


async def forget(database: Database, table: str) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(f"DELETE FROM {table}"))
