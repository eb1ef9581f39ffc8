"""Events consumed a second, each with a one-row effect exactly once, against a bare insert of the same batches."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from sqlalchemy import text

from benchmarks.relay import EVENTS, PER_TRANSACTION, Payload
from benchmarks.stage.figures import record
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import GROUPS, subscribe_batch
from event_stream_engine.database import Database, Transaction, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.entrypoints.bootstrap import collect_less_often
from event_stream_engine.settings import load_settings

COUNT = 2 * EVENTS
ROUNDS = 3
GOAL = 0.4
GROUP = "benchmark.effects"
BATCH = load_settings({}).backbone.consume_batch
TABLE = "CREATE TABLE effects (number int PRIMARY KEY, text text NOT NULL)"
INSERT = text(
    "INSERT INTO effects (number, text) SELECT * FROM unnest(CAST(:numbers AS int[]), CAST(:texts AS text[]))"
)


_left = 0
_all_heard = asyncio.Event()


@subscribe_batch(Payload, group=GROUP)
async def react(tx: Transaction, events: Sequence[Payload]) -> None:
    global _left
    await apply(tx, events)
    _left -= len(events)
    if _left <= 0:
        _all_heard.set()


async def apply(tx: Transaction, events: Sequence[Payload]) -> None:
    """What a reaction does that keeps the facts: a row with the event's contents, under its key."""
    await tx.execute(INSERT, {"numbers": [event.number for event in events], "texts": [e.text for e in events]})


async def measure() -> None:
    collect_less_often()  # as every process does
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=6, ping=False)
        async with database.transaction() as tx:
            await tx.execute(text(TABLE))
        await publish(servers, database)
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(ROUNDS):
            rates["bare"].append(await bare(database))
            rates["ours"].append(await consumed(servers, database))
        await database.close()
    mine, limit = statistics.median(rates["ours"]), statistics.median(rates["bare"])
    record(
        "effects", mine, "events/s", beside="rows/s of the bare batched insert", beside_value=limit,
        ratio=mine / limit, goal=f">= {GOAL} of the bare insert", met=mine / limit >= GOAL,
    )  # fmt: skip


async def publish(servers: Servers, database: Database) -> None:
    """A backlog in the stream, so that only consuming is measured."""
    for first in range(0, COUNT, PER_TRANSACTION):
        async with database.transaction() as tx:
            await outbox.record_many(tx, [Payload(number=first + n) for n in range(PER_TRANSACTION)])
    async with connect(servers.redis_url) as client, connect(servers.redis_url) as watcher:
        stop = asyncio.Event()
        relaying = asyncio.create_task(Relay(database, RedisStreams(client), load_settings({}).backbone, stop).run())
        await full(watcher)
        stop.set()
        await relaying


async def full(watcher: "object") -> None:
    while await watcher.xlen(Payload.stream) < COUNT:  # type: ignore[attr-defined]  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def consumed(servers: Servers, database: Database) -> float:
    """From the consumer's start to the last effect's commit; the group begins anew."""
    global _left
    _left = COUNT
    _all_heard.clear()
    async with database.transaction() as tx:
        for table in ("inbox", "group_positions", "consumer_groups", "effects"):
            await tx.execute(text(f"TRUNCATE {table}"))
    stop = asyncio.Event()
    settings = load_settings({}).backbone
    async with connect(servers.redis_url) as client:
        consumer = Consumer(GROUPS[GROUP], database, RedisStreams(client), settings, stop)
        begin = time.perf_counter()
        consuming = asyncio.create_task(consumer.run())
        await _all_heard.wait()  # asked only from here on: asking takes the processor from who works
        while await applied(database) < COUNT:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        took = time.perf_counter() - begin
        stop.set()
        await consuming
    return COUNT / took


async def applied(database: Database) -> int:
    async with database.transaction() as tx:
        return int(
            (
                await tx.execute(text("SELECT consumed_total FROM consumer_groups UNION ALL SELECT 0 LIMIT 1"))
            ).scalar_one()
        )


async def bare(database: Database) -> float:
    """The same rows in the same batches, each a transaction, and nothing else."""
    async with database.transaction() as tx:
        await tx.execute(text("TRUNCATE effects"))
    begin = time.perf_counter()
    for first in range(0, COUNT, BATCH):
        async with database.transaction() as tx:
            await apply(tx, [Payload(number=first + n) for n in range(BATCH)])
    return COUNT / (time.perf_counter() - begin)
