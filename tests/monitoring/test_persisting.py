"""What the persister took is in PostgreSQL once, waits, or is counted as lost with its reason; whatever fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.monitoring import FIRST_TO_GO, Category
from event_stream_engine.flags.api import Flags
from event_stream_engine.live.channel import Channel
from event_stream_engine.monitoring import store, table_channel
from event_stream_engine.monitoring.persisting import Persister
from event_stream_engine.monitoring.spool import Spool
from event_stream_engine.resilience import Backoff, Breaker, Guard, State, Thresholds
from tests.monitoring.making import published

WAIT_SECONDS = 30
QUICK = Thresholds(open_seconds=0.02, open_seconds_max=0.05)


class FailingDatabase(Database):
    """A real one whose next transactions fail as planned: `before` nothing is done, `after` the commit's answer is
    lost."""

    def __init__(self, url: str) -> None:
        super().__init__(url, pool_size=4, application="test")
        self.plan: list[str] = []
        self.is_down = False
        self.attempts = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.attempts += 1
        fault = "before" if self.is_down else self.plan.pop(0) if self.plan else "none"
        if fault == "before":
            raise ConnectionRefusedError("as planned")
        async with super().transaction() as tx:
            yield tx
        if fault == "after":
            raise ConnectionResetError("as planned")


@pytest.fixture
async def failing(database_url: str) -> AsyncIterator[FailingDatabase]:
    database = FailingDatabase(database_url)
    yield database
    await database.close()


def quick(name: str = "test") -> Guard:
    return Guard(Breaker(name, thresholds=QUICK), timeout=10.0, backoff=Backoff(base=0.001, cap=0.005))


def made(database: Database, **given: Any) -> Persister:
    return Persister(database, Flags(), given.pop("instance", "test-1"), **{"guard": quick(), **given})


async def rows(database: Database, query: str, **given: Any) -> list[Any]:
    async with database.transaction() as tx:
        return list((await tx.execute(text(query), given)).all())


async def one(database: Database, query: str) -> Any:
    return (await rows(database, query))[0][0]


async def settled(persister: Persister) -> None:
    """Flush until everything is written."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (await persister.flush()).is_complete:  # noqa: ASYNC110  # the breaker's pause has no signal
            await asyncio.sleep(0)


async def test_events_are_written_once_and_the_flush_says_so_after_the_commit(database: Database) -> None:
    persister = made(database)
    events = [published(number, metadata={"k": "v"}) for number in range(250)]
    for each in events:
        persister.offer(each)
    done = await persister.flush()
    assert (done.is_complete, done.persisted, done.pending) == (True, 250, 0)
    for each in events:  # the same again
        persister.offer(each)
    await persister.flush()
    kept = await rows(
        database,
        "SELECT event_id, \"offset\", data->'number', metadata->>'k', category FROM monitoring_events ORDER BY 2",
    )
    assert [(row[0], row[1], row[2]) for row in kept] == [
        (each.event.event_id, number + 1, number) for number, each in enumerate(events)
    ]
    assert {(row[3], row[4]) for row in kept} == {("v", "system")}
    assert persister.ledger.imbalance == 0


async def test_offsets_of_many_writers_are_contiguous_and_seen_in_order_by_a_follower(database: Database) -> None:
    writers = [made(database, instance=f"test-{number}", guard=quick(f"w{number}")) for number in range(4)]
    channel, stop, there = Channel(), asyncio.Event(), asyncio.Event()
    seen: list[int] = []
    channel.listeners.append(lambda each: seen.append(each.offset))
    channel.listeners.append(lambda _: there.set() if channel.top == 1200 else None)
    began = asyncio.Event()
    channel.restarted.append(began.set)
    following = asyncio.create_task(table_channel.follow(database, channel, stop))
    async with asyncio.timeout(WAIT_SECONDS):
        await began.wait()

        async def write(writer: Persister) -> None:
            for number in range(300):
                writer.offer(published(number))
                if number % 7 == 0:
                    await writer.flush()
            await writer.flush()

        await asyncio.gather(*(write(writer) for writer in writers))
        await there.wait()
    assert seen == list(range(1, 1201))
    assert await one(database, "SELECT top FROM monitoring_channel") == 1200
    stop.set()
    await following


