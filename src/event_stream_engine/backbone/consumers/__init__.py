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
from event_stream_engine.backbone.consumers.applying import Interrupted, Learnt
from event_stream_engine.backbone.consumers.attempts import CONSUMED, Attempts
from event_stream_engine.backbone.consumers.inbox import Given, Place, PositionMoved, TakenBefore, UnknownTicks
from event_stream_engine.backbone.consumers.lease import GroupLease, LeaseLost
from event_stream_engine.backbone.consumers.parking import Parked
from event_stream_engine.backbone.consumers.reading import Batches
from event_stream_engine.backbone.consumers.retrying import Retrying
from event_stream_engine.backbone.consumers.trimmed import trimmed_away
from event_stream_engine.backbone.streams import StreamBusy, StreamReader, StreamRefused, position
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.backbone.supervising import end, holder_name, pause, until_one_fails
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import BackboneSettings
from event_stream_engine.telemetry import Repeated, timed, worked

log = structlog.get_logger()

DUPLICATES = Counter("ese_consume_duplicates_total", "Redelivered events recognised by the inbox", ["group"])
PARKED = Counter("ese_consume_parked_total", "Events parked because they failed, or behind one that did", ["group"])
RELOADED = Counter("ese_consume_reloaded_total", "Events read from the outbox because the stream lost them", ["group"])
INTERRUPTED = Counter("ese_consume_interruptions_total", "Times a group had to start anew", ["group", "cause"])
OWNED = Gauge("ese_consume_owned", "1 while this process owns the group", ["group"])
BATCH_SECONDS = Histogram("ese_consume_batch_seconds", "Time to apply one batch", ["group"])

_PAUSE_SECONDS_MAX = 15.0
_IDLE_CHECK_SECONDS = 5.0
_LAG_SECONDS = 10.0
_BEAT_SECONDS = 1.0
_QUIET_BEAT_SECONDS = 2.5
_QUIET_AFTER_SECONDS = 10.0
"""Without an event, a group that is quiet says less often that it is alive, and is paused that much later."""
SHUTDOWN_SECONDS = 20.0

