"""Consumer groups: read, take charge, apply exactly once, acknowledge.

A group has one owner at a time. A batch is one transaction: its inbox rows first, then the effects (a savepoint
each), then the group's position, which moves only from where this owner left it. An event that fails is parked and
its key waits behind it; all other keys go on. What is parked is tried again from PostgreSQL, and in the end given
up as a dead letter. Acknowledging the transport comes last and is a courtesy: PostgreSQL's positions are the truth.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge, Histogram

from event_stream_engine.backbone import replay
from event_stream_engine.backbone.consumers import applying, inbox, lag, parking
from event_stream_engine.backbone.consumers.applying import HandlerTimedOut, Interrupted
from event_stream_engine.backbone.consumers.inbox import Place, PositionMoved
from event_stream_engine.backbone.consumers.lease import GroupLease, LeaseLost
from event_stream_engine.backbone.consumers.parking import Parked, StartedTooOften
from event_stream_engine.backbone.consumers.trimmed import trimmed_away
from event_stream_engine.backbone.streams import StreamBusy, StreamReader, StreamRefused, position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.backbone.supervising import holder_name, until_one_fails
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import BackboneSettings

log = structlog.get_logger()

CONSUMED = Counter("ese_consumed_total", "Events whose effect was committed", ["group"])
DUPLICATES = Counter("ese_consume_duplicates_total", "Redelivered events recognised by the inbox", ["group"])
FAILURES = Counter("ese_consume_failures_total", "Failed attempts to apply an event", ["group", "type"])
DEAD = Counter("ese_consume_dead_letters_total", "Events given up", ["group", "type"])
PARKED = Counter("ese_consume_parked_total", "Events parked because they failed, or behind one that did", ["group"])
RELOADED = Counter("ese_consume_reloaded_total", "Events read from the outbox because the stream lost them", ["group"])
INTERRUPTED = Counter("ese_consume_interruptions_total", "Times a group had to start anew", ["group", "cause"])
OWNED = Gauge("ese_consume_owned", "1 while this process owns the group", ["group"])
BATCH_SECONDS = Histogram("ese_consume_batch_seconds", "Time to apply one batch", ["group"])

_BLOCK_MS = 1000
_PAUSE_SECONDS_MAX = 15.0
_HEADS_A_ROUND = 50
_IDLE_CHECK_SECONDS = 5.0
_LAG_SECONDS = 10.0
_BYTES_READ_MAX = 32 * 2**20
"""A batch with more data than this halves the next one's size."""
SHUTDOWN_SECONDS = 20.0

_Waited = (StreamBusy, StreamRefused, LeaseLost, PositionMoved, *DATABASE_ERRORS, TimeoutError)


