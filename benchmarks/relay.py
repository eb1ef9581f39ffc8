"""Events a second from a committed backlog into the stream, against redis-benchmark's XADD of the same fields."""

import asyncio
import re
import shutil
import statistics
import time
from typing import ClassVar
from urllib.parse import urlsplit

from benchmarks.stage.figures import record
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.entrypoints.bootstrap import collect_less_often
from event_stream_engine.events.base import Event
from event_stream_engine.settings import load_settings

EVENTS = 100_000
PER_TRANSACTION = 100
ROUNDS = 3
GOAL = 0.5
STREAM = "benchmark.payload.v1"


class Payload(Event, frozen=True, kw_only=True):
    """About 300 bytes of JSON."""

    stream: ClassVar[str] = STREAM
    number: int
    text: str = "x" * 270

    @property
    def key(self) -> str:
        return f"key-{self.number % 500}"


async def measure() -> None:
    collect_less_often()  # as every process does
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(ROUNDS):  # turn about, so that both meet the same machine
            rates["bare"].append(await redis_benchmark(servers))
            rates["ours"].append(await relayed(servers))
    mine, limit = statistics.median(rates["ours"]), statistics.median(rates["bare"])
    record(
        "relay", mine, "events/s", beside="XADD/s of redis-benchmark, pipelined", beside_value=limit,
        ratio=mine / limit, goal=f">= {GOAL} of redis-benchmark", met=mine / limit >= GOAL,
    )  # fmt: skip


async def relayed(servers: Servers) -> float:
    """Commit a backlog, then let a relay publish it: from its start to the last entry."""
    database = Database(servers.database_url, pool_size=5)
    client = connect(servers.redis_url)
    await client.delete(STREAM)
    for first in range(0, EVENTS, PER_TRANSACTION):
        async with database.transaction() as tx:
            await outbox.record_many(tx, [Payload(number=first + n) for n in range(PER_TRANSACTION)])
    stop = asyncio.Event()
    relay = Relay(database, RedisStreams(client), load_settings({}).backbone, stop)
    async with connect(servers.redis_url) as watcher:
        begin = time.perf_counter()
        working = asyncio.create_task(relay.run())
        while await watcher.xlen(STREAM) < EVENTS:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        took = time.perf_counter() - begin
    stop.set()
    await working
    async with database.driver() as connection:  # the next round begins with an empty log
        await connection.execute("TRUNCATE outbox, outbox_ticks, relay_positions, relay_status")
    await client.aclose()
    await database.close()
    return EVENTS / took


async def redis_benchmark(servers: Servers) -> float:
    """XADD of an entry with the same fields and sizes, from one connection, in pipelines of the relay's batch."""
    binary = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if binary is None:
        raise RuntimeError("redis-benchmark is not installed (Debian: redis-tools)")
    address = urlsplit(servers.redis_url)
    uuid = "01a1fc3a-33ce-706b-9f43-5e54fa91d0e1"
    fields = ["id", uuid, "type", "Payload", "subject", "key-100", "time", "2026-11-21T03:50:35.123456Z",
              "correlationid", uuid, "data", "x" * 300]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        binary, "-h", address.hostname or "127.0.0.1", "-p", str(address.port), "-a", address.password or "",
        "-n", str(EVENTS), "-c", "1", "-P", str(load_settings({}).backbone.batch_size), "--csv",
        "XADD", "bare", "*", *fields,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    found = re.findall(r'"([\d.]+)"', output.decode().splitlines()[-1])  # the first figure is requests a second
    async with connect(servers.redis_url) as client:
        if await client.xlen("bare") < EVENTS:
            raise RuntimeError(f"redis-benchmark did not add its entries: {output.decode()[-300:]}")
        await client.delete("bare")
    return float(found[0])
