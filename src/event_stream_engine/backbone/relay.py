"""The relay: takes ticks, and carries each tick's batch into the streams.

One relay works at a time: it holds a lease in PostgreSQL, and every tick is stored only if the lease's epoch is
still its own. A second relay waits. The stream itself is the record of what was published: each append names the
last id it expects, and where the stream disagrees the relay appends what is missing from the outbox.
"""

import asyncio
import os
import socket
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.outbox import ensure_partitions
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, StreamWriter, position
from event_stream_engine.backbone.ticks import BEFORE_ALL, Tick
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.settings import BackboneSettings

log = structlog.get_logger()

PUBLISHED = Counter("ese_relay_published_total", "Events appended to streams", ["stream"])
HEALED = Counter("ese_relay_healed_total", "Times a stream was completed from the outbox", ["stream"])
TICK = Gauge("ese_relay_tick_timestamp_seconds", "The time of the newest tick")

_PARTITION_CHECK_SECONDS = 3600
_POSITION_SAVE_SECONDS = 1.0
_RETRY_SECONDS_MAX = 5.0
_TICKS_READ = 1000


class LeaseLost(Exception):
    """Another relay took over; this one starts anew and waits."""


@dataclass
class Relay:
    """One relay process; `run` returns when `stop` is set."""

    database: Database
    streams: StreamWriter
    settings: BackboneSettings
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    _epoch: int = 0
    _connection: ticks.Connection = field(init=False)
    _last_ids: dict[str, str] = field(default_factory=dict)
    _saved: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Work until stopped; a failing server is waited for with growing pauses, never skipped."""
        failures = 0
        while not self.stop.is_set():
            try:
                await self._work_under_lease()
                failures = 0
            except (RedisError, *DATABASE_ERRORS, LeaseLost, LastIdMismatch) as error:
                failures += 1
                pause = min(0.1 * 2**failures, _RETRY_SECONDS_MAX)
                log.warning("relay interrupted", error=str(error)[:300], retry_in_seconds=pause)
                await self._pause(pause)
        await self._release_lease()

    async def _work_under_lease(self) -> None:
        async with self.database.driver() as self._connection:
            await self._take_lease()
            if not self.stop.is_set():
                await self._publish_ticks()

    async def _publish_ticks(self) -> None:
        previous = await self._resume()
        log.info("relay works", tick=previous.id, epoch=self._epoch)
        loop = asyncio.get_running_loop()
        renewed = checked = saved = loop.time()
        while not self.stop.is_set():
            tick = await self._step(previous)
            previous = tick or previous
            now = loop.time()
            if now - renewed > self.settings.lease_seconds / 3:
                await self._renew_lease()
                renewed = now
            if now - saved > _POSITION_SAVE_SECONDS:
                await self._save_positions()
                saved = now
            if now - checked > _PARTITION_CHECK_SECONDS:
                await self._ensure_partitions()
                checked = now
            wait = self.settings.busy_poll_ms if tick else self.settings.idle_poll_ms
            await self._pause(wait / 1000)
        await self._save_positions()

    async def _step(self, previous: Tick) -> Tick | None:
        """Take one tick and publish it. The tick is durable before its first entry leaves."""
        tick = await ticks.take(self._connection, previous, self._epoch)
        if tick is not None:
            await self._publish(previous, tick)
            TICK.set(tick.id / 1000)
        return tick

    async def _publish(self, previous: Tick, tick: Tick, only: str | None = None) -> None:
        async for slice_ in ticks.batches(self._connection, previous, tick, self.settings.batch_size, only):
            for stream, entries in _by_stream(slice_).items():
                await self._append(stream, entries)

    async def _append(self, stream: str, entries: list[Entry]) -> None:
        expected = self._last_ids.get(stream)
        if expected is None:
            expected = await self.streams.last_id(stream)
        missing = [entry for entry in entries if position(entry.entry_id) > position(expected)]
        if len(missing) < len(entries):
            await self._assert_published(stream, entries[: len(entries) - len(missing)])
        if missing:
            await self.streams.append(stream, expected, missing)
            PUBLISHED.labels(stream).inc(len(missing))
        self._last_ids[stream] = missing[-1].entry_id if missing else expected

    async def _assert_published(self, stream: str, entries: list[Entry]) -> None:
        """An id at or below the stream's last is published only if it is really there."""
        first = position(entries[0].entry_id)
        held = await self.streams.ids_after(stream, f"{first[0]}-{first[1] - 1}", len(entries))
        if held != [entry.entry_id for entry in entries]:
            raise RuntimeError(
                f"{stream} holds other entries than the outbox from {entries[0].entry_id} on. Somebody else wrote "
                "to it. Delete the stream and restart the relay: it is rebuilt from the outbox."
            )

    async def _resume(self) -> Tick:
        """Complete every stream up to the newest stored tick; that tick.

        A stream says itself where it ends. One that ends before the position that was saved (a crash of Redis,
        a flush) is completed from its own last entry.
        """
        self._last_ids.clear()
        newest = await ticks.last_tick(self._connection)
        rows = await self._connection.fetch("SELECT stream, entry_id FROM relay_positions")
        self._saved = {row["stream"]: row["entry_id"] for row in rows}
        for stream, saved in self._saved.items():
            actual = await self.streams.last_id(stream)
            if position(actual) < position(saved):
                log.warning("stream is behind, completing it from the outbox", stream=stream, ends_at=actual)
                HEALED.labels(stream).inc()
                await self._replay(position(actual)[0], newest, only=stream)
        # Positions are saved for all streams at once, so nothing at or below the greatest saved tick is missing
        # from a stream that reaches its own position; from there on each tick is published again or confirmed.
        greatest = max((position(saved)[0] for saved in self._saved.values()), default=0)
        await self._replay(greatest, newest)
        return newest

    async def _replay(self, tick_id: int, newest: Tick, only: str | None = None) -> None:
        """Publish again from `tick_id` (inclusive) to `newest`; what is there already is confirmed, not added."""
        previous = await ticks.tick_at_or_before(self._connection, tick_id - 1) if tick_id else BEFORE_ALL
        while previous.id < newest.id:
            for tick in await ticks.ticks_after(self._connection, previous, _TICKS_READ):
                if tick.id > newest.id:
                    return
                await self._publish(previous, tick, only)
                previous = tick
            await self._renew_lease()

    async def _save_positions(self) -> None:
        changed = {s: e for s, e in self._last_ids.items() if self._saved.get(s) != e}
        if not changed:
            return
        async with self.database.transaction() as tx:
            await tx.execute(
                text(
                    "INSERT INTO relay_positions (stream, entry_id) VALUES (:stream, :entry_id) "
                    "ON CONFLICT (stream) DO UPDATE SET entry_id = excluded.entry_id, updated_at = now()"
                ),
                [{"stream": stream, "entry_id": entry_id} for stream, entry_id in changed.items()],
            )
        self._saved |= changed

    async def _take_lease(self) -> None:
        """Wait until the lease is free, expired or our own of before an interruption; hold it under a new epoch."""
        waited = False
        while not self.stop.is_set():
            async with self.database.transaction() as tx:
                epoch = (await tx.execute(text(_TAKE_LEASE), self._lease_values())).scalar_one_or_none()
            if epoch is not None:
                self._epoch = epoch
                await self._ensure_partitions()
                return
            if not waited:
                log.info("another relay holds the lease, waiting")
                waited = True
            await self._pause(self.settings.lease_seconds / 5)

    async def _renew_lease(self) -> None:
        async with self.database.transaction() as tx:
            renewed = await tx.execute(text(_RENEW_LEASE), {**self._lease_values(), "epoch": self._epoch})
        if renewed.rowcount != 1:
            raise LeaseLost("another relay took the lease")

    async def _release_lease(self) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(
                text("UPDATE relay_lease SET expires_at = clock_timestamp() WHERE epoch = :epoch"),
                {"epoch": self._epoch},
            )

    def _lease_values(self) -> dict[str, object]:
        return {"holder": self.holder, "seconds": self.settings.lease_seconds}

    async def _ensure_partitions(self) -> None:
        async with self.database.transaction() as tx:
            await ensure_partitions(tx, clock.now().date())

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return


_TAKE_LEASE = """
INSERT INTO relay_lease (name, holder, epoch, expires_at)
VALUES ('relay', :holder, 1, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, epoch = relay_lease.epoch + 1, expires_at = excluded.expires_at
WHERE relay_lease.expires_at <= clock_timestamp() OR relay_lease.holder = excluded.holder
RETURNING epoch
"""

_RENEW_LEASE = """
UPDATE relay_lease SET expires_at = clock_timestamp() + make_interval(secs => :seconds)
WHERE name = 'relay' AND epoch = :epoch AND holder = :holder
"""


def _by_stream(entries: list[tuple[str, Entry]]) -> dict[str, list[Entry]]:
    grouped: dict[str, list[Entry]] = {}
    for stream, entry in entries:
        grouped.setdefault(stream, []).append(entry)
    return grouped
