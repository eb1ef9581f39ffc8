"""Lanes: one per stream, each with its own state, so that one broken stream holds up no other.

A healthy lane is handed each tick's entries as they come. One whose append failed is *behind*: it is handed
nothing any more, and completes its stream by itself, from what the stream says it holds to the newest tick, trying
again until that succeeds. Completing and healing are the same work.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
from prometheus_client import Counter, Gauge

from event_stream_engine import clock
from event_stream_engine.backbone import ticks
from event_stream_engine.backbone.relay.generation import is_ahead
from event_stream_engine.backbone.relay.positions import Position, park_entry, rebuilding
from event_stream_engine.backbone.streams import (
    Entry,
    LastIdMismatch,
    Packed,
    StreamBusy,
    StreamRefused,
    StreamWriter,
    position,
)
from event_stream_engine.backbone.supervising import end, pause
from event_stream_engine.backbone.ticks import BEFORE_ALL, Connection, Tick
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.settings import BackboneSettings
from event_stream_engine.telemetry import timed, worked

log = structlog.get_logger()

PUBLISHED = Counter("ese_relay_published_total", "Events appended to streams", ["stream"])
HEALED = Counter("ese_relay_healed_total", "Times a stream was completed from the outbox", ["stream"])
REBUILT = Counter("ese_relay_rebuilt_total", "Times a stream was emptied and filled again from the outbox", ["stream"])
PARKED = Counter("ese_relay_parked_total", "Events replaced by a tombstone because no stream takes them", ["stream"])
FAILED = Counter("ese_relay_append_failures_total", "Appends that failed", ["stream", "code"])
BEHIND = Gauge("ese_relay_lane_behind", "1 while a stream is being completed or cannot be written", ["stream"])

_BUSY_SECONDS_MAX = 5.0
_REFUSED_SECONDS_MAX = 10.0
_TICKS_READ = 500
_CATCH_UPS_AT_ONCE = asyncio.Semaphore(2)  # each holds a connection of its own
REBUILD_PAUSE_SECONDS = 600.0

State = Literal["ok", "busy", "refused"]


class ForeignEntries(Exception):
    """The stream holds what the outbox does not."""


@dataclass
class Course:
    """What all lanes of a relay share: how far the relay is, and whether it may write."""

    database: Database
    streams: StreamWriter
    settings: BackboneSettings
    stop: asyncio.Event
    previous: Tick = BEFORE_ALL
    newest: Tick = BEFORE_ALL
    """The tick that is being handed out; all before it was."""
    full: bool = False
    """The server's memory is nearly used up: nothing is appended, the outbox keeps it."""


