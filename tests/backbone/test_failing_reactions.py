"""What fails, crashes, hangs or is refused harms its own key only, is counted as what it was, and is never lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.subscriptions import Group, Reaction, Reject, Retry
from event_stream_engine.backbone.supervising import holder_name
from event_stream_engine.database import Database, Transaction
from tests.backbone.conftest import SETTINGS, STREAM, WAIT_SECONDS, ProofFact, Record, die, working
from tests.backbone.test_consumers import GROUP, Ledger, consumer_of, consuming, group_of, ledger, publish

__all__ = ["consumer_of", "ledger", "publish"]  # fixtures

ONE = SETTINGS.model_copy(update={"attempts_max": 1})


async def rows(database: Database, query: str) -> list[Any]:
    async with database.transaction() as tx:
        return list((await tx.execute(text(query))).mappings())


async def wait_rows(database: Database, query: str, count: int = 1) -> list[Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        while len(found := await rows(database, f"{query} LIMIT 1000")) < count:
            async with database.transaction() as tx:
                await tx.execute(text("SELECT pg_sleep(0.02)"))
        return found


DEAD = "SELECT * FROM dead_letters"
PARKED = "SELECT * FROM parked_events"


async def test_an_event_that_fails_too_often_becomes_a_dead_letter_and_its_key_goes_on(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    ledger.failing = {"bad"}
    await publish("bad", "a")
    async with consuming(consumer_of(group_of(ledger), settings=ONE)):
        (dead,) = await wait_rows(database, DEAD)
        ledger.failing = set()
        await publish("bad")
        assert await ledger.wait_effects(2) == [("a", 1), ("bad", 2)]
    assert (dead["failed"], dead["crashed"], dead["taken_over"], dead["status"]) == (1, 0, 0, "open")
    assert (dead["error_class"], dead["error"], dead["key"]) == ("ValueError", "bad cannot be applied", "bad")
    assert "in _call" in dead["stack"]
    assert [line["kind"] for line in dead["history"]] == ["failed"]
    assert dead["envelope"]["data"] == {"entity": "bad", "version": 1}
    assert await rows(database, PARKED) == []


@pytest.mark.parametrize(("error", "dead"), [(Reject("never"), True), (Retry(after=3600), False)])
async def test_a_reaction_says_itself_whether_to_try_again(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, error: Exception, dead: bool
) -> None:
    async def refuse(tx: Transaction, event: Any) -> None:
        if event.entity == "bad":
            raise error
        await ledger.apply(tx, event)

    await publish("bad", "bad", "a")
    async with consuming(consumer_of(Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", refuse)}))):
        await ledger.wait_effects(1)
        if dead:
            found = await wait_rows(database, DEAD, 2)
            assert {row["error"] for row in found} == {"never"}
        else:
            found = await wait_rows(database, f"{PARKED} ORDER BY seq", 2)
            query = f"SELECT extract(epoch FROM next_attempt_at - now()) AS s FROM ({PARKED}) p WHERE failed = 1"
            assert 3000 < (await rows(database, query))[0]["s"] <= 3600
            assert [row["failed"] for row in found] == [1, 0], "the second waits behind the first"


async def test_a_reaction_without_end_is_cut_off_and_counted(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    async def hang(tx: Transaction, event: Any) -> None:
        if event.entity == "slow":
            await tx.execute(text("SELECT pg_sleep(60)"))
        await ledger.apply(tx, event)

    settings = ONE.model_copy(update={"handler_seconds": 0.3})
    await publish("a", "slow", "b")
    hanging = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", hang)})
    async with consuming(consumer_of(hanging, settings=settings)):
        (dead,) = await wait_rows(database, DEAD)
        assert await ledger.wait_effects(2) == [("a", 1), ("b", 1)]
    assert (dead["error_class"], dead["key"]) == ("HandlerTimedOut", "slow")


async def test_an_event_whose_consumer_dies_each_time_is_given_up_and_the_others_flow(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """The process dies inside the reaction, again and again; each death leaves the lease behind."""
    reached = asyncio.Event()

    async def kill(tx: Transaction, event: Any) -> None:
        if event.entity == "deadly":
            reached.set()
            await asyncio.Event().wait()
        await ledger.apply(tx, event)

    deadly = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", kill)})
    await publish("a", "deadly", "b")
    for death in range(SETTINGS.crashes_max + 1):
        reached.clear()
        task = asyncio.create_task(consumer_of(deadly, name=f"gone-host:{death}").run())
        await asyncio.wait_for(reached.wait(), WAIT_SECONDS)
        await die(task)
        await expire(database)
    async with consuming(consumer_of(deadly, name="last:1")):
        (dead,) = await wait_rows(database, DEAD)
        await ledger.wait_effects(2)
    assert await ledger.effects() == [("a", 1), ("b", 1)]
    assert (dead["error_class"], dead["failed"], dead["crashed"]) == ("StartedTooOften", 0, 0)
    assert dead["taken_over"] == SETTINGS.crashes_max


async def test_nobody_died_of_what_a_failing_server_broke_off(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """An event that failed is marked before it is tried again; who tries it over and over lives."""
    answers = [ValueError("once"), *[ConnectionError("no broker")] * 3]
    once = SETTINGS.model_copy(update={"crashes_max": 1})

    async def unlucky(tx: Transaction, event: Any) -> None:
        if answers:
            raise answers.pop(0)
        await ledger.apply(tx, event)

    await publish("a")
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", unlucky)})
    async with consuming(consumer_of(group, settings=once)):
        assert await ledger.wait_effects(1) == [("a", 1)]
    assert await rows(database, DEAD) == []
    assert await rows(database, "SELECT * FROM delivery_attempts") == []


async def expire(database: Database) -> None:
    """As if the dead owner's lease had run out."""
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE consumer_groups SET expires_at = clock_timestamp() WHERE NOT released"))