async def test_a_follower_that_comes_late_begins_with_the_newest_and_can_resume_there(database: Database) -> None:
    writer = made(database)
    for number in range(1500):
        writer.offer(published(number))
    await writer.flush()
    channel, stop, began = Channel(), asyncio.Event(), asyncio.Event()
    channel.restarted.append(began.set)
    following = asyncio.create_task(table_channel.follow(database, channel, stop))
    async with asyncio.timeout(WAIT_SECONDS):
        await began.wait()
    assert channel.top == 1500
    resumed = channel.since(channel.epoch, 1400)
    assert (resumed.is_recovered, [each.offset for each in resumed.messages]) == (True, list(range(1401, 1501)))
    stop.set()
    await following


async def test_a_database_that_is_down_costs_few_attempts_and_no_row(failing: FailingDatabase) -> None:
    guard = Guard(Breaker("test"), backoff=Backoff(base=0.001, cap=0.005))
    persister = made(failing, guard=guard)
    failing.is_down = True
    with capture_logs() as logged:
        for number in range(3000):
            persister.offer(published(number))
            if number % 100 == 0:
                done = await persister.flush(deadline=1.0)
                assert not done.is_complete
    causes = [line["error"] for line in logged if line["event"] == "monitoring rows wait for the database"]
    assert causes == ["ConnectionRefusedError", "CircuitOpen"], "each change is said once, and not each of 30 flushes"
    assert (guard.breaker.state, failing.attempts <= 10) == (State.OPEN, True)
    assert (persister.pending, persister.ledger.imbalance) == (3000, 0)
    failing.is_down = False
    guard.breaker.reset()
    await settled(persister)
    assert await one(failing, "SELECT count(*) FROM monitoring_events") == 3000
    assert (persister.pending, persister.ledger.imbalance) == (0, 0)


async def test_a_row_that_postgresql_refuses_is_a_dead_letter_and_the_others_are_written(database: Database) -> None:
    persister = made(database)
    for number in range(100):
        persister.offer(published(number, data={"text": "a\0b"} if number == 41 else {"number": number}))
    done = await persister.flush()
    assert (done.is_complete, done.persisted) == (True, 99)
    assert await one(database, "SELECT count(*) FROM monitoring_events") == 99
    ((state, payload),) = await rows(database, "SELECT sqlstate, payload FROM monitoring_dead_letters")
    assert state.startswith("22")
    assert b"a\\\\u0000b" in payload
    assert (persister.ledger.dead_lettered, persister.ledger.imbalance) == (1, 0)
    assert persister.breaker.state is State.CLOSED


async def test_metrics_are_deltas_and_an_answer_that_was_lost_counts_nothing_twice(failing: FailingDatabase) -> None:
    persister = made(failing)
    counted = {("events", "a"): 3.0, ("events", "b"): 1.0}
    persister.collect = lambda: dict(counted)
    failing.plan = ["after"]
    await settled(persister)
    counted["events", "a"] = 10.0
    failing.plan = ["before", "after", "before"]
    await settled(persister)
    kept = await rows(failing, "SELECT name, label, sum(value) FROM monitoring_metrics_raw GROUP BY 1, 2 ORDER BY 2")
    assert [tuple(row) for row in kept] == [("events", "a", 10.0), ("events", "b", 1.0)]
    assert [row[0] for row in await rows(failing, "SELECT flush_seq FROM monitoring_flushes ORDER BY 1")] == [1, 2]


