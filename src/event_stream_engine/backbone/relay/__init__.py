"""The relay: takes ticks, and carries each tick's batch into the streams.

One relay works at a time: it holds a lease in PostgreSQL, and every tick is stored only if the lease's epoch is
still its own. A second relay waits. The stream itself is the record of what was published: each append names the
last id it expects, and where the stream disagrees its lane completes it from the outbox.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import Gauge

from event_stream_engine.backbone import life, outbox, ticks
from event_stream_engine.backbone.effects import Effects, WitnessUnavailable
from event_stream_engine.backbone.life import EffectsHeld
from event_stream_engine.backbone.packing import packed as packed_batch
from event_stream_engine.backbone.packing import take
from event_stream_engine.backbone.relay import generation, housekeeping, positions
from event_stream_engine.backbone.relay.generation import GenerationRefused
from event_stream_engine.backbone.relay.lanes import Course, Lane
from event_stream_engine.backbone.relay.lease import Lease, LeaseLost
from event_stream_engine.backbone.relay.positions import Status
from event_stream_engine.backbone.streams import Packed, StreamBusy, StreamRefused, StreamWriter
from event_stream_engine.backbone.supervising import end, holder_name, pause, until_one_fails, until_set
from event_stream_engine.backbone.ticks import Connection, Tick
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.settings import BackboneSettings

log = structlog.get_logger()

TICK = Gauge("ese_relay_tick_timestamp_seconds", "The time of the newest tick")
FULL = Gauge("ese_relay_memory_full", "1 while the transport has no memory left for more entries")
REFUSED = Gauge("ese_relay_generation_refused", "1 while the relay waits for an operator to accept the database")

_WAITED_FOR = (StreamBusy, StreamRefused, *DATABASE_ERRORS, LeaseLost, GenerationRefused, WitnessUnavailable)
_SAVE_SECONDS = 1.0
_QUIET_SAVE_SECONDS = 2.5
_STAYS_BUSY_SECONDS = 0.2  # events come in bursts: whoever wrote a moment ago writes again
_QUIET_SHARE = 0.1  # then the pauses are this share of the time since the last event, up to `idle_poll_ms`
_CHECK_SECONDS = 5.0
_HOUSEKEEPING_SECONDS = 60.0
_RETRY_SECONDS_MAX = 5.0
_TICKS_READ = 1000
# A backlog is sorted in memory; and the few statements are planned once, not each time: planning over the partitions
# takes longer than carrying out (0.97 against 0.36 ms a tick, 1.25 against 0.44 ms a batch). Planned while a partition
# is new, and small enough to be read whole, they would read it whole ever after.
_TUNED = "SET work_mem = '128MB'; SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off"


@dataclass
class Relay:
    """One relay process; `run` returns when `stop` is set."""

    database: Database
    streams: StreamWriter
    settings: BackboneSettings
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    effects: Effects | None = None
    """Where the newest tick is told to the witness, and asked before the first tick."""
    holder: str = field(default_factory=holder_name)
    lanes: dict[str, Lane] = field(default_factory=dict)
    lease: Lease = field(init=False)
    course: Course = field(init=False)
    _connection: Connection = field(init=False)
    _hinted: asyncio.Event = field(default_factory=asyncio.Event)
    _handed: int = 0
    _handing: "asyncio.Task[None] | None" = None
    """The newest tick's last slices on their way; the next tick is taken meanwhile."""
    _held_by: str | None = None
    _minute: deque[tuple[float, int]] = field(default_factory=deque)
    """When each tick of the last minute was handed out, and its events."""

    def __post_init__(self) -> None:
        self.lease = Lease(self.database, self.holder, self.settings.lease_seconds)
        self.course = Course(self.database, self.streams, self.settings, self.stop)

    async def run(self) -> None:
        """Work until stopped; a failing server is waited for with growing pauses, never skipped."""
        failures = 0
        while not self.stop.is_set():
            try:
                await self._work_under_lease()
                failures = 0
            except _WAITED_FOR as error:
                failures += 1
                seconds = min(0.1 * 2**failures, _RETRY_SECONDS_MAX)
                log.warning("relay interrupted", error=str(error)[:500], retry_in_seconds=seconds)
                await self._note_refusal(error)
                await pause(self.stop, seconds)
        with contextlib.suppress(*DATABASE_ERRORS):
            await self.lease.release()

    async def _work_under_lease(self) -> None:
        async with self.database.driver() as self._connection:
            await self._connection.execute(_TUNED)
            await self._connection.add_listener(outbox.HINTS, lambda *_: self._hinted.set())
            await self._take_lease()
            if self.stop.is_set():
                return
            try:
                keeping = until_set(self.stop, self._keep_house())
                await until_one_fails(self._publish_ticks(), self._upkeep(), keeping)
            finally:
                if self._handing is not None:
                    await end(self._handing)
                    self._handing = None
                await asyncio.gather(*(lane.end() for lane in self.lanes.values()))
                self.lanes = {}

    async def _take_lease(self) -> None:
        waited = False
        while not self.stop.is_set() and not await self.lease.take():
            if not waited:
                log.info("another relay holds the lease, waiting")
                waited = True
            await pause(self.stop, self.settings.lease_seconds / 5)

    async def _publish_ticks(self) -> None:
        previous = await self.resume()
        log.info("relay started", tick=previous.id, generation=previous.generation, epoch=self.lease.epoch)
        loop = asyncio.get_running_loop()
        newest = loop.time()
        while not self.stop.is_set():
            looked = loop.time()
            self._hinted.clear()
            tick = await self.step(previous)
            previous = tick or previous
            if tick is not None:
                newest = loop.time()
            await self._await_events(looked, loop.time() - newest)
        await self._settle()
        await self._save()

    async def _await_events(self, looked: float, quiet_seconds: float) -> None:
        """Pause until it is time to look again; a hint that something was committed ends the pause of a relay that is
        not busy."""
        loop = asyncio.get_running_loop()
        busy, idle = self.settings.busy_poll_ms / 1000, self.settings.idle_poll_ms / 1000
        if quiet_seconds < _STAYS_BUSY_SECONDS:
            await pause(self.stop, max(0.0, looked + busy - loop.time()))
            return
        rhythm = max(busy, min(idle, quiet_seconds * _QUIET_SHARE))
        waiting = [asyncio.create_task(self.stop.wait()), asyncio.create_task(self._hinted.wait())]
        try:
            await asyncio.wait(waiting, timeout=max(0.0, looked + rhythm - loop.time()),
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
        finally:
            await end(*waiting)

    async def step(self, previous: Tick) -> Tick | None:
        """Take one tick and begin to hand it out. The tick is durable before its first entry leaves."""
        taken = await take(self._connection, previous, self.lease.epoch, self.settings.batch_size)
        if taken is None:
            await self._settle()
            return None
        await self._hand_out(previous, taken.tick, taken.batch)
        TICK.set(taken.tick.id / 1000)
        return taken.tick

    async def _hand_out(self, previous: Tick, tick: Tick, batch: Sequence[Packed] | None = None) -> None:
        """The last slices are still on their way when this returns: the next tick is taken meanwhile."""
        await self._settle()
        self.course.previous, self.course.newest = previous, tick
        if batch is not None:
            self._handing = asyncio.create_task(self._hand(batch))
            events = sum(packed.events for packed in batch)
        else:
            events = 0
            async for slices in packed_batch(self._connection, previous, tick, self.settings.batch_size):
                await self._settle()
                self._handing = asyncio.create_task(self._hand(slices))
                events += sum(packed.events for packed in slices)
        self._handing = asyncio.create_task(self._note_handed(self._handing, tick, events))

    async def _note_handed(self, last: "asyncio.Task[None] | None", tick: Tick, events: int) -> None:
        if last is not None:
            await last
        self._handed = tick.id
        self._minute.append((asyncio.get_running_loop().time(), events))

    async def _settle(self) -> None:
        """Wait until all that was handed out has left, or is its lane's own affair."""
        if self._handing is not None:
            await self._handing
            self._handing = None

    async def _hand(self, slices: Sequence[Packed]) -> None:
        """Each lane its slices, in order; the lanes beside each other."""
        by_stream: dict[str, list[Packed]] = {}
        for packed in slices:
            by_stream.setdefault(packed.stream, []).append(packed)
        await asyncio.gather(*(self._lane(stream).hand(own) for stream, own in by_stream.items()))

    def _lane(self, stream: str) -> Lane:
        return self.lanes.get(stream) or self.lanes.setdefault(stream, Lane(stream, self.course))

    async def resume(self) -> Tick:
        """Serve every lane up to the newest stored tick; that tick.

        Known streams that are not as they were left complete themselves from what they hold. Ticks after the one up to
        which all were served are handed out again, for the streams that were not known then.
        """
        await housekeeping.ensure_partitions(self.database)
        handed, known = await positions.load(self._connection)
        newest = await ticks.last_tick(self._connection)
        await self._refuse_while_held()
        current = await generation.guard(self._connection, self.streams, newest, known)
        REFUSED.set(0)
        self.course.newest = self.course.previous = newest
        self.lanes = {at.stream: Lane(at.stream, self.course, at.entry_id, at.tick, at.rebuild) for at in known}
        await asyncio.gather(*(lane.resume() for lane in self.lanes.values()))
        previous = await ticks.tick_at_or_before(self._connection, handed)
        while previous.id < newest.id:
            for tick in await ticks.ticks_after(self._connection, previous, _TICKS_READ):
                await self._hand_out(previous, tick)
                previous = tick
        await self._settle()
        self.course.newest, self._handed = newest, newest.id
        return newest.before(current)

    async def _refuse_while_held(self) -> None:
        """A database that is behind the witness is not published from. Raises `GenerationRefused` until an operator has
        accepted it, `WitnessUnavailable`."""
        if self.effects is not None:
            with contextlib.suppress(EffectsHeld):  # noted in the database, which is read next
                await self.effects.look()
        async with self.database.transaction() as tx:
            await self._refuse_if_held(tx)

    async def _refuse_if_held(self, tx: Transaction) -> None:
        row = await life.read(tx)
        if row.stops_relay:
            raise GenerationRefused(row.reason or "Sending is held.")

    async def _upkeep(self) -> None:
        """What goes on beside publishing: the lease, positions, looking after the streams."""
        loop = asyncio.get_running_loop()
        renewed = checked = loop.time()
        saved = -_QUIET_SAVE_SECONDS
        while not self.stop.is_set():
            now = loop.time()
            if now - renewed > self.settings.lease_seconds / 3:
                await self.lease.renew()
                renewed = now
            if now - saved >= (0 if self._minute else _QUIET_SAVE_SECONDS):
                await self._save()
                saved = now
            if now - checked > _CHECK_SECONDS:
                await asyncio.gather(*(lane.check() for lane in list(self.lanes.values())))
                checked = now
            await pause(self.stop, min(_SAVE_SECONDS, self.settings.lease_seconds / 4))

    async def _keep_house(self) -> None:
        """Retention, apart from what keeps the lease: a partition that goes waits for all who read it, be it hours."""
        while True:
            await pause(self.stop, _HOUSEKEEPING_SECONDS)
            self._held_by = await housekeeping.keep_house(self.database, self.streams, self.settings)

    async def _save(self) -> None:
        """Store how far everything is, and hear which streams an operator wants rebuilt."""
        memory = await self._look_at_memory()
        rate = self._rate()
        status = Status(self._handed, *rate, *memory, None, self._held_by)
        at = [lane.as_position(self._handed) for lane in self.lanes.values() if lane.last_id or lane.behind]
        async with self.database.transaction() as tx:
            await positions.save(tx, at, status)
            asked = await positions.asked_to_rebuild(tx)
            await self._refuse_if_held(tx)
        await self._tell_witness()
        for stream in asked:
            self._lane(stream).start_rebuild()

    async def _tell_witness(self) -> None:
        if self.effects is not None:
            with contextlib.suppress(EffectsHeld, WitnessUnavailable):
                await self.effects.note_tick(self.course.newest.id)

    async def _look_at_memory(self) -> tuple[int | None, int | None]:
        try:
            memory = await self.streams.memory()
        except (StreamBusy, StreamRefused):
            return None, None
        if memory is None:
            return None, None
        most = memory.max_bytes
        self.course.full = most is not None and memory.used_bytes > self.settings.memory_share * most
        FULL.set(self.course.full)
        return memory.used_bytes, memory.max_bytes

    def _rate(self) -> tuple[int, int]:
        since = asyncio.get_running_loop().time() - 60
        while self._minute and self._minute[0][0] < since:
            self._minute.popleft()
        return len(self._minute), sum(events for _, events in self._minute)

    async def _note_refusal(self, error: BaseException) -> None:
        """An operator must see on the page why nothing is published."""
        if not isinstance(error, GenerationRefused):
            return
        REFUSED.set(1)
        with contextlib.suppress(*DATABASE_ERRORS):
            async with self.database.transaction() as tx:
                await positions.note_refusal(tx, str(error))
                await life.hold(tx, str(error))
            await self.lease.release()  # last: who accepts the database waits for the lease
