"""One attempt to apply an event: how it ended, and what that means for the event."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from uuid import UUID

import structlog
from prometheus_client import Counter

from event_stream_engine.backbone.consumers import applying, parking
from event_stream_engine.backbone.consumers.applying import HandlerTimedOut, Interrupted
from event_stream_engine.backbone.consumers.lease import GroupLease
from event_stream_engine.backbone.consumers.parking import Parked, StartedTooOften
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.ids import new_id
from event_stream_engine.settings import BackboneSettings
from event_stream_engine.telemetry import worked

log = structlog.get_logger()

CONSUMED = Counter("ese_consumed_total", "Events whose effect was committed", ["group"])
FAILURES = Counter("ese_consume_failures_total", "Failed attempts to apply an event", ["group", "type"])
DEAD = Counter("ese_consume_dead_letters_total", "Events given up", ["group", "type"])

Parks = Callable[[Envelope, Exception], Awaitable[bool]]
"""Notes a failure; whether the event is parked, and its key with it."""
NONE: Mapping[str, Exception] = MappingProxyType({})


@dataclass
class Attempts:
    """Attempts of one group; `parked` is set when something was parked."""

    group: Group
    database: Database
    settings: BackboneSettings
    lease: GroupLease
    parked: asyncio.Event
    consumer: UUID = field(default_factory=new_id)
    """Whose attempts these are: no other process's, nor an earlier one's of the same name."""

    async def attempt(self, tx: Transaction, entry: Envelope) -> Exception | None:
        """Why it failed, None when it is applied. Raises what is not the event's fault, and `Interrupted`."""
        return (await self._try(tx, [entry]))[1]

    async def attempt_in_order(
        self,
        tx: Transaction,
        entries: Sequence[Envelope],
        parks: Parks,
        *,
        condemned: Mapping[str, Exception] = NONE,
        until: float = math.inf,
    ) -> list[Envelope]:
        """Behind as few savepoints as the failures allow, for each is two of three round trips: those that were applied
        before `until` (the loop's time). Where `parks` answers yes, what comes behind in the key is not tried;
        `condemned` (by id) are failures without a call.

        What went well before one that failed is taken back with it, and called again without it: a reaction may be
        called twice. Raises as `attempt` does.
        """
        applied: list[Envelope] = []
        rest, size = list(entries), len(entries)
        while rest:
            part = rest[:size]
            if condemned:
                part = list(takewhile(lambda one: str(one.id) not in condemned, part))
            well, error = await self._try(tx, part, until) if part else (0, condemned[str(rest[0].id)])
            if error is not None and well and self.group.kind != "task":
                size = well
                continue
            applied += rest[:well]
            rest = rest[well:]
            if error is not None:
                failed = rest.pop(0)
                if await parks(failed, error):
                    rest = [one for one in rest if (one.stream, one.subject) != (failed.stream, failed.subject)]
            elif well < len(part):
                break
            size = len(rest)
        return applied

    async def _try(
        self, tx: Transaction, entries: Sequence[Envelope], until: float = math.inf
    ) -> tuple[int, Exception | None]:
        """How many went well before one failed, or before `until`, and why it failed. Then none of them is applied,
        unless they are tasks, which change nothing here: those may run again and are idempotent by event id."""
        time = asyncio.get_running_loop().time
        is_task = self.group.kind == "task"
        well, entry = 0, entries[0]
        try:
            async with contextlib.nullcontext() if is_task else tx.begin_nested():
                for entry in entries:
                    if time() > until:
                        break
                    if reaction := self.group.reactions.get(entry.type):
                        given = None if is_task else tx
                        await applying.run(reaction, given, [entry], self.settings.handler_seconds)
                    well += 1
        except HandlerTimedOut as error:
            raise Interrupted(entry, error) from error
        except Exception as error:  # the edge: any other failure is counted, and the event kept
            if applying.is_outage(error):
                raise
            return well, error
        return well, None

    async def note_failure(self, tx: Transaction, parked: Parked, error: Exception) -> bool:
        entry = parked.entry
        FAILURES.labels(self.group.name, entry.type).inc()
        worked("consume", "failed")
        dead = await parking.fail(tx, self.group.name, parked, error, self.settings)
        log.warning("event dead-lettered" if dead else "event failed", group=self.group.name, type=entry.type,
                    event_id=str(entry.id), attempts=parked.failed + 1, error=repr(error)[:500])  # fmt: skip
        if dead:
            DEAD.labels(self.group.name, entry.type).inc()
        else:
            self.parked.set()
        return dead

    async def started_too_often(self, entry: Envelope) -> bool:
        kind = self.lease.before if self.lease.before != "released" else "crashed"
        async with self.database.transaction() as tx:
            started = await parking.mark_started(tx, self.group.name, entry.id, kind, self.consumer)
        return started > self.settings.crashes_max

    async def give_up(self, tx: Transaction, parked: Parked) -> None:
        crashed, taken_over = await parking.unmark(tx, self.group.name, parked.entry.id)
        marked = Parked(
            parked.entry, parked.replay_id, parked.failed, max(0, crashed - (not taken_over)),
            max(0, taken_over - (not crashed)), parked.first_failed_at, parked.history,
        )  # fmt: skip
        error = StartedTooOften(f"the consumer died {self.settings.crashes_max} times while it applied this event")
        await parking.bury(tx, self.group.name, marked, error)
        DEAD.labels(self.group.name, parked.entry.type).inc()
        log.error("event dead-lettered", group=self.group.name, type=parked.entry.type, event_id=str(parked.entry.id),
                  error=str(error))  # fmt: skip