async def test_what_a_dead_database_does_not_take_waits_on_disk_for_the_next_process(
    failing: FailingDatabase, tmp_path: Path
) -> None:
    failing.is_down = True
    first = made(failing, spool=Spool(tmp_path, "first"))
    await first.open()
    for number in range(700):
        first.offer(published(number, FIRST_TO_GO[number % 5]))
    closed = await first.close(deadline=1.0)
    assert (closed.is_complete, closed.persisted, closed.pending) == (False, 0, 700)
    assert first.ledger.imbalance == 0
    failing.is_down = False
    second = made(failing, spool=Spool(tmp_path, "second"))
    await second.open()
    assert second.pending == 700
    await settled(second)
    kept = await rows(failing, "SELECT (data->'number')::int FROM monitoring_events ORDER BY 1")
    assert [row[0] for row in kept] == list(range(700))
    assert not list(tmp_path.rglob("*.spool"))
    assert second.ledger.imbalance == 0
    await second.close()


async def test_rows_are_written_as_soon_as_the_database_answers_anybody_else(failing: FailingDatabase) -> None:
    """However long the breaker would wait by itself."""
    patient = Breaker("patient", thresholds=Thresholds(open_seconds=3600, open_seconds_max=3600))
    persister = made(failing, guard=Guard(patient, timeout=10.0, backoff=Backoff(base=0.001, cap=0.005)))
    failing.is_down = True
    opened = asyncio.Event()
    patient.listeners.append(lambda change: opened.set() if change.after is State.OPEN else None)
    running = asyncio.create_task(persister.run())
    persister.offer(published(1))
    async with asyncio.timeout(WAIT_SECONDS):
        await opened.wait()
        attempts = failing.attempts
        failing.is_down = False
        await failing.ping()  # anybody else
        while persister.pending:  # noqa: ASYNC110  # the persister tells nobody
            await asyncio.sleep(0)
    assert failing.attempts - attempts <= 4, "the ping, the rows and the hint to those who follow"
    assert await one(failing, "SELECT count(*) FROM monitoring_events") == 1
    await persister.close()
    await running


async def test_a_full_buffer_goes_to_disk_and_comes_back(failing: FailingDatabase, tmp_path: Path) -> None:
    persister = made(failing, spool=Spool(tmp_path, "one"), rows_max=2000)
    await persister.open()
    failing.is_down = True
    running = asyncio.create_task(persister.run())
    for number in range(10_000):
        persister.offer(published(number))
        if number % 200 == 0:
            async with asyncio.timeout(WAIT_SECONDS):
                while persister.fill >= 0.8:  # noqa: ASYNC110  # the persister tells nobody
                    await asyncio.sleep(0)
    failing.is_down = False
    await settled(persister)
    await persister.close()
    await running
    assert await one(failing, "SELECT count(*) FROM monitoring_events") == 10_000
    assert (persister.ledger.delivered, persister.ledger.dropped_total, persister.ledger.imbalance) == (10_000, 0, 0)


async def test_what_comes_while_a_long_spool_is_written_is_not_lost(database: Database, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "earlier")
    spool.open()
    for start in range(0, 2000, 100):
        spool.write(Category.SYSTEM, [msgspec.json.encode(row_of(number)) for number in range(start, start + 100)])
    spool.close()
    persister = made(database, spool=Spool(tmp_path, "one"), rows_max=200)
    await persister.open()
    flushing = asyncio.create_task(persister.flush())
    offered = 2000
    while not flushing.done():
        if persister.fill < 0.9 and offered < 3000:  # a flush ends only once no more comes
            persister.offer(published(offered))
            offered += 1
        await asyncio.sleep(0)
    assert offered > 2400, "more came than there is room for"
    await settled(persister)
    assert (persister.ledger.dropped_total, persister.ledger.imbalance) == (0, 0)
    assert await one(database, "SELECT count(DISTINCT data->'number') FROM monitoring_events") == offered
    await persister.close()


async def test_a_corrupt_record_is_skipped_and_counted_and_the_others_are_written(
    database: Database, tmp_path: Path
) -> None:
    spool = Spool(tmp_path, "one")
    spool.open()
    records = [msgspec.json.encode(row_of(number)) for number in range(5)]
    spool.write(Category.SYSTEM, records)
    spool.close()
    (path,) = tmp_path.rglob("*.spool")
    content = bytearray(path.read_bytes())
    content[len(records[0]) + 20] ^= 0xFF  # in the second record
    path.write_bytes(content)
    persister = made(database, spool=Spool(tmp_path, "one"))
    await persister.open()
    await settled(persister)
    kept = await rows(database, "SELECT (data->'number')::int FROM monitoring_events ORDER BY 1")
    assert [row[0] for row in kept] == [0, 2, 3, 4]
    assert persister.ledger.dropped["corrupt", Category.SYSTEM] == 1
    assert persister.ledger.imbalance == 0


