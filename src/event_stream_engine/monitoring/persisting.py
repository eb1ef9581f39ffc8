"""The persister: monitoring events and metrics into PostgreSQL, through its outages.

Rows wait in memory (50,000 or 64 MiB), then on disk (`spool`), and go in batches, `retry(breaker(timeout(call)))`. A
flush says true only after the commit. An open breaker discards nothing; a server that could not be reached is probed
again as soon as it answers anybody else in this process. Rows that the database refuses for what is in them (SQLSTATE
22, 23) become dead letters; the others of their batch are written. Events are idempotent by their id, metrics are
deltas under a unique (instance, epoch, number) and leave memory only after the commit. Rows whose commit's answer was
lost are written again, which changes nothing, and never go from a full memory before that: they may be there.
A process that is killed loses what was neither committed nor spooled: at most the metrics of one flush interval, and
of the events the batch under way and those that came within it or within `LINGER_SECONDS`; or those that waited in
memory for a database that was down.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.events.monitoring import Category
from event_stream_engine.flags.api import Flags
from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.channel import new_epoch
from event_stream_engine.live.queues import WorthQueue, portions
from event_stream_engine.monitoring import store
from event_stream_engine.monitoring.model import Published
from event_stream_engine.monitoring.spool import CORRUPT, Batch, Spool
from event_stream_engine.monitoring.store import MetricFlush, Row
from event_stream_engine.resilience import Breaker, CircuitOpen, Guard, Verdict, is_unreachable, judge, sqlstate
from event_stream_engine.telemetry import Repeated

log = structlog.get_logger()

FILL = Gauge("ese_monitoring_buffer_fill_ratio", "How full a buffer of monitoring rows is, 0 to 1", ["buffer"])
AGE = Gauge("ese_monitoring_flush_age_intervals", "Since everything was written last, in intervals of flushing")
FLUSHES = Counter("ese_monitoring_flushes_total", "Flushes of the persister, by what became of them", ["result"])
SECONDS = Histogram("ese_monitoring_batch_seconds", "Time of one batch of events to its commit")

ROWS_MAX = 50_000
BYTES_MAX = 64 * 2**20
BATCH_MAX = 1000
LINGER_SECONDS = 0.2
FILES_AT_ONCE = 4
"""Of the spool, each of up to BATCH_MAX rows, in one transaction: a commit costs as much as hundreds of rows."""
BYTES_AT_ONCE = 8 * 2**20
"""And so much of them on disk, or one file."""
SPILL_AT = 0.5
"""From this fill on rows are spooled when the database does not take them."""
PAUSE_SECONDS_MAX = 1.0
DEADLINE_SECONDS = 30.0
SHUTDOWN_SECONDS = 10.0

_FAILED = (CircuitOpen, *DATABASE_ERRORS)


@dataclass(frozen=True)
class Flushed:
    """Rows committed by this flush, and those that still wait."""

    is_complete: bool
    persisted: int
    pending: int


class Persister:
    """One per process; `run` writes by size and interval, `flush` now. MONITORING_METRICS_PERSISTENCE switches the
    metrics, MONITORING_METRICS_FLUSH_INTERVAL is their interval, MONITORING_BATCH_SIZE how many waiting events are
    written at once; a backlog goes in batches of up to 1,000."""

    def __init__(
        self,
        database: Database,
        flags: Flags,
        instance: str,
        *,
        spool: Spool | None = None,
        guard: Guard | None = None,
        rows_max: int = ROWS_MAX,
    ) -> None:
        self.collect: Callable[[], dict[tuple[str, str], float]] = dict
        """Every figure to persist, cumulative."""
        self.ledger = Ledger("persister", lambda: self.pending)
        self.metrics_pending = 0
        self.last_flush: dict[str, Any] | None = None
        self._database, self._flags, self._spool = database, flags, spool
        self._instance, self._epoch = instance, new_epoch()
        self._guard = guard or Guard(Breaker("monitoring_database"))
        self._queue: WorthQueue[Row] = WorthQueue(self.ledger, rows_max, BYTES_MAX)
        self._in_doubt: set[int] = set()
        """Tickets of rows that wait and may be committed: only the answer was missing. They are not shed."""
        self._reached_commit = False
        self._committed: dict[tuple[str, str], float] = {}
        self._seq = 0
        self._unsent: tuple[MetricFlush, dict[tuple[str, str], float]] | None = None
        self._complete_at: float | None = None
        self._answered_before: float | None = None  # its last answer, where a call since then found no line
        self._waiting = Repeated("monitoring rows wait for the database", "monitoring rows are written again")
        self._flushing = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._many = asyncio.Event()
        self._stopping = asyncio.Event()
        self.ledger.export()

    @property
    def breaker(self) -> Breaker:
        return self._guard.breaker

    @property
    def pending(self) -> int:
        """Events that wait: in memory, under way, on disk."""
        return len(self._queue) + self._queue.held + (self._spool.count if self._spool else 0)

    @property
    def fill(self) -> float:
        """Of the buffer in memory, 0 to 1."""
        return self._queue.fill

    def figures(self) -> dict[str, Any]:
        """What waits, and where."""
        return {
            "buffered": len(self._queue) + self._queue.held,
            "fill": self.fill,
            "rows_max": self._queue.items_max,
            "spills_at": SPILL_AT,
            "spooled": self._spool.count if self._spool else 0,
            "metrics_waiting": self.metrics_pending,
            "last_flush": self.last_flush,
        }

    def offer(self, published: Published) -> None:
        """Take an event to write; never waits."""
        self._queue.offer(_row(published))
        self._arrived.set()
        if len(self._queue) >= self._batch_size():
            self._many.set()

    async def open(self) -> None:
        """Take up what was spooled before."""
        if self._spool is not None:
            self.ledger.accepted += await asyncio.to_thread(self._spool.open)

    async def run(self) -> None:
        """Until `close`, which writes the rest."""
        loop = asyncio.get_running_loop()
        measured = loop.time()
        while not self._stopping.is_set():
            await self._wait_for_work(measured + self._interval() - loop.time())
            if loop.time() >= measured + self._interval():
                measured = loop.time()
                self._measure()
            self._heed_answers()
            flushed = await self._flush_unless_stopped()
            self._show(flushed)
            if not flushed.is_complete:
                await self._spill_if_needed()
                await self._pause(min(self.breaker.retry_after or 0.2, PAUSE_SECONDS_MAX))
                self._arrived.set()  # what waits is work, also when nothing more comes

    async def _flush_unless_stopped(self) -> Flushed:
        """A flush that waits for a database that does not answer would hold up the last one and the spooling."""
        flushing = asyncio.create_task(self.flush(metrics=False, deadline=DEADLINE_SECONDS))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({flushing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(flushing, stopping)
        return flushing.result() if not flushing.cancelled() else Flushed(False, 0, self.pending)

    def _show(self, flushed: Flushed) -> None:
        now = asyncio.get_running_loop().time()
        self._complete_at = now if flushed.is_complete else self._complete_at or now
        FILL.labels("memory").set(self.fill)
        AGE.set((now - self._complete_at) / self._interval())

    async def flush(self, *, metrics: bool = True, deadline: float | None = None) -> Flushed:
        """Write everything that waits now, within `deadline` seconds; `metrics`: what was counted until now, too."""
        if metrics:
            self._measure()
        before, complete = self.ledger.delivered, True
        try:
            async with asyncio.timeout(deadline), self._flushing:
                await self._write_all(deadline)
        except _FAILED as error:
            complete = False
            self._waiting.failed(type(error).__name__, pending=self.pending)
        else:
            self._waiting.worked()
        FLUSHES.labels("committed" if complete else "failed").inc()
        done = Flushed(complete, self.ledger.delivered - before, self.pending + self.metrics_pending)
        self.last_flush = {"at": clock.now(), "complete": complete, "persisted": done.persisted}
        return done

    def _heed_answers(self) -> None:
        """An outage may end long before the breaker would probe by itself; who else uses the database knows. Where it
        was reached and failed, its answers to others say nothing."""
        if self._answered_before is not None and self._database.answered_at > self._answered_before:
            self.breaker.retry_now()

    async def close(self, deadline: float = SHUTDOWN_SECONDS) -> Flushed:
        """One last flush, also when the breaker is open; the rest is spooled. What became of the rows: `pending` is
        what waits on disk."""
        self._stopping.set()
        self._arrived.set()
        self._many.set()
        done = await self.flush(deadline=deadline)
        while self._spool is not None and len(self._queue) and await self._spill():
            pass
        spooled = self._spool.count if self._spool else 0
        lost = self._queue.drop_all("shutdown")
        log.info("monitoring closed", persisted=done.persisted, spooled=spooled, lost=lost)
        if self._spool is not None:
            await asyncio.to_thread(self._spool.close)
        return Flushed(done.is_complete, done.persisted, spooled)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _wait_for_work(self, seconds: float) -> None:
        """An event and the time for more to come, a batch of them, or the interval of the metrics."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._arrived.wait()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        await self._many.wait()
        self._arrived.clear()
        self._many.clear()

    async def _write_all(self, deadline: float | None) -> None:
        await self._write_spooled(deadline)
        left = len(self._queue)  # not what comes meanwhile, which might never end
        while left > 0 and len(self._queue):
            left -= await self._write_waiting(deadline)
        await self._write_metrics(deadline)

    async def _write_waiting(self, deadline: float | None) -> int:
        """One batch of those in memory; how many they were."""
        taken = self._queue.hold(self._batch_size() if len(self._queue) < BATCH_MAX else BATCH_MAX)
        tickets = {ticket for ticket, _ in taken}
        buried, self._reached_commit = None, False
        try:
            buried = await self._write([row for _, row in taken], deadline)
        finally:
            if buried is None:  # whatever it was that ended it, the rows are not lost
                if self._reached_commit:
                    self._in_doubt |= tickets
                self._queue.put_back(taken, self._in_doubt)
        self._in_doubt -= tickets
        self._queue.release()
        self._account(len(taken), buried)
        return len(taken)

    async def _write_spooled(self, deadline: float | None) -> None:
        if self._spool is None or not self._spool.count:
            return
        for files in portions(await asyncio.to_thread(self._spool.batches), BYTES_AT_ONCE, FILES_AT_ONCE):
            if self._queue.fill >= SPILL_AT:  # a long spool must not cost what comes meanwhile
                await self._write_waiting(deadline)
            await self._write_files(self._spool, files, deadline)

    async def _write_files(self, spool: Spool, files: Sequence[Batch], deadline: float | None) -> None:
        read: dict[Batch, list[Row]] = {}
        for batch in files:
            try:
                read[batch] = _readable(await asyncio.to_thread(spool.read, batch))
            except OSError as error:
                log.error("spool file unreadable", file=batch.path.name, error=str(error))
        rows = [row for own in read.values() for row in own]
        buried = await self._write(rows, deadline)
        for batch, own in read.items():  # at once: canceled in between, they would be gone and not counted
            spool.remove(batch)
            if unreadable := batch.count - len(own):
                CORRUPT.inc(unreadable)
                self.ledger.drop("corrupt", batch.category, unreadable)
        self._account(len(rows), buried)

    def _account(self, written: int, buried: int) -> None:
        self.ledger.delivered += written - buried
        self.ledger.dead_lettered += buried

    async def _write(self, rows: Sequence[Row], deadline: float | None) -> int:
        """Commit them; how many were refused and buried. Raises when the database is to blame."""
        if not rows:
            return 0
        try:
            with SECONDS.time():
                await self._call(lambda: self._commit(rows), deadline)
        except DATABASE_ERRORS as error:
            if judge(error) is not Verdict.REFUSED:
                raise
            return await self._write_apart(rows, error, deadline)
        return 0

    async def _write_apart(self, rows: Sequence[Row], error: BaseException, deadline: float | None) -> int:
        """Halve what was refused until the row that is to blame stands alone."""
        if len(rows) > 1:
            middle = len(rows) // 2
            return await self._write(rows[:middle], deadline) + await self._write(rows[middle:], deadline)
        await self._call(lambda: self._bury(rows[0], error), deadline)
        return 1

    async def _call(self, call: Callable[[], Awaitable[None]], deadline: float | None) -> None:
        """Guarded; the last flush is not: it tries once whatever the breaker says."""
        if self._stopping.is_set():
            await call()
        else:
            await self._guard.run(lambda: self._attempt(call), deadline=deadline)

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except DATABASE_ERRORS as error:
            self._answered_before = self._database.answered_at if is_unreachable(error) else None
            raise

    async def _commit(self, rows: Sequence[Row]) -> None:
        distinct = list({row.event_id: row for row in rows}.values())
        async with self._database.transaction() as tx:
            await store.write_events(tx, distinct)
            self._reached_commit = True
        with contextlib.suppress(*DATABASE_ERRORS):  # a hint: who follows looks by itself, too
            async with self._database.transaction() as tx:
                await store.hint(tx)

    async def _bury(self, row: Row, error: BaseException) -> None:
        async with self._database.transaction() as tx:
            await store.bury(tx, row, sqlstate(error) or "", str(getattr(error, "orig", error))[:500])
            self._reached_commit = True

    def _measure(self) -> None:
        """Freeze what was counted since the last commit under the next number; what is frozen is sent as it is."""
        if self._unsent is not None or not self._flags.boolean("MONITORING_METRICS_PERSISTENCE", True):
            return
        now = self.collect()
        deltas = {key: value - self._committed.get(key, 0) for key, value in now.items()}
        changed = {key: delta for key, delta in deltas.items() if delta}
        if changed:
            flush = MetricFlush(self._instance, self._epoch, self._seq + 1, clock.now(), changed)
            self._unsent, self.metrics_pending = (flush, now), len(changed)

    async def _write_metrics(self, deadline: float | None) -> None:
        if self._unsent is None:
            return
        flush, counted = self._unsent
        await self._call(lambda: self._commit_metrics(flush), deadline)
        self._committed, self._seq = counted, flush.seq
        self._unsent, self.metrics_pending = None, 0

    async def _commit_metrics(self, flush: MetricFlush) -> None:
        async with self._database.transaction() as tx:
            await store.write_metrics(tx, flush)

    async def _spill_if_needed(self) -> None:
        while self._spool is not None and self._queue.fill >= SPILL_AT and await self._spill():
            pass

    async def _spill(self) -> bool:
        """Move the oldest rows to disk; False when the disk does not take them."""
        assert self._spool is not None
        async with self._flushing:
            left = _by_category(self._queue.hold(BATCH_MAX))
            try:
                for category, taken in list(left.items()):
                    records = [msgspec.json.encode(row) for _, row in taken]
                    gone = await asyncio.to_thread(self._spool.write, category, records)
                    self._queue.release(left.pop(category))
                    self._in_doubt.difference_update(ticket for ticket, _ in taken)
                    self._count_gone(gone)
            except OSError as error:
                log.error("spool write failed", error=str(error))
                return False
            finally:
                unwritten = [each for taken in left.values() for each in taken]
                self._queue.put_back(sorted(unwritten, key=lambda each: each[0]), self._in_doubt)
        return True

    def _count_gone(self, gone: Iterable[Batch]) -> None:
        for batch in gone:
            self.ledger.drop("spool_full", batch.category, batch.count)

    def _batch_size(self) -> int:
        return max(1, self._flags.integer("MONITORING_BATCH_SIZE", 100))

    def _interval(self) -> float:
        return max(1.0, self._flags.integer("MONITORING_METRICS_FLUSH_INTERVAL", 300))


def _row(published: Published) -> Row:
    event = published.event
    return Row(
        event.event_id, event.event_type, event.worth, event.source, event.timestamp,
        msgspec.json.encode(event.data).decode(), msgspec.json.encode(event.metadata).decode(),
        event.epoch, event.offset,
    )  # fmt: skip


def _readable(records: Sequence[bytes]) -> list[Row]:
    """Those that are rows; a release that knows other fields may have written them."""
    rows = []
    for record in records:
        with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
            rows.append(msgspec.json.decode(record, type=Row))
    return rows


def _by_category(taken: Iterable[tuple[int, Row]]) -> dict[Category, list[tuple[int, Row]]]:
    found: dict[Category, list[tuple[int, Row]]] = {}
    for ticket, row in taken:
        found.setdefault(row.category, []).append((ticket, row))
    return found