@dataclass
class Consumer:
    """One consumer of one group; `run` returns when `stop` is set."""

    group: Group
    database: Database
    streams: StreamReader
    settings: BackboneSettings
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = field(default_factory=holder_name)
    lease: GroupLease = field(init=False)
    _positions: dict[Place, str] = field(default_factory=dict)
    _careful: bool = False
    """The last owner died with work in hand: each event is marked as started before it is tried."""
    _count: int = 0
    _parked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.lease = GroupLease(self.database, self.group.name, self.name, self.settings.consume_lease_seconds)

    async def run(self) -> None:
        """Work until stopped. What is in hand then is finished within `SHUTDOWN_SECONDS`, or rolled back."""
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            self._parked.set()
            await asyncio.wait({work}, timeout=SHUTDOWN_SECONDS)
        finally:
            stopped.cancel()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _work(self) -> None:
        """Own the group as long as possible; a failing server is waited for with growing pauses."""
        failures = 0
        while not self.stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                await self._own()
            except _Waited as error:
                lasted = asyncio.get_running_loop().time() - began
                failures = 1 if lasted > _PAUSE_SECONDS_MAX else failures + 1
                longest = min(0.2 * 2**failures, _PAUSE_SECONDS_MAX)
                pause = random.uniform(0.05, longest)  # noqa: S311  # full jitter, not a secret
                INTERRUPTED.labels(self.group.name, getattr(error, "code", type(error).__name__)).inc()
                log.warning("group starts anew", group=self.group.name, error=str(error)[:500],
                            retry_in_seconds=round(pause, 1))  # fmt: skip
                await self._pause(pause)

    async def _own(self) -> None:
        while not await self.lease.take():
            await self._pause(self.settings.consume_lease_seconds / 5)
            if self.stop.is_set():
                return
        log.info("group is owned", group=self.group.name, epoch=self.lease.epoch, before=self.lease.before)
        OWNED.labels(self.group.name).set(1)
        self._careful = self.lease.before != "released"
        self._count = self.settings.consume_batch
        try:
            await until_one_fails(self._consume(), self._try_again(), self._beat(), self._feed())
        except asyncio.CancelledError:
            raise  # cut off: the next owner must be careful
        else:
            await self.lease.release()
        finally:
            OWNED.labels(self.group.name).set(0)

    async def _beat(self) -> None:
        """Keep the lease, hear of a pause, sample the lag; in a task of its own, so that a slow reaction loses
        nothing."""
        loop = asyncio.get_running_loop()
        sampled = loop.time() - _LAG_SECONDS
        while not self.stop.is_set():
            await self.lease.renew()
            if loop.time() - sampled >= _LAG_SECONDS:
                sampled = loop.time()
                try:
                    await lag.sample(self.database, self.group)
                except DATABASE_ERRORS as error:  # a figure is missing; consuming goes on
                    log.warning("lag not sampled", group=self.group.name, error=str(error)[:300])
            await self._pause(min(1.0, self.settings.consume_lease_seconds / 4))

    async def _feed(self) -> None:
        """Replays of this group put what they replay among the parked events."""
        while not self.stop.is_set():
            fed = 0 if self.lease.paused else await replay.feed(self.database, self.group.name)
            if fed:
                self._parked.set()
            await self._pause(0.1 if fed else 1.0)

    async def _consume(self) -> None:
        streams = self.group.streams
        partitions = {stream: await self.streams.partitions(stream) for stream in streams}
        async with self.database.transaction() as tx:
            self._positions = await inbox.positions(tx, self.group.name, self.lease.epoch, partitions)
        await self.streams.seek(self.group.name, self.name, self._positions)
        looked = asyncio.get_running_loop().time()
        while not self.stop.is_set():
            if self.lease.paused:
                await self._pause(0.2)
                continue
            count = self._count
            read = await self.streams.read(self.group.name, self.name, streams, count, _BLOCK_MS)
            if read and self.lease.paused:  # it was paused while we waited: this is read again afterwards
                await self.streams.seek(self.group.name, self.name, self._positions)
                continue
            now = asyncio.get_running_loop().time()
            if read:
                await self._catch_trimmed(read)
                await self._apply_read(read)
            if now - looked > _IDLE_CHECK_SECONDS:
                await self._pass_idle()
                looked = now
            self._careful = self._careful and not read
            self._bound(read, count)
            if 0 < len(read) < count:  # a moment's company makes the next transaction worth more
                await self._pause(self.settings.consume_linger_ms / 1000)

    def _bound(self, read: Sequence[Envelope], count: int) -> None:
        """Few large events at a time, many small ones."""
        size = sum(len(entry.data) for entry in read)
        if size > _BYTES_READ_MAX:
            self._count = max(1, count // 2)
        elif count < self.settings.consume_batch and size < _BYTES_READ_MAX // 4:
            self._count = min(self.settings.consume_batch, count * 2)

    async def _pass_idle(self) -> None:
        """A partition that holds nothing more moves along with its stream, which is else held back by it: trimming
        and retention go by the slowest."""
        passed = await self.streams.caught_up(self.group.name, self.name)
        await self._catch_trimmed([])
        ahead = {
            place: entry_id
            for place, entry_id in passed.items()
            if position(entry_id) > position(self._positions.get(place, "0-0"))
        }
        if ahead:
            async with self.database.transaction() as tx:
                await inbox.advance(tx, self.group.name, self.lease.epoch, self._positions, ahead, 0)
            self._positions |= ahead

    async def _catch_trimmed(self, read: Sequence[Envelope]) -> None:
        """What left the streams before this group read it comes from the outbox, first."""
        for place in inbox.ends(read) if read else list(self._positions):
            heads = [entry for entry in read if (entry.stream, entry.partition) == place]
            async for slice_ in trimmed_away(
                self.database, self.streams, place, self._positions.get(place, "0-0"), heads
            ):
                RELOADED.labels(self.group.name).inc(len(slice_))
                log.warning("entries were trimmed before they were read", group=self.group.name, stream=place[0],
                            reloaded=len(slice_))  # fmt: skip
                await self._apply_read(slice_)

    async def _apply_read(self, read: Sequence[Envelope]) -> None:
        """Apply what is past the group's positions, then acknowledge all of it."""
        new = [e for e in read if position(e.entry_id) > position(self._positions.get((e.stream, e.partition), "0-0"))]
        if new:
            with BATCH_SECONDS.labels(self.group.name).time():
                await self._apply(new)
        await self.streams.acknowledge(self.group.name, read)

    async def _apply(self, new: Sequence[Envelope]) -> None:
        heard = [entry for entry in new if entry.type in self.group.reactions]
        if self._careful:
            await self._apply_carefully(heard)
        lanes = applying.lanes_of(self.group, [] if self._careful else heard)
        before, after = dict(self._positions), inbox.ends(new)
        if len(lanes) <= 1:
            await self._apply_lane(lanes[0] if lanes else [], before, after, len(heard))
        else:
            await until_one_fails(*(self._apply_lane(lane) for lane in lanes))
            async with self.database.transaction() as tx:
                await inbox.advance(tx, self.group.name, self.lease.epoch, before, after, len(heard))
        self._positions |= after
        CONSUMED.labels(self.group.name).inc(len(heard))

    async def _apply_lane(
        self,
        entries: Sequence[Envelope],
        before: Mapping[Place, str] | None = None,
        after: Mapping[Place, str] | None = None,
        consumed: int = 0,
    ) -> None:
        """One transaction. A reaction that had to be cut off took it along: then again, with that one failed."""
        condemned: dict[str, Exception] = {}
        one_by_one = False
        while True:
            try:
                async with self.database.transaction() as tx:
                    waiting = await self._effects(tx, entries, condemned, one_by_one)
                    if before is None or after is None:
                        await inbox.fence(tx, self.group.name, self.lease.epoch)
                    else:
                        await inbox.advance(tx, self.group.name, self.lease.epoch, before, after, consumed)
            except Interrupted as error:
                if one_by_one or len(entries) == 1:
                    condemned[str(error.entry.id)] = error.cause
                one_by_one = True
                continue
            await self._promote(waiting)
            return

    async def _effects(
        self, tx: Transaction, entries: Sequence[Envelope], condemned: dict[str, Exception], one_by_one: bool
    ) -> list[Envelope]:
        """Take charge of all, apply what may be applied; what was parked behind others."""
        if not entries:
            return []
        free, waiting = await inbox.take(tx, self.group.name, entries)
        DUPLICATES.labels(self.group.name).inc(len(entries) - len(free) - len(waiting))
        kind = self.group.kind
        if free and not (kind == "batch" and not one_by_one and await self._at_once(tx, free)):
            waiting += await self._one_by_one(tx, free, condemned)
        if waiting:
            PARKED.labels(self.group.name).inc(len(waiting))
            await parking.park_behind(tx, self.group.name, waiting)
        return waiting

    async def _at_once(self, tx: Transaction, entries: Sequence[Envelope]) -> bool:
        """All of a batch, per type; False when one of them fails and they must be tried one by one."""
        by_type: dict[str, list[Envelope]] = {}
        for entry in entries:
            by_type.setdefault(entry.type, []).append(entry)
        try:
            async with tx.begin_nested():
                for type_, same in by_type.items():
                    await applying.run(self.group.reactions[type_], tx, same, self.settings.handler_seconds)
        except HandlerTimedOut as error:
            raise Interrupted(entries[0], error) from error
        except Exception as error:  # the edge: the batch is tried again one by one
            if applying.is_outage(error):
                raise
            log.warning("batch failed, trying one by one", group=self.group.name, error=repr(error)[:500])
            return False
        return True

    async def _one_by_one(
        self, tx: Transaction, entries: Sequence[Envelope], condemned: dict[str, Exception]
    ) -> list[Envelope]:
        """Each behind a savepoint; those whose key failed in this batch are returned, to wait."""
        failed: set[tuple[str, str]] = set()
        waiting = []
        for entry in entries:
            if (entry.stream, entry.subject) in failed:
                waiting.append(entry)
                continue
            error = condemned.get(str(entry.id)) or await self._attempt(tx, entry)
            if error is not None and not await self._note_failure(tx, Parked(entry), error):
                failed.add((entry.stream, entry.subject))
        return waiting

    async def _attempt(self, tx: Transaction, entry: Envelope) -> Exception | None:
        """Why it failed, None when it is applied. Raises what is not the event's fault, and `Interrupted`."""
        reaction = self.group.reactions[entry.type]
        try:
            if reaction.kind == "chore":  # it changes nothing here; it may run again and is idempotent by event id
                await applying.run(reaction, None, [entry], self.settings.handler_seconds)
            else:
                async with tx.begin_nested():
                    await applying.run(reaction, tx, [entry], self.settings.handler_seconds)
        except HandlerTimedOut as error:
            raise Interrupted(entry, error) from error
        except Exception as error:  # the edge: any other failure is counted, and the event kept
            if applying.is_outage(error):
                raise
            return error
        return None

    async def _note_failure(self, tx: Transaction, parked: Parked, error: Exception) -> bool:
        entry = parked.entry
        FAILURES.labels(self.group.name, entry.type).inc()
        dead = await parking.fail(tx, self.group.name, parked, error, self.settings)
        log.warning("event is dead" if dead else "event failed", group=self.group.name, type=entry.type,
                    event_id=str(entry.id), attempts=parked.failed + 1, error=repr(error)[:500])  # fmt: skip
        if dead:
            DEAD.labels(self.group.name, entry.type).inc()
        else:
            self._parked.set()
        return dead

    async def _promote(self, waiting: Sequence[Envelope]) -> None:
        if waiting:
            async with self.database.transaction() as tx:
                await parking.promote(tx, self.group.name, waiting)
            self._parked.set()

    async def _apply_carefully(self, entries: Sequence[Envelope]) -> None:
        """Events that the last owner may have died of: each is marked before it is tried, in a transaction of its
        own, and given up when too many attempts never ended."""
        async with self.database.transaction() as tx:
            known = await inbox.in_charge(tx, self.group.name, entries)
        for entry in entries:
            if entry.id in known:
                continue
            if await self._started_too_often(entry):
                async with self.database.transaction() as tx:
                    free, waiting = await inbox.take(tx, self.group.name, [entry])
                    if free:
                        await self._give_up(tx, Parked(entry))
                    await parking.park_behind(tx, self.group.name, waiting)
            else:
                await self._apply_lane([entry])
                async with self.database.transaction() as tx:
                    await parking.unmark(tx, self.group.name, entry.id)

    async def _started_too_often(self, entry: Envelope) -> bool:
        kind = self.lease.before if self.lease.before != "released" else "crashed"
        async with self.database.transaction() as tx:
            started = await parking.mark_started(tx, self.group.name, entry.id, kind)
        return started > self.settings.crashes_max

    async def _give_up(self, tx: Transaction, parked: Parked) -> None:
        crashed, taken_over = await parking.unmark(tx, self.group.name, parked.entry.id)
        marked = Parked(
            parked.entry, parked.replay_id, parked.failed, max(0, crashed - (not taken_over)),
            max(0, taken_over - (not crashed)), parked.first_failed_at, parked.history,
        )  # fmt: skip
        error = StartedTooOften(f"the consumer died {self.settings.crashes_max} times while it applied this event")
        await parking.bury(tx, self.group.name, marked, error)
        DEAD.labels(self.group.name, parked.entry.type).inc()
        log.error("event is dead", group=self.group.name, type=parked.entry.type, event_id=str(parked.entry.id),
                  error=str(error))  # fmt: skip

    async def _try_again(self) -> None:
        """Heads of parked keys, when they are due."""
        careful = self._careful
        async with self.database.transaction() as tx:
            await parking.promote(tx, self.group.name)
        while not self.stop.is_set():
            self._parked.clear()
            if self.lease.paused:
                await self._pause(0.2)
                continue
            async with self.database.transaction() as tx:
                heads, wait = await parking.due(tx, self.group.name, _HEADS_A_ROUND)
            for event_id in heads:
                if not (self.stop.is_set() or self.lease.paused):
                    await self._try_parked(event_id, careful=careful)
            careful = careful and bool(heads)
            if not heads:
                await self._wait_parked(1.0 if wait is None else min(1.0, max(0.05, wait)))

    async def _wait_parked(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._parked.wait(), seconds)

    async def _try_parked(self, event_id: UUID, *, careful: bool) -> None:
        """One attempt: the effect and the row's removal are one transaction."""
        condemned: Exception | None = None
        while True:
            try:
                async with self.database.transaction() as tx:
                    parked = await parking.lock(tx, self.group.name, event_id)
                if parked is None:
                    return
                marks = careful or parked.failed > 0
                too_often = marks and await self._started_too_often(parked.entry)
                async with self.database.transaction() as tx:
                    parked = await parking.lock(tx, self.group.name, event_id)
                    settled = parked is not None and await self._settle(tx, parked, too_often, condemned, marks)
                    await inbox.advance(tx, self.group.name, self.lease.epoch, {}, {}, int(settled))
            except Interrupted as error:
                condemned = error.cause
                continue
            return

    async def _settle(
        self, tx: Transaction, parked: Parked, too_often: bool, condemned: Exception | None, marked: bool
    ) -> bool:
        """Whether its effect is applied."""
        if too_often:
            await self._give_up(tx, parked)
            return False
        heard = parked.entry.type in self.group.reactions
        error = condemned or (await self._attempt(tx, parked.entry) if heard else None)
        if marked:
            await parking.unmark(tx, self.group.name, parked.entry.id)
        if error is not None:
            await self._note_failure(tx, parked, error)
            return False
        await parking.remove(tx, self.group.name, parked.entry)
        CONSUMED.labels(self.group.name).inc()
        return True

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