def test_a_full_spool_gives_up_the_least_worth_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one", bytes_max=1000)
    spool.open()
    spool.write(Category.CRITICAL, [b"c" * 300])
    spool.write(Category.DEBUG, [b"d" * 300])
    spool.write(Category.SYSTEM, [b"s" * 300])
    (gone,) = spool.write(Category.SYSTEM, [b"t" * 300])
    assert (gone.category, gone.count, spool.count) == (Category.DEBUG, 1, 3)
    spool.close()


async def test_a_disk_that_takes_nothing_loses_nothing(failing: FailingDatabase, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    persister = made(failing, spool=spool)
    await persister.open()
    failing.is_down = True
    for number in range(50):
        persister.offer(published(number, FIRST_TO_GO[number % 5]))
    (tmp_path / "one").rename(tmp_path / "elsewhere")
    assert not await persister._spill()
    assert (persister.pending, persister.ledger.imbalance) == (50, 0)
    failing.is_down = False
    await settled(persister)
    kept = await rows(failing, "SELECT (data->'number')::int FROM monitoring_events ORDER BY \"offset\"")
    assert [row[0] for row in kept] == list(range(50))


def test_a_folder_that_a_living_process_holds_is_left_alone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "first"), Spool(tmp_path, "second")
    first.open()
    first.write(Category.SYSTEM, [b"a"])
    assert second.open() == 0
    first.close()
    assert Spool(tmp_path, "third").open() == 1
    second.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 30), st.sampled_from(FIRST_TO_GO)),
        st.tuples(st.just("poison"), st.just(1), st.just(Category.SYSTEM)),
        st.tuples(st.just("fail"), st.integers(1, 4), st.sampled_from(["before", "after"])),
        st.tuples(st.just("flush"), st.just(0), st.just("")),
        st.tuples(st.just("spill"), st.just(0), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
@example(
    [
        ("offer", 17, Category.DEBUG),
        ("fail", 1, "before"),
        ("fail", 3, "after"),
        ("flush", 0, ""),
        ("offer", 44, Category.DEBUG),
    ]
)
def test_every_row_is_accounted_for_whatever_fails(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, Any]]
) -> None:
    asyncio.run(account(database_url, tmp_path_factory.mktemp("spool"), steps))


async def account(url: str, folder: Path, steps: list[tuple[str, int, Any]]) -> None:
    failing = FailingDatabase(url)
    persister = made(failing, spool=Spool(folder, "one"), rows_max=60)
    await persister.open()
    before = await one(failing, "SELECT count(*) FROM monitoring_events")
    for step, count, what in steps:
        if step == "offer":
            for number in range(count):
                persister.offer(published(number, what))
        elif step == "poison":
            persister.offer(published(data={"text": "\0"}))
        elif step == "fail":
            failing.plan += [what] * count
        elif step == "flush":
            await persister.flush(deadline=1.0)
        else:
            await persister._spill()
        assert persister.ledger.imbalance == 0
    failing.plan.clear()
    await settled(persister)
    ledger = persister.ledger
    assert (ledger.imbalance, ledger.pending) == (0, 0)
    assert await one(failing, "SELECT count(*) FROM monitoring_events") - before == ledger.delivered
    top, newest = (await rows(failing, "SELECT top, (SELECT count(*) FROM monitoring_events) FROM monitoring_channel"))[
        0
    ]
    assert top == newest
    await persister.close()
    await failing.close()


def row_of(number: int) -> store.Row:
    event = published(number).event
    return store.Row(
        event.event_id, event.event_type, event.worth, event.source, event.timestamp,
        f'{{"number":{number}}}', "{}", None, None,
    )  # fmt: skip
