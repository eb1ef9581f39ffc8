"""Relayed events a second while the outbox grows to ten million published rows, and beside an old open transaction."""

import asyncio
import time

from benchmarks.relay import PER_TRANSACTION, STREAM, Payload
from benchmarks.stage.figures import record
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.settings import load_settings

SIZES = (100_000, 10_000_000)
BACKLOG = 20_000
ROUNDS = 3
FLAT = 0.8


async def measure() -> None:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=6)
        rates, held = [], 0
        for size in SIZES:
            await fill(database, size - held)
            held = size
            rates.append(await relayed(servers, database))
        async with database.driver() as old, old.transaction():
            await old.execute("CREATE TEMP TABLE kept_open (n int)")  # a transaction that has written and stays open
            beside_old = await relayed(servers, database)
        await database.close()
    _keep("growth", rates[1], rates[0], f"events/s at {SIZES[1]:,} rows", f"events/s at {SIZES[0]:,} rows")
    _keep("growth_open_transaction", beside_old, rates[1], "events/s beside an open transaction", "events/s without it")


def _keep(name: str, value: float, limit: float, unit: str, beside: str) -> None:
    ratio = value / limit
    record(name, value, unit, beside=beside, beside_value=limit, ratio=ratio, goal=f">= {FLAT} (flat)",
           met=ratio >= FLAT)  # fmt: skip


async def fill(database: Database, rows: int) -> None:
    """Rows of long ago for the relay: published, and kept for replay."""
    async with database.driver() as connection:
        await connection.execute(_FILL, rows)
        await connection.execute("VACUUM ANALYZE outbox")
        await connection.execute(_COVER)


_FILL = """
INSERT INTO outbox (stream, key, event_id, type, time, data)
SELECT 'benchmark.old.v1', 'key-' || n % 500, uuidv7(), 'Old', now(),
       jsonb_build_object('text', repeat('x', 270))
FROM generate_series(1, $1::int) AS n
"""

# A tick that covers them, and a relay that has handed it out to every stream.
_COVER = """
WITH covered AS (
    INSERT INTO outbox_ticks (id, snapshot)
    SELECT greatest(coalesce((SELECT max(id) FROM outbox_ticks), 0) + 1, (extract(epoch FROM now()) * 1000)::bigint),
           pg_current_snapshot() RETURNING id
), passed AS (
    UPDATE relay_positions SET tick = covered.id FROM covered
)
INSERT INTO relay_status (name, handed) SELECT 'relay', id FROM covered
ON CONFLICT (name) DO UPDATE SET handed = excluded.handed
"""


async def relayed(servers: Servers, database: Database) -> float:
    """The median of some rounds: a fresh backlog from its first commit on the stream to its last entry."""
    rates = []
    for _ in range(ROUNDS):
        async with connect(servers.redis_url) as client, connect(servers.redis_url) as watcher:
            before = await watcher.xlen(STREAM)
            for first in range(0, BACKLOG, PER_TRANSACTION):
                async with database.transaction() as tx:
                    await outbox.record_many(tx, [Payload(number=first + n) for n in range(PER_TRANSACTION)])
            stop = asyncio.Event()
            begin = time.perf_counter()
            working = asyncio.create_task(Relay(database, RedisStreams(client), load_settings({}).backbone, stop).run())
            while await watcher.xlen(STREAM) < before + BACKLOG:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            rates.append(BACKLOG / (time.perf_counter() - begin))
            stop.set()
            await working
    return sorted(rates)[len(rates) // 2]
