"""One attempt to apply an event: how it ended, and what that means for the event."""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from event_stream_engine.backbone.consumers import applying, parking
from event_stream_engine.backbone.consumers.applying import HandlerTimedOut, Interrupted
from event_stream_engine.backbone.consumers.lease import GroupLease
from event_stream_engine.backbone.consumers.parking import Parked, StartedTooOften
from event_stream_engine.backbone.subscriptions import Group
from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import BackboneSettings
from event_stream_engine.telemetry import worked

log = structlog.get_logger()

CONSUMED = Counter("ese_consumed_total", "Events whose effect was committed", ["group"])
FAILURES = Counter("ese_consume_failures_total", "Failed attempts to apply an event", ["group", "type"])
DEAD = Counter("ese_consume_dead_letters_total", "Events given up", ["group", "type"])


@dataclass
class Attempts:
    """Attempts of one group; `parked` is set when something was parked."""

    group: Group
    database: Database
    settings: BackboneSettings
    lease: GroupLease
    parked: asyncio.Event

    async def attempt(self, tx: Transaction, entry: Envelope) -> Exception | None:
        """Why it failed, None when it is applied. Raises what is not the event's fault, and `Interrupted`."""
        _, error = await self._try(tx, [entry])
        return error

    async def attempt_all(
        self, tx: Transaction, entries: Sequence[Envelope], until: float = math.inf
    ) -> list[Envelope] | None:
        """Behind one savepoint instead of one each, which is two of three round trips: those that were applied before
        `until` (the loop's time). None when one failed: then nothing is applied, and each is tried by itself. Raises
        as `attempt` does."""
        applied, error = await self._try(tx, entries, until)
        return applied if error is None else None

    async def _try(
        self, tx: Transaction, entries: Sequence[Envelope], until: float = math.inf
    ) -> tuple[list[Envelope], Exception | None]:
        """Those that were applied, or why one failed: then none is."""
        time = asyncio.get_running_loop().time
        is_chore = self.group.kind == "chore"  # it changes nothing here; it may run again and is idempotent by event id
        applied: list[Envelope] = []
        entry = entries[0]
        try:
            async with contextlib.nullcontext() if is_chore else tx.begin_nested():
                for entry in entries:
                    if time() > until:
                        break
                    reaction = self.group.reactions[entry.type]
                    await applying.run(reaction, None if is_chore else tx, [entry], self.settings.handler_seconds)
                    applied.append(entry)
        except HandlerTimedOut as error:
            raise Interrupted(entry, error) from error
        except Exception as error:  # the edge: any other failure is counted, and the event kept
            if applying.is_outage(error):
                raise
            return [], error
        return applied, None

    async def note_failure(self, tx: Transaction, parked: Parked, error: Exception) -> bool:
        entry = parked.entry
        FAILURES.labels(self.group.name, entry.type).inc()
        worked("consume", "failed")
        dead = await parking.fail(tx, self.group.name, parked, error, self.settings)
        log.warning("event is dead" if dead else "event failed", group=self.group.name, type=entry.type,
                    event_id=str(entry.id), attempts=parked.failed + 1, error=repr(error)[:500])  # fmt: skip
        if dead:
            DEAD.labels(self.group.name, entry.type).inc()
        else:
            self.parked.set()
        return dead

    async def started_too_often(self, entry: Envelope) -> bool:
        kind = self.lease.before if self.lease.before != "released" else "crashed"
        async with self.database.transaction() as tx:
            started = await parking.mark_started(tx, self.group.name, entry.id, kind)
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
        log.error("event is dead", group=self.group.name, type=parked.entry.type, event_id=str(parked.entry.id),
                  error=str(error))  # fmt: skip
