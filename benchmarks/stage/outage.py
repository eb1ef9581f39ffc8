"""A database that dies under a steady stream of monitoring events and comes back: what it cost."""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import REGISTRY

from benchmarks.stage.gate import Gate, gated
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import DATABASE_ERRORS, Database, migrate, raw
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.flags.api import Flags
from event_stream_engine.live import Hub
from event_stream_engine.monitoring.adapters import RealtimeAdapter
from event_stream_engine.monitoring.api import Broadcaster
from event_stream_engine.monitoring.persisting import Persister
from event_stream_engine.monitoring.spool import Spool
from event_stream_engine.resilience import State

PER_SECOND = 1000
TICK_SECONDS = 0.01
LOOK_SECONDS = 5.0
"""As the health monitor of `ese serve` looks whether the database answers."""
CALM_SECONDS = 120.0


@dataclass
class Outcome:
    """What an outage cost. `calls_to_open`: failed calls until the breaker opened; `attempts`: connections that the
    persister asked for in vain; `looks`: those of the process's own health look."""

    published: int = 0
    rows: int = 0
    distinct: int = 0
    dropped: int = 0
    imbalance: int = 0
    calls_to_open: int = 0
    attempts: int = 0
    looks: int = 0
    waited: int = 0
    spooled: int = 0
    drained_seconds: float = 0.0


@dataclass
class Stream:
    """Events at a steady rate into a process's broadcaster, with the database behind a door."""

    database: Database
    persister: Persister
    broadcaster: Broadcaster
    gate: Gate
    outcome: Outcome = field(default_factory=Outcome)
    is_down: bool = False

    async def publish(self) -> None:
        """Until canceled; what a late tick missed is made up for."""
        began = time.perf_counter()
        while True:
            for _ in range(int((time.perf_counter() - began) * PER_SECOND) - self.outcome.published):
                self.broadcaster.tell("outage", {"number": self.outcome.published})
                self.outcome.published += 1
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        while True:
            self.outcome.looks += self.is_down
            with contextlib.suppress(*DATABASE_ERRORS):
                await self.database.ping()
            await asyncio.sleep(LOOK_SECONDS)


async def outage(seconds: float) -> Outcome:
    """Kill PostgreSQL for so long under 1,000 events a second."""
    async with throwaway_servers(durable=True) as servers, gated(servers.database_url) as gate:
        await migrate(servers.database_url)
        with tempfile.TemporaryDirectory(prefix="ese-outage-") as folder:
            async with _streaming(gate, Path(folder)) as stream:
                await _until(lambda: stream.persister.ledger.delivered > PER_SECOND, CALM_SECONDS)
                await _break(servers, stream, seconds)
            await _account(servers, stream)
            return stream.outcome


@asynccontextmanager
async def _streaming(gate: Gate, folder: Path) -> AsyncIterator[Stream]:
    database = Database(gate.url, pool_size=4)
    persister = Persister(database, Flags(), "outage", spool=Spool(folder, "one"))
    adapters = [RealtimeAdapter(persister)]
    broadcaster = Broadcaster(Flags(), Hub(None), adapters=adapters, persister=persister, source="outage")
    stream = Stream(database, persister, broadcaster, gate)
    await persister.open()
    persisting = asyncio.create_task(persister.run())
    beside = [asyncio.create_task(stream.publish()), asyncio.create_task(stream.look())]
    try:
        yield stream
    finally:
        await end(*beside)
        await persister.close(CALM_SECONDS)
        await persisting
        await database.close()


async def _break(servers: Servers, stream: Stream, seconds: float) -> None:
    persister, outcome = stream.persister, stream.outcome
    before, failed = stream.gate.knocks, _failed_calls(persister)
    persister.breaker.listeners.append(
        lambda change: (
            setattr(outcome, "calls_to_open", outcome.calls_to_open or _failed_calls(persister) - failed)
            if change.after is State.OPEN
            else None
        )
    )
    stream.is_down = True
    _kill(servers)
    await asyncio.sleep(seconds)
    outcome.waited, outcome.spooled = persister.pending, persister.figures()["spooled"]
    outcome.attempts = stream.gate.knocks - before - outcome.looks
    stream.is_down = False
    await servers.postgres.start()
    await _drained(stream)


async def _drained(stream: Stream) -> None:
    """Until what waited at the return is written, while as many go on coming; the time it took."""
    ledger, back = stream.persister.ledger, time.perf_counter()
    waited = ledger.accepted
    await _until(lambda: ledger.delivered >= waited and not stream.persister.figures()["spooled"], CALM_SECONDS)
    stream.outcome.drained_seconds = time.perf_counter() - back


async def _account(servers: Servers, stream: Stream) -> None:
    database, outcome = Database(servers.database_url, pool_size=1), stream.outcome
    async with database.transaction() as tx:
        found = await (await raw(tx)).fetchrow(
            "SELECT count(*), count(DISTINCT data->'number') FROM monitoring_events WHERE event_type = 'outage'"
        )
    await database.close()
    assert found is not None, "a count is a row"
    outcome.rows, outcome.distinct = found
    ledgers = stream.broadcaster.ledgers()
    outcome.dropped = sum(ledger.dropped_total + ledger.dead_lettered for ledger in ledgers)
    outcome.imbalance = sum(abs(ledger.imbalance) for ledger in ledgers)


def _kill(servers: Servers) -> None:
    process = servers.postgres.process
    assert process is not None, "it runs"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def _failed_calls(persister: Persister) -> int:
    """Of all breakers of this name in the process, by their counter."""
    labels = {"breaker": persister.breaker.name, "verdict": "failure"}
    return int(REGISTRY.get_sample_value("ese_breaker_calls_total", labels) or 0)


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # counters tell nobody
            await asyncio.sleep(0.05)