_Waited = (StreamBusy, StreamRefused, LeaseLost, PositionMoved, UnknownTicks, *DATABASE_ERRORS, TimeoutError)


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
    _parked: asyncio.Event = field(default_factory=asyncio.Event)
    _read_at: float = 0.0
    """When the group read an event last, by the loop's clock."""
    _attempts: Attempts = field(init=False)

    def __post_init__(self) -> None:
        self.lease = GroupLease(self.database, self.group.name, self.name, self.settings.consume_lease_seconds)
        self._attempts = Attempts(self.group, self.database, self.settings, self.lease, self._parked)

    async def run(self) -> None:
        """Work until stopped. What is in hand then is finished within `SHUTDOWN_SECONDS`, or rolled back."""
        work = asyncio.create_task(self._work())
        stopped = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            self._parked.set()
            await asyncio.wait({work}, timeout=SHUTDOWN_SECONDS)
        finally:
            await end(stopped, work)
        if not work.cancelled():
            work.result()

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
                seconds = random.uniform(0.05, longest)  # noqa: S311  # full jitter, not a secret
                INTERRUPTED.labels(self.group.name, getattr(error, "code", type(error).__name__)).inc()
                log.warning("consumer group restarting", group=self.group.name, error=str(error)[:500],
                            retry_in_seconds=round(seconds, 1))  # fmt: skip
                await pause(self.stop, seconds)

    async def _own(self) -> None:
        while not await self.lease.take():
            await pause(self.stop, self.settings.consume_lease_seconds / 5)
            if self.stop.is_set():
                return
        log.info("consumer group acquired", group=self.group.name, epoch=self.lease.epoch, before=self.lease.before)
        OWNED.labels(self.group.name).set(1)
        self._careful = self.lease.before != "released"
        try:
            retrying = Retrying(self._attempts, self.stop, self._careful)
            await until_one_fails(self._consume(), retrying.run(), self._beat(), self._feed())
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
        unsampled = Repeated("lag not sampled", "lag sampled again")
        while not self.stop.is_set():
            await self.lease.renew()
            if self.lease.is_due:
                self._parked.set()
            if loop.time() - sampled >= _LAG_SECONDS:
                sampled = loop.time()
                try:
                    await lag.sample(self.database, self.group)
                except DATABASE_ERRORS as error:  # a figure is missing; consuming goes on
                    unsampled.failed(type(error).__name__, group=self.group.name, detail=str(error)[:200])
                else:
                    unsampled.worked(group=self.group.name)
            quiet = loop.time() - self._read_at > _QUIET_AFTER_SECONDS and not self.lease.is_due
            seconds = _QUIET_BEAT_SECONDS if quiet else _BEAT_SECONDS
            await pause(self.stop, min(seconds, self.settings.consume_lease_seconds / 4))

    async def _feed(self) -> None:
        """Replays of this group put what they replay among the parked events."""
        while not self.stop.is_set():
            feeds = self.lease.replays and not self.lease.paused
            fed = await replay.feed(self.database, self.group.name) if feeds else 0
            if fed:
                self._parked.set()
            await pause(self.stop, 0.1 if fed else 1.0)

    async def _consume(self) -> None:
        streams = self.group.streams
        partitions = {stream: await self.streams.partitions(stream) for stream in streams}
        async with self.database.transaction() as tx:
            self._positions = await inbox.positions(tx, self.group, self.lease.epoch, partitions)
        await self.streams.seek(self.group.name, self.name, self._positions)
        batches = Batches(
            self.group.name, self.streams, self.name, streams, self.settings, self.lease, self.stop, self._careful
        )
        time = asyncio.get_running_loop().time
        looked = time()
        async with contextlib.aclosing(batches.follow(self._positions)) as following:
            async for read in following:
                now = time()
                if read.entries:
                    self._read_at = now
                    given = inbox.by_place(read.entries)
                    await self._catch_trimmed(given, read.heads)
                    await self._apply_read(given)
                    batches.applied(read.entries, time() - now)
                if not batches.flowing and now - looked > _IDLE_CHECK_SECONDS:
                    await self._pass_idle()
                    looked = now
                self._careful = self._careful and not read.entries

    async def _pass_idle(self) -> None:
        """A partition that holds nothing more moves along with its stream, which is else held back by it: trimming
        and retention go by the slowest."""
        passed = await self.streams.caught_up(self.group.name, self.name)
        await self._look_for_trimmed()
        ahead = {
            place: entry_id
            for place, entry_id in passed.items()
            if position(entry_id) > position(self._positions.get(place, "0-0"))
        }
        if ahead:
            async with self.database.transaction() as tx:
                await inbox.advance(tx, self.group.name, self.lease.epoch, self._positions, ahead, 0)
            self._positions |= ahead

    async def _catch_trimmed(self, read: Given, heads: Mapping[Place, str]) -> None:
        """What left the streams before this group read it comes from the outbox, first."""
        for place, given in read.items():
            await self._reload(place, given, heads.get(place))

    async def _look_for_trimmed(self) -> None:
        """The same where a stream has nothing new: what was there may have gone unread."""
        for place in list(self._positions):
            await self._reload(place, [], await self.streams.first_id(*place))

    async def _reload(self, place: Place, given: Sequence[Envelope], head: str | None) -> None:
        at = self._positions.get(place, "0-0")
        async for slice_ in trimmed_away(self.database, self.streams, place, at, given, head):
            RELOADED.labels(self.group.name).inc(len(slice_))
            log.warning("entries trimmed before being read", group=self.group.name, stream=place[0],
                        reloaded=len(slice_))  # fmt: skip
            await self._apply_read({place: slice_})

    async def _apply_read(self, read: Given) -> None:
        """Apply what is past the group's positions, then acknowledge all of it."""
        if new := inbox.beyond(read, self._positions):
            with BATCH_SECONDS.labels(self.group.name).time(), timed("consume"):
                await self._apply(new)
        await self.streams.acknowledge(self.group.name, inbox.ends(read))

    async def _apply(self, new: Given) -> None:
        heard = [entry for given in new.values() for entry in given if entry.type in self.group.reactions]
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
        worked("consume", "applied", len(heard))

    async def _apply_lane(
        self,
        entries: Sequence[Envelope],
        before: Mapping[Place, str] | None = None,
        after: Mapping[Place, str] | None = None,
        consumed: int = 0,
    ) -> None:
        """One transaction, until one is committed: a reaction that had to be cut off takes it along, and so does an
        inbox row that was there."""
        learnt = Learnt()
        while True:
            try:
                async with self.database.transaction() as tx:
                    waiting = await self._effects(tx, entries, learnt) if entries else []
                    if before is None or after is None:
                        await inbox.fence(tx, self.group.name, self.lease.epoch)
                    else:
                        await inbox.advance(tx, self.group.name, self.lease.epoch, before, after, consumed)
            except TakenBefore:
                learnt.some_taken = True
                continue
            except Interrupted as error:
                if learnt.one_by_one or len(entries) == 1:
                    learnt.condemned[str(error.entry.id)] = error.cause
                learnt.one_by_one = True
                continue
            await self._promote(waiting)
            return

    async def _effects(self, tx: Transaction, entries: Sequence[Envelope], learnt: Learnt) -> list[Envelope]:
        """Take charge of all, apply what may be applied; what was parked behind others."""
        take = inbox.take if learnt.some_taken else inbox.take_new
        free, waiting = await take(tx, self.group.name, entries)
        DUPLICATES.labels(self.group.name).inc(len(entries) - len(free) - len(waiting))
        kind = self.group.kind
        if free and kind == "batch" and not learnt.one_by_one:
            await self._at_once(tx, free)
        elif free:
            waiting += await self._one_by_one(tx, free, learnt.condemned)
        if waiting:
            PARKED.labels(self.group.name).inc(len(waiting))
            await parking.park_behind(tx, self.group.name, waiting)
        return waiting

    async def _at_once(self, tx: Transaction, entries: Sequence[Envelope]) -> None:
        """All of a batch, per type. Raises `Interrupted` when one of them fails: they must be tried one by one."""
        try:
            for type_, same in applying.by_type(entries).items():
                await applying.run(self.group.reactions[type_], tx, same, self.settings.handler_seconds)
        except Exception as error:  # the edge: whose fault it was is found one by one
            if applying.is_outage(error):
                raise
            log.warning("batch failed, applying events one by one", group=self.group.name, error=repr(error)[:500])
            raise Interrupted(entries[0], error) from error

    async def _one_by_one(
        self, tx: Transaction, entries: Sequence[Envelope], condemned: dict[str, Exception]
    ) -> list[Envelope]:
        """Those whose key failed in this batch are returned, to wait."""
        settled: set[UUID] = set()

        async def parks(entry: Envelope, error: Exception) -> bool:
            settled.add(entry.id)
            return not await self._attempts.note_failure(tx, Parked(entry), error)

        applied = await self._attempts.attempt_in_order(tx, entries, parks, condemned=condemned)
        settled |= {entry.id for entry in applied}
        return [entry for entry in entries if entry.id not in settled]

    async def _promote(self, waiting: Sequence[Envelope]) -> None:
        if waiting:
            async with self.database.transaction() as tx:
                await parking.promote_fronts(tx, self.group.name, waiting)
            self._parked.set()

    async def _apply_carefully(self, entries: Sequence[Envelope]) -> None:
        """Events that the last owner may have died of: each is marked before it is tried, in a transaction of its
        own, and given up when too many attempts never ended."""
        async with self.database.transaction() as tx:
            known = await inbox.in_charge(tx, self.group.name, entries)
        for entry in entries:
            if entry.id in known:
                continue
            if await self._attempts.started_too_often(entry):
                async with self.database.transaction() as tx:
                    free, waiting = await inbox.take(tx, self.group.name, [entry])
                    if free:
                        await self._attempts.give_up(tx, Parked(entry))
                    await parking.park_behind(tx, self.group.name, waiting)
            else:
                await self._apply_lane([entry])
                async with self.database.transaction() as tx:
                    await parking.unmark(tx, self.group.name, entry.id)
