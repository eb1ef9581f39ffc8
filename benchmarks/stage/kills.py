"""Processes that die while they write monitoring events, and one that is stopped while nobody takes them."""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from benchmarks.stage.processes import SECRET
from benchmarks.stage.writer import EVENT
from event_stream_engine import clock
from event_stream_engine.database import Database, migrate, raw
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.entrypoints.monitoring.keeping import SPOOL
from event_stream_engine.events.monitoring import Category
from event_stream_engine.ids import new_id
from event_stream_engine.monitoring.spool import Spool
from event_stream_engine.monitoring.store import Row

PER_SECOND = 1000
SPOOLED = 2000
"""Rows that an earlier process left on disk, before each round."""
READY_SECONDS = 60
STOP_SECONDS = 25.0


@dataclass
class Outcome:
    """Of all rounds together. `lost`: published, neither written nor on disk; `lost_committed`: of those that the
    process knew to be written; `holes`: lost ones before one that is there; `tail_seconds`: the age of the oldest one
    lost, at the kill."""

    rounds: int = 0
    lost: int = 0
    lost_most: int = 0
    lost_committed: int = 0
    holes: int = 0
    spooled_lost: int = 0
    doubled: int = 0
    tail_seconds: float = 0.0
    in_flush: int = 0


@dataclass
class Writer:
    """The process, and what it said."""

    process: Process
    said: list[tuple[int, int, float]] = field(default_factory=list)

    async def listen(self) -> None:
        """Until its output ends."""
        assert self.process.stdout is not None, "given"
        async for line in self.process.stdout:
            number, delivered, at = line.split()
            self.said.append((int(number), int(delivered), float(at)))

    async def until(self, published: int) -> None:
        """It has published up to this number."""
        async with asyncio.timeout(READY_SECONDS):
            while not self.said or self.said[-1][0] < published:
                assert self.process.returncode is None, "the writer ended"
                await asyncio.sleep(0.005)

    def published_at(self, number: int) -> float:
        """When it said to have published this number, at the earliest that is known."""
        return next((at for next_number, _, at in self.said if next_number > number), self.said[-1][2])


async def kills(rounds: int, seed: int = 1) -> Outcome:
    """`kill -9` so many times: in turn while a batch is held up within its transaction, and at any moment."""
    chance, outcome = random.Random(seed), Outcome()
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=2)
        with tempfile.TemporaryDirectory(prefix="ese-kills-") as home:
            first = 0
            for number in range(rounds):
                first = await _round(servers, database, Path(home), chance, outcome, first, holds=number % 2 == 0)
        await database.close()
    return outcome


async def _round(
    servers: Servers,
    database: Database,
    home: Path,
    chance: random.Random,
    outcome: Outcome,
    first: int,
    *,
    holds: bool,
) -> int:
    spooled = range(first, first + SPOOLED)
    _leave(home / SPOOL, spooled)
    begin = first + SPOOLED
    writer = await _begun(servers, home, begin)
    listening = asyncio.create_task(writer.listen())
    await writer.until(begin + chance.randint(1, 1000))
    if holds:
        outcome.in_flush += await _kill_in_flush(database, writer)
    else:
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        writer.process.kill()
    killed_at = time.monotonic()
    await writer.process.wait()
    await listening
    end = writer.said[-1][0]
    await _drained(servers, home, database)
    there, doubled = await _written(database, first, end + PER_SECOND)
    _judge(outcome, writer, there, spooled, range(begin, end), killed_at)
    outcome.doubled += doubled
    committed = max(0, writer.said[-1][1] - SPOOLED)  # what was on disk goes first
    outcome.lost_committed += max(0, committed - await _rows_of(database, writer))
    return end + PER_SECOND  # what it published after its last word


def _judge(
    outcome: Outcome, writer: Writer, there: set[int], spooled: range, published: range, killed_at: float
) -> None:
    lost = [number for number in published if number not in there]
    outcome.rounds += 1
    outcome.lost += len(lost)
    outcome.lost_most = max(outcome.lost_most, len(lost))
    outcome.holes += sum(number < max(there) for number in lost)
    outcome.spooled_lost += sum(number not in there for number in spooled)
    if lost:
        outcome.tail_seconds = max(outcome.tail_seconds, killed_at - writer.published_at(lost[0]))


