"""Consumer groups: read, apply exactly once, acknowledge.

The inbox rows of a batch are inserted before its effects, in the same transaction; an event whose row was there
already is a duplicate and only acknowledged. Acknowledging comes after the commit, so a crash in between leads
to a redelivery that the inbox recognises.
An event that fails leaves its group waiting (the events before it are committed) and is tried again with growing
pauses: order is kept and nothing is skipped.
"""

import asyncio
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter, Gauge, Histogram
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from event_stream_engine.backbone.streams import StreamReader
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.base import Envelope, Event
from event_stream_engine.settings import BackboneSettings
from event_stream_engine.telemetry import following

log = structlog.get_logger()

CONSUMED = Counter("ese_consumed_total", "Events whose effect was committed", ["group"])
DUPLICATES = Counter("ese_consume_duplicates_total", "Redelivered events recognised by the inbox", ["group"])
FAILURES = Counter("ese_consume_failures_total", "Failed attempts to apply an event", ["group", "type"])
BLOCKED = Gauge("ese_consume_blocked", "1 while a group waits on a failing event", ["group"])
BATCH_SECONDS = Histogram("ese_consume_batch_seconds", "Time to apply one batch", ["group"])

_BLOCK_MS = 1000
_RETRY_SECONDS_MAX = 30.0