@dataclass
class Lane:
    """One stream's way. `last_id` is where the stream ends as far as known, None before anybody asked."""

    stream: str
    course: Course
    last_id: str | None = None
    tick: int | None = None
    """While behind: everything of this stream up to this tick is in it, as long as it ends at `last_id` or later; 0
    when nobody knows. None while not behind."""
    rebuild: bool = False
    behind: bool = False
    state: State = "ok"
    code: str | None = None
    appending: bool = False
    """The stream may end further on than `last_id` says."""
    rebuilt_at: float = float("-inf")
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    async def hand(self, slices: Sequence[Packed]) -> None:
        """Append slices of the newest tick; a failure is the lane's own affair from here on."""
        if self.behind:
            return
        try:
            if self.course.full:
                raise StreamBusy(self.stream, "memory")
            expected = await self._expected()
            largest = max(packed.largest for packed in slices)
            if position(slices[0].first_id) <= position(expected) or largest > self.course.settings.entry_bytes_max:
                self.fall_behind()  # some are there already, or cannot be there: that is looked at one by one
                return
            self.appending = True
            with timed("relay"):
                await self.course.streams.append_packed(expected, slices, self._appended)
        except (StreamBusy, StreamRefused, LastIdMismatch, ForeignEntries) as error:
            self.fall_behind(error)
        except Exception as error:  # noqa: BLE001  # it would end the relay, and with it all other lanes
            self._say_unexpected()
            self.fall_behind(error)
        finally:
            self.appending = False

    def _appended(self, packed: Packed) -> None:
        self.last_id = packed.last_id
        PUBLISHED.labels(self.stream).inc(packed.events)
        worked("relay", "published", packed.events)

    async def resume(self) -> None:
        """Go on at once where the stream ends as it was left with everything in it; else complete it."""
        if not self.rebuild and self.tick is not None and self.tick >= self.course.newest.id:
            with contextlib.suppress(StreamBusy, StreamRefused):
                if await self.course.streams.last_id(self.stream) == self.last_id:
                    self.tick = None
                    return
        self.fall_behind()

    def fall_behind(self, error: Exception | None = None) -> None:
        """Complete the stream from its own end, beside the other lanes."""
        if error is not None:
            self._note(error)
        if not self.behind:
            self.behind = True
            self.tick = self.course.previous.id if self.tick is None else self.tick
            BEHIND.labels(self.stream).set(1)
            self.task = asyncio.create_task(self._catch_up())

    async def check(self) -> None:
        """Whether the stream still ends where it was left: a flushed or rewound server is noticed without traffic."""
        if self.behind or self.last_id is None:
            return
        known = self.last_id
        try:
            actual = await self.course.streams.last_id(self.stream)
        except (StreamBusy, StreamRefused) as error:
            self._note(error)
            return
        except Exception as error:  # noqa: BLE001  # as in `hand`
            self._say_unexpected()
            self.fall_behind(error)
            return
        if actual != known and known == self.last_id and not self.appending:
            self.fall_behind(LastIdMismatch(self.stream, known, actual))

    def start_rebuild(self) -> None:
        """Empty the stream and fill it again from the outbox."""
        if not self.rebuild:
            self.rebuild = True
            self.fall_behind()

    async def end(self) -> None:
        if self.task is not None:
            await end(self.task)

    def as_position(self, handed: int) -> Position:
        done = handed if self.tick is None else self.tick
        return Position(self.stream, self.last_id or "0-0", done, self.state, self.code)

    async def _append(self, entries: list[Entry]) -> None:
        """Append what is missing; what the stream should hold already is looked for, not believed."""
        streams = self.course.streams
        if self.course.full:
            raise StreamBusy(self.stream, "memory")
        expected = await self._expected()
        missing = [entry for entry in entries if position(entry.entry_id) > position(expected)]
        if len(missing) < len(entries):
            await self._confirm(entries[: len(entries) - len(missing)])
        if missing:
            with timed("relay"):
                await streams.append(self.stream, expected, await self._publishable(missing))
            PUBLISHED.labels(self.stream).inc(len(missing))
            worked("relay", "published", len(missing))
        self.last_id = missing[-1].entry_id if missing else expected

    async def _expected(self) -> str:
        """A stream met for the first time should not exist; one that does is looked at before it is written to."""
        if self.last_id is not None:
            return self.last_id
        actual = await self.course.streams.last_id(self.stream)
        if actual != "0-0":
            raise LastIdMismatch(self.stream, "0-0", actual)
        return actual

    async def _confirm(self, entries: Sequence[Entry]) -> None:
        first = position(entries[0].entry_id)
        after = f"{first[0]}-{first[1] - 1}" if first[1] else f"{first[0] - 1}-{2**63 - 1}"
        held = await self.course.streams.ids_after(self.stream, after, len(entries))
        oldest = position(await self.course.streams.first_id(self.stream) or "0-0")  # what is older was trimmed
        wanted = [entry.entry_id for entry in entries if position(entry.entry_id) >= oldest]
        there = [entry_id for entry_id in held if oldest <= position(entry_id) <= position(entries[-1].entry_id)]
        if there != wanted and oldest != (0, 0):
            raise ForeignEntries(f"{self.stream} holds other entries than the outbox from {entries[0].entry_id} on")

    async def _publishable(self, entries: list[Entry]) -> list[Entry]:
        """An entry no stream takes is parked, with a tombstone in its place: the order has no hole."""
        most = self.course.settings.entry_bytes_max
        return [await self._park(entry, most) if _too_large(entry, most) else entry for entry in entries]

    async def _park(self, entry: Entry, most: int) -> Entry:
        async with self.course.database.transaction() as tx:
            await park_entry(tx, self.stream, entry, "too_large", f"more than {most} bytes")
        PARKED.labels(self.stream).inc()
        log.error("event parked", stream=self.stream, event_id=entry.fields["id"], because="too_large")
        return entry.tombstone()

    async def _catch_up(self) -> None:
        failures = 0
        while not self.course.stop.is_set():
            try:
                async with _CATCH_UPS_AT_ONCE, self.course.database.driver() as connection:
                    await self._complete(connection)
                return
            except ForeignEntries as error:
                self._note(error)
                self._rebuild_soon()
            except (StreamBusy, StreamRefused, LastIdMismatch, *DATABASE_ERRORS) as error:
                self._note(error)
            except Exception as error:  # noqa: BLE001  # nobody awaits this task: its end would stop the stream
                self._say_unexpected()
                self._note(error)
            failures += 1
            longest = _REFUSED_SECONDS_MAX if self.state == "refused" else _BUSY_SECONDS_MAX
            await pause(self.course.stop, random.uniform(0.5, 1) * min(0.05 * 2**failures, longest))  # noqa: S311  # no secret

    def _rebuild_soon(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self.rebuilt_at < REBUILD_PAUSE_SECONDS:
            self.state, self.code = "refused", "foreign"
            return
        self.rebuild = True

    async def _complete(self, connection: Connection) -> None:
        """Bring the stream from its own end to the newest tick, also while that moves on."""
        course = self.course
        if course.full:
            raise StreamBusy(self.stream, "memory")
        if self.rebuild:
            await self._empty()
        actual = await course.streams.last_id(self.stream)
        await self._judge(connection, actual)
        previous = await self._start(connection, actual)
        self.last_id, self.tick = actual, previous.id  # together: an interruption from here on starts at both
        while True:
            following = await ticks.ticks_after(connection, previous, _TICKS_READ)
            upto = [tick for tick in following if tick.id <= course.newest.id]
            if upto and await self._any(connection, previous, upto):
                for tick in upto:
                    await self._publish(connection, previous, tick)
                    previous = tick
                    self.tick = tick.id
            elif upto:
                previous = upto[-1]
            self.tick = previous.id
            if previous.id >= course.newest.id:
                self._recover()
                return

    async def _any(self, connection: Connection, previous: Tick, upto: list[Tick]) -> bool:
        if len({tick.generation for tick in (previous, *upto)}) > 1:
            return True
        return await ticks.any_between(connection, previous, upto[-1], self.stream)

    async def _publish(self, connection: Connection, previous: Tick, tick: Tick) -> None:
        size = self.course.settings.batch_size
        async for slice_ in ticks.batches(connection, previous, tick, size, self.stream):
            await self._append([entry for _, entry in slice_])

    async def _judge(self, connection: Connection, actual: str) -> None:
        """Where the stream ends elsewhere than it was left: did it lose its tail, or did somebody else write?"""
        known = self.last_id
        if actual == known:
            return
        if known is not None and position(actual) < position(known):
            log.warning("stream behind, completing it", stream=self.stream, ends_at=actual, expected=known)
            HEALED.labels(self.stream).inc()
        if actual == "0-0":
            return
        if known is not None and position(actual)[0] <= await ticks.forgotten_tick(connection):
            return  # older than the outbox reaches: nobody can tell any more
        newest = await ticks.last_tick(connection)
        if await is_ahead(self.course.streams, self.stream, newest.id):
            raise StreamRefused(self.stream, "ahead", "it holds events that this database does not know")
        if not await ticks.holds(connection, self.stream, actual):
            raise ForeignEntries(f"{self.stream} ends with {actual}, which is not from the outbox")

    async def _start(self, connection: Connection, actual: str) -> Tick:
        """The tick after which something may be missing."""
        if self.last_id is not None and position(actual) >= position(self.last_id) and self.tick:
            return await ticks.tick_at_or_before(connection, self.tick)
        if actual == "0-0":
            kept = clock.now().timestamp() - self.course.settings.stream_retention_hours * 3600
            return await ticks.tick_at_or_before(connection, int(kept * 1000))
        return await ticks.tick_at_or_before(connection, position(actual)[0] - 1)

    async def _empty(self) -> None:
        log.error("stream rebuilding from outbox", stream=self.stream, because=self.code)
        await self.course.streams.clear(self.stream)
        async with self.course.database.transaction() as tx:
            await rebuilding(tx, self.stream)
        REBUILT.labels(self.stream).inc()
        self.rebuilt_at = asyncio.get_running_loop().time()
        self.rebuild = False
        self.last_id, self.tick = None, 0

    def _note(self, error: Exception) -> None:
        if isinstance(error, StreamRefused):
            self.state, self.code = "refused", error.code
        elif isinstance(error, StreamBusy):
            self.state, self.code = "busy", error.code
        else:
            self.state, self.code = "busy", type(error).__name__
        FAILED.labels(self.stream, self.code).inc()
        worked("relay", "failed")
        log.warning("stream publishing interrupted", stream=self.stream, code=self.code, error=str(error)[:300])

    def _say_unexpected(self) -> None:
        log.exception("lane failed unexpectedly", stream=self.stream)

    def _recover(self) -> None:
        self.behind, self.tick, self.state, self.code = False, None, "ok", None
        BEHIND.labels(self.stream).set(0)


def _too_large(entry: Entry, most: int) -> bool:
    data = entry.fields["data"]
    return len(data) > most // 8 and sum(len(value.encode()) for value in entry.fields.values()) > most