async def test_a_zombie_that_goes_on_after_its_lease_commits_nothing_twice(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """Stopped in the middle of a batch, its group taken over meanwhile, then let go on."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def stopped(tx: Transaction, event: Any) -> None:
        inside.set()
        await go_on.wait()
        await ledger.apply(tx, event)

    patient = SETTINGS.model_copy(update={"consume_lease_seconds": 300})
    await publish("a", "b")
    sleepy = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", stopped)})
    async with consuming(consumer_of(sleepy, name="zombie:1", settings=patient)):
        await asyncio.wait_for(inside.wait(), WAIT_SECONDS)
        await expire(database)
        async with consuming(consumer_of(group_of(ledger), name="successor:1")):
            await asyncio.sleep(0)
            go_on.set()  # both now apply the same events; one of them must lose
            await ledger.wait_effects(2)
            await publish("a")
            await ledger.wait_effects(3)
    assert sorted(await ledger.effects()) == [("a", 1), ("a", 2), ("b", 1)]


async def test_a_process_of_this_host_that_is_gone_is_not_waited_for(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    """A killed consumer starts again at once, not when its lease is over."""
    host = holder_name().rpartition(":")[0]
    patient = SETTINGS.model_copy(update={"consume_lease_seconds": 300})
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO consumer_groups (group_name, holder, epoch, expires_at, released) "
                "VALUES (:group, :holder, 7, now() + interval '1 hour', false)"
            ),
            {"group": GROUP, "holder": f"{host}:4194999"},  # above the greatest process id of Linux
        )
    await publish("a")
    async with consuming(consumer_of(group_of(ledger), settings=patient, name=holder_name())):
        await ledger.wait_effects(1)


@pytest.mark.parametrize("trim", ["all", "to the last"])
async def test_entries_trimmed_before_they_were_read_come_from_the_outbox(
    database: Database, redis: "Redis", ledger: Ledger, consumer_of: Any, publish: Any, trim: str
) -> None:
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(2)
    await publish("a", "c", "b", "a")
    await redis.xtrim(STREAM, maxlen=0 if trim == "all" else 1, approximate=False)
    async with consuming(consumer_of(group_of(ledger))):
        found = await ledger.wait_effects(6)
    assert found == [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("b", 2), ("a", 3)]


@pytest.mark.parametrize("loss", ["group destroyed", "stream deleted"])
async def test_a_group_that_lost_its_place_in_the_transport_goes_on_from_postgresql(
    database: Database,
    streams: RedisStreams,
    redis: "Redis",
    ledger: Ledger,
    consumer_of: Any,
    record: Record,
    loss: str,
) -> None:
    async with working(Relay(database, streams, SETTINGS)), consuming(consumer_of(group_of(ledger))):
        await record("a", "b")
        await ledger.wait_effects(2)
        await (redis.xgroup_destroy(STREAM, GROUP) if loss == "group destroyed" else redis.delete(STREAM))
        await record("a")
        await ledger.wait_effects(3)
    assert await ledger.effects() == [("a", 1), ("b", 1), ("a", 2)]


async def test_a_paused_group_stands_still_and_goes_on_where_it_was(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    async with consuming(consumer_of(group_of(ledger))) as task:
        await publish("a")
        await ledger.wait_effects(1)
        async with database.transaction() as tx:
            await tx.execute(text("UPDATE consumer_groups SET paused_at = now(), paused_by = 'ana'"))
        await obeyed(database)
        await publish("b")
        assert not task.done()
        assert await ledger.effects() == [("a", 1)]
        async with database.transaction() as tx:
            await tx.execute(text("UPDATE consumer_groups SET paused_at = NULL"))
        assert await ledger.wait_effects(2) == [("a", 1), ("b", 1)]


async def obeyed(database: Database) -> None:
    """Two heartbeats later the owner has read it."""
    query = "SELECT expires_at FROM consumer_groups"
    for _ in range(3):
        (before,) = await rows(database, query)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await rows(database, query))[0] == before:
                async with database.transaction() as tx:
                    await tx.execute(text("SELECT pg_sleep(0.05)"))


async def test_lanes_apply_at_the_same_time_and_keep_the_order_of_each_key(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    at_once: list[int] = []
    running = 0

    async def apply(tx: Transaction, event: Any) -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        await tx.execute(text("SELECT pg_sleep(0.01)"))
        await ledger.apply(tx, event)
        running -= 1

    names = [name for _ in range(5) for name in "abcdefgh"]
    await publish(*names)
    settings = SETTINGS.model_copy(update={"consume_batch": 40})
    group = Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", apply, lanes=4)})
    async with consuming(consumer_of(group, settings=settings)):
        found = await ledger.wait_effects(len(names))
    assert max(at_once) > 1
    for name in "abcdefgh":
        assert [version for entity, version in sorted_by_commit(found, name)] == [1, 2, 3, 4, 5]


def sorted_by_commit(found: list[tuple[str, int]], name: str) -> list[tuple[str, int]]:
    return [effect for effect in found if effect[0] == name]


async def test_a_consumer_that_is_asked_to_stop_finishes_its_batch_and_releases_its_group(
    database: Database, ledger: Ledger, consumer_of: Callable[..., Any], publish: Any
) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction, event: Any) -> None:
        inside.set()
        await go_on.wait()
        await ledger.apply(tx, event)

    await publish("a", "b")
    consumer = consumer_of(Group(GROUP, {"ProofFact": Reaction(ProofFact, "single", slow)}))
    task = asyncio.create_task(consumer.run())
    await asyncio.wait_for(inside.wait(), WAIT_SECONDS)
    consumer.stop.set()
    go_on.set()
    await asyncio.wait_for(task, WAIT_SECONDS)
    assert await ledger.effects() == [("a", 1), ("b", 1)]
    assert [row["released"] for row in await rows(database, "SELECT released FROM consumer_groups")] == [True]


@pytest.mark.parametrize("fields", [{"who": "knows"}, {b"x": b"\xff\xfe"}], ids=["text", "no text"])
async def test_a_foreign_entry_is_left_out_and_the_group_does_not_lose_its_place(
    database: Database,
    streams: RedisStreams,
    redis: "Redis",
    ledger: Ledger,
    consumer_of: Any,
    record: Record,
    fields: Any,
) -> None:
    async with working(Relay(database, streams, SETTINGS)), consuming(consumer_of(group_of(ledger))):
        await record("a")
        await ledger.wait_effects(1)
        await redis.xadd(STREAM, fields, id="99999999999999-0")
        await record("b", "a")
        assert await ledger.wait_effects(3) == [("a", 1), ("b", 1), ("a", 2)]


@pytest.mark.parametrize("kind", ["single", "batch"])
async def test_failures_of_one_batch_are_left_out_and_the_others_called_twice_at_most(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, kind: Any
) -> None:
    ledger.failing = {"e3", "e4", "e17"}
    names = [f"e{number}" for number in range(25)]
    await publish(*names, "e3", "e5")
    large = SETTINGS.model_copy(update={"consume_batch": 100, "attempts_max": 1000})
    async with consuming(consumer_of(group_of(ledger, kind), settings=large)):
        found = await ledger.wait_effects(len(names) - 3 + 1)
        calls = list(ledger.calls)
        parked = await wait_rows(database, PARKED, 4)
    good = [(name, 1) for name in names if name not in ledger.failing]
    assert found == [*good, ("e5", 2)], "in their order"
    at_once = kind == "batch"  # tried together first, up to the first that fails
    assert max(calls.count(one) for one in good) <= 2 + at_once
    assert sorted((row["key"], row["envelope"]["data"]["version"]) for row in parked) == [
        ("e17", 1), ("e3", 1), ("e3", 2), ("e4", 1),
    ]  # fmt: skip
