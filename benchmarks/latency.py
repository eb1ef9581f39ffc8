"""Commit to effect: how long an event is on its way, at 200, 2,000 and 10,000 events a second."""

import asyncio
import statistics
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from typing import ClassVar

from redis.asyncio import Redis

from benchmarks.stage.figures import record
from benchmarks.stage.processes import started
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import GROUPS, subscribe_batch
from event_stream_engine.database import Database, Transaction, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.binaries import postgres_folder
from event_stream_engine.entrypoints.bootstrap import collect_less_often
from event_stream_engine.events.base import Event
from event_stream_engine.settings import load_settings

SECONDS = 5
ROUNDS = 3  # the median of them
WRITERS = 5
# Events a second, events a transaction, goal for p99 in milliseconds. 2,000 commits a second take a core by themselves:
# what of the delay is theirs, the same events in a tenth of them tell.
RATES = {
    "latency_200": (200, 1, 50.0),
    "latency": (2000, 1, 15.0),
    "latency_by_tens": (2000, 10, 15.0),
    "latency_10000": (10_000, 10, 200.0),
}
GROUP = "benchmark.latency"
INSERT = """
INSERT INTO outbox (stream, key, event_id, type, time, correlation_id, schema_version, data)
SELECT 'benchmark.clocked.v1', 'clock', id, 'Clocked', now(), id, 1,
       jsonb_build_object('started', extract(epoch FROM clock_timestamp()))
FROM (SELECT uuidv7() AS id FROM generate_series(1, :together)) AS events;
"""


class Clocked(Event, frozen=True, kw_only=True):
    """Carries the moment before its commit, in seconds since 1970."""

    stream: ClassVar[str] = "benchmark.clocked.v1"
    started: float

    @property
    def key(self) -> str:
        return "clock"


_delays: list[float] = []
_more = asyncio.Event()


@subscribe_batch(Clocked, group=GROUP)
async def arrive(tx: Transaction, events: Sequence[Clocked]) -> None:
    now = time.time()
    _delays.extend(now - event.started for event in events)
    _more.set()


async def measure() -> None:
    """The relay and the writers are processes of their own, as in real life; this one consumes."""
    collect_less_often()  # as every process does
    settings = load_settings({})
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=3, ping=False)
        stop = asyncio.Event()
        clients = [connect(servers.redis_url) for _ in range(3)]
        consumer = Consumer(GROUPS[GROUP], database, RedisStreams(clients[0]), settings.backbone, stop)
        consuming = asyncio.create_task(consumer.run())
        relay = await started("relay", servers)
        try:
            await write(servers.database_url, 100, 1)  # all is warm and connected
            await _arrived(100)
            beside = await _bare(clients[1], clients[2])
            for name, (rate, together, goal) in RATES.items():
                quantiles = [await _round(servers.database_url, rate, together) for _ in range(ROUNDS)]
                p50, p99 = (statistics.median(one) for one in zip(*quantiles, strict=True))
                of = f"{rate} events/s, {together} a transaction (p50: {p50:.1f} ms)"
                record(
                    name, p99, f"ms p99 at {of}", beside="ms p99 of XADD to XREAD alone", beside_value=beside,
                    ratio=p99 / beside, goal=f"p99 <= {goal:.0f} ms", met=p99 <= goal,
                )  # fmt: skip
        finally:
            relay.terminate()
            await relay.wait()
            stop.set()
            await consuming
            await asyncio.gather(*(client.aclose() for client in clients))
            await database.close()


async def _round(url: str, rate: int, together: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    _delays.clear()
    await write(url, rate, together, SECONDS)
    await _arrived(rate * SECONDS)
    cuts = statistics.quantiles(_delays, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


async def write(url: str, rate: int, together: int, seconds: int = 1) -> None:
    """`rate` events a second, `together` in a transaction, at random moments, by some connections of PostgreSQL's own
    load generator. Both ends are read from this machine's clock; the way of the insert to the server is not in it."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(INSERT)
        script.flush()
        transactions = rate * seconds // (together * WRITERS)
        writer = await asyncio.create_subprocess_exec(
            postgres_folder() / "bin" / "pgbench", "--no-vacuum", "--protocol=prepared", "--client", str(WRITERS),
            "--rate", str(rate / together), "--transactions", str(transactions), "--define", f"together={together}",
            "--file", script.name, url, stdout=DEVNULL, stderr=PIPE,
        )  # fmt: skip
        _, said = await writer.communicate()
    if writer.returncode:
        raise RuntimeError(said.decode())


async def _arrived(count: int) -> None:
    async with asyncio.timeout(60):
        while len(_delays) < count:
            _more.clear()
            await _more.wait()


async def _bare(writer: "Redis", reader: "Redis") -> float:
    """p99 in milliseconds of one XADD seen by a blocked XREAD: the floor under any relay to Redis."""
    delays = []
    last = "0"
    for _ in range(500):
        waiting = asyncio.ensure_future(_next(reader, last))
        await asyncio.sleep(0.001)
        started = time.perf_counter()
        last = str(await writer.xadd("bare", {"n": "1"}))
        await waiting
        delays.append(time.perf_counter() - started)
    return statistics.quantiles(delays, n=100)[98] * 1000


async def _next(reader: "Redis", last: str) -> None:
    await reader.xread({"bare": last}, count=1, block=5000)