_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def _kill_in_flush(database: Database, writer: Writer) -> bool:
    """Hold the row that every batch must lock; kill the process once a batch waits for it. Whether one did."""
    async with database.transaction() as tx:
        connection = await raw(tx)
        await connection.execute("SELECT FROM monitoring_channel FOR UPDATE")
        async with asyncio.timeout(READY_SECONDS):
            while not await connection.fetchval(_WAITING):  # noqa: ASYNC110  # a server tells nobody
                await asyncio.sleep(0.002)
        writer.process.kill()
        await writer.process.wait()
    return True


def _leave(folder: Path, numbers: range) -> None:
    """As a process leaves rows that nobody took: in files of a spool of its own."""
    spool = Spool(folder, f"earlier-{numbers.start}")
    spool.open()
    for start in range(numbers.start, numbers.stop, 500):
        rows = [_row(number) for number in range(start, min(start + 500, numbers.stop))]
        spool.write(Category.SYSTEM, [msgspec.json.encode(row) for row in rows])
    spool.close()


def _row(number: int) -> Row:
    content = f'{{"number":{number}}}'
    return Row(new_id(), EVENT, Category.SYSTEM, "earlier", clock.now(), content, "{}", None, None)


async def _begun(servers: Servers, home: Path, first: int, per_second: int = PER_SECOND) -> Writer:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stage.writer", str(first), str(per_second),
        env={**_ours(), "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "ESE_HOME": str(home),
             "ESE_SECRET_KEY": SECRET},
        stdout=PIPE, stderr=DEVNULL,
    )  # fmt: skip
    return Writer(process)


def _ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("ESE_")}


async def _drained(servers: Servers, home: Path, database: Database) -> None:
    """Another process takes up what the dead one left on disk, writes it and ends."""
    writer = await _begun(servers, home, 0, per_second=0)
    listening = asyncio.create_task(writer.listen())
    async with asyncio.timeout(READY_SECONDS):
        while any((home / SPOOL).glob("*/*.spool")):  # noqa: ASYNC110  # a folder tells nobody
            await asyncio.sleep(0.02)
    writer.process.send_signal(signal.SIGTERM)
    await writer.process.wait()
    await listening


async def _written(database: Database, first: int, end: int) -> tuple[set[int], int]:
    """The numbers in the table, and how many rows of them there are too many."""
    query = "SELECT (data->>'number')::int FROM monitoring_events WHERE event_type = $1"
    async with database.transaction() as tx:
        found = [row[0] for row in await (await raw(tx)).fetch(query, EVENT)]
    ours = [number for number in found if first <= number < end]
    return set(ours), len(ours) - len(set(ours))


async def _rows_of(database: Database, writer: Writer) -> int:
    query = "SELECT count(*) FROM monitoring_events WHERE source = $1"
    async with database.transaction() as tx:
        return int(await (await raw(tx)).fetchval(query, f"writer-{writer.process.pid}"))


@dataclass
class Stopped:
    """`seconds`: from SIGTERM to the exit. `found`: of the published ones, those in the table after a restart."""

    seconds: float
    code: int
    published: int
    found: int
    doubled: int


async def stopped_without_database(*, hangs: bool = False) -> Stopped:
    """PostgreSQL is killed, or stops answering, under a writer, which is then told to end; when it is back and another
    process has begun, all rows are there."""
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        with tempfile.TemporaryDirectory(prefix="ese-stopped-") as home:
            writer = await _begun(servers, Path(home), 0)
            listening = asyncio.create_task(writer.listen())
            await writer.until(PER_SECOND)
            _take_away(servers, hangs=hangs)
            try:
                await writer.until(4 * PER_SECOND)
                code, seconds = await _end(writer)
                await listening
            finally:
                await _bring_back(servers, hangs=hangs)
            database = Database(servers.database_url, pool_size=1)
            await _drained(servers, Path(home), database)
            there, doubled = await _written(database, 0, writer.said[-1][0])
            await database.close()
    return Stopped(seconds, code, writer.said[-1][0], len(there), doubled)


async def _end(writer: Writer) -> tuple[int, float]:
    began = time.monotonic()
    writer.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(4 * STOP_SECONDS):
        code = await writer.process.wait()
    return code, time.monotonic() - began


def _take_away(servers: Servers, *, hangs: bool) -> None:
    process = servers.postgres.process
    assert process is not None, "it runs"
    if not hangs:
        process.kill()
        process.wait()
        return
    for each in _family(process.pid):
        each.suspend()


async def _bring_back(servers: Servers, *, hangs: bool) -> None:
    if not hangs:
        await servers.postgres.start()
    elif servers.postgres.process is not None:
        for each in _family(servers.postgres.process.pid):
            each.resume()


def _family(pid: int) -> list[psutil.Process]:
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]