class EventFailed(Exception):
    """A reaction raised; the events before this one are committed."""


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: `unfinished` starts with the event that failed, if one did."""

    unfinished: Sequence[Envelope] = ()
    cause: Exception | None = None


@dataclass
class Consumer:
    """One consumer of one group; `run` returns when `stop` is set."""

    group: Group
    database: Database
    streams: StreamReader
    settings: BackboneSettings
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = field(default_factory=socket.gethostname)
    _failures: int = 0

    async def run(self) -> None:
        """Work until stopped; a failing server or event is waited for with growing pauses."""
        while not self.stop.is_set():
            try:
                await self._work()
            except (EventFailed, RedisError, DBAPIError, OSError) as error:
                self._failures += 1
                longest = min(0.2 * 2**self._failures, _RETRY_SECONDS_MAX)
                pause = random.uniform(0.1, longest)  # noqa: S311  # full jitter, not a secret
                log.warning(
                    "group waits", group=self.group.name, error=str(error)[:500], retry_in_seconds=round(pause, 1)
                )
                BLOCKED.labels(self.group.name).set(1)
                await self._pause(pause)

    async def _work(self) -> None:
        """First what others abandoned and this consumer left unfinished, then what is new."""
        streams = self.group.streams
        await self.streams.ensure_group(self.group.name, streams)
        await self._drain(streams)
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while not self.stop.is_set():
            if (loop.time() - looked) * 1000 > self.settings.claim_idle_ms:
                await self._apply(await self._abandoned(streams))
                looked = loop.time()
            count = self.settings.consume_batch
            new = await self.streams.read_new(self.group.name, self.name, streams, count, _BLOCK_MS)
            await self._apply(new)
            if 0 < len(new) < count:  # a moment's company makes the next transaction worth more
                await self._pause(self.settings.consume_linger_ms / 1000)

    async def _drain(self, streams: list[str]) -> None:
        await self._apply(await self._abandoned(streams))
        count = self.settings.consume_batch
        while pending := await self.streams.read_own_pending(self.group.name, self.name, streams, count):
            if self.stop.is_set():
                return
            await self._apply(pending)

    async def _abandoned(self, streams: list[str]) -> list[Envelope]:
        settings = self.settings
        return await self.streams.claim_abandoned(
            self.group.name, self.name, streams, settings.claim_idle_ms, settings.consume_batch
        )

    async def _apply(self, batch: Sequence[Envelope]) -> None:
        """Apply and acknowledge; raises `EventFailed` after acknowledging what came before the failure."""
        if not batch:
            return
        heard = [entry for entry in batch if entry.type in self.group.reactions]
        with BATCH_SECONDS.labels(self.group.name).time():
            outcome = await self._attempt(heard)
        kept = {entry.entry_id for entry in outcome.unfinished}
        done = [entry for entry in batch if entry.entry_id not in kept]
        await self.streams.acknowledge(self.group.name, done)
        CONSUMED.labels(self.group.name).inc(len(heard) - len(kept))
        if done:
            self._failures = 0
        if outcome.cause is not None:
            failed = outcome.unfinished[0]
            FAILURES.labels(self.group.name, failed.type).inc()
            raise EventFailed(f"{failed.type} {failed.id}: {outcome.cause!r}") from outcome.cause
        BLOCKED.labels(self.group.name).set(0)

    async def _attempt(self, entries: Sequence[Envelope]) -> Outcome:
        if not entries:
            return Outcome()
        kind = self.group.reactions[entries[0].type].kind
        if kind == "chore":
            return await self._start_chores(entries)
        async with self.database.transaction() as tx:
            new = await _insert_inbox(tx, self.group.name, entries)
            DUPLICATES.labels(self.group.name).inc(len(entries) - len(new))
            if kind == "batch" and await self._apply_at_once(tx, new):
                return Outcome()
            return await self._apply_one_by_one(tx, new)

    async def _start_chores(self, entries: Sequence[Envelope]) -> Outcome:
        for index, entry in enumerate(entries):
            try:
                with following(entry.correlationid, entry.id):
                    await self.group.reactions[entry.type].function(_event(entry))
            except Exception as error:  # noqa: BLE001  # the edge: any failure keeps the event
                return Outcome(entries[index:], error)
        return Outcome()

    async def _apply_at_once(self, tx: Transaction, entries: Sequence[Envelope]) -> bool:
        """Each type's events in one call, behind one savepoint; False when that failed and was undone."""
        by_type: dict[str, list[Envelope]] = {}
        for entry in entries:
            by_type.setdefault(entry.type, []).append(entry)
        try:
            async with tx.begin_nested():
                for type_, same in by_type.items():
                    with following(same[0].correlationid, same[0].id):
                        await self.group.reactions[type_].function(tx, [_event(entry) for entry in same])
        except Exception as error:  # noqa: BLE001  # the edge: the batch is tried again one by one
            log.warning("batch failed, trying one by one", group=self.group.name, error=repr(error)[:500])
            return False
        return True

    async def _apply_one_by_one(self, tx: Transaction, entries: Sequence[Envelope]) -> Outcome:
        for index, entry in enumerate(entries):
            reaction = self.group.reactions[entry.type]
            event = _event(entry)
            try:
                async with tx.begin_nested():
                    with following(entry.correlationid, entry.id):
                        await reaction.function(tx, [event] if reaction.kind == "batch" else event)
            except Exception as error:  # noqa: BLE001  # the edge: any failure keeps the event
                await _forget_inbox(tx, self.group.name, entries[index:])
                return Outcome(entries[index:], error)
        return Outcome()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except TimeoutError:
            return


def _event(entry: Envelope) -> Event:
    event = entry.event()
    if event is None:
        raise LookupError(f"no event is called {entry.type}")
    return event


async def _insert_inbox(tx: Transaction, group: str, entries: Sequence[Envelope]) -> list[Envelope]:
    """Insert the batch's inbox rows; the entries that were not there yet, in their order."""
    inserted = await tx.execute(
        text(
            "INSERT INTO inbox (group_name, event_id) SELECT :group, unnest(CAST(:ids AS uuid[])) "
            "ON CONFLICT DO NOTHING RETURNING event_id"
        ),
        {"group": group, "ids": [entry.id for entry in entries]},
    )
    new = {row[0] for row in inserted}
    return [entry for entry in entries if entry.id in new]


async def _forget_inbox(tx: Transaction, group: str, entries: Sequence[Envelope]) -> None:
    await tx.execute(
        text("DELETE FROM inbox WHERE group_name = :group AND event_id = ANY (CAST(:ids AS uuid[]))"),
        {"group": group, "ids": [entry.id for entry in entries]},
    )
