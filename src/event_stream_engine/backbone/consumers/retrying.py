"""Trying parked events again, from PostgreSQL, while the group goes on with others."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from event_stream_engine.backbone.consumers import inbox, parking
from event_stream_engine.backbone.consumers.applying import Interrupted
from event_stream_engine.backbone.consumers.attempts import CONSUMED, Attempts
from event_stream_engine.backbone.consumers.parking import Head, Parked
from event_stream_engine.backbone.supervising import pause
from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Envelope
from event_stream_engine.telemetry import worked

_HEADS_A_ROUND = 100
_RUN_MAX = 200
"""Events in one transaction; so many may have been in hand when an owner died."""
_RUN_SECONDS = 5.0
_ORPHANS_SECONDS = 5.0
_ORPHANS_SHARE = 0.05
"""Of the time, at most: a million keys take ten seconds to look through."""


@dataclass
class Retrying:
    """The heads of a group's parked keys, each tried when it is due; `careful` as the consumer's."""

    attempts: Attempts
    stop: asyncio.Event
    careful: bool

    def __post_init__(self) -> None:
        self.group, self.database = self.attempts.group, self.attempts.database
        self.lease, self.parked = self.attempts.lease, self.attempts.parked
        self._careful_left = _RUN_MAX if self.careful else 0
        self._look_at = 0.0

    async def run(self) -> None:
        """Heads of parked keys, when they are due. What others park is told by `parked`, which the heartbeat sets."""
        woken = True
        while not self.stop.is_set():
            self.parked.clear()
            if self.lease.paused:
                await pause(self.stop, 0.2)
                continue
            if not self.lease.parked and not woken:
                woken = await self._woken(_ORPHANS_SECONDS)
                continue
            async with self.database.transaction() as tx:
                heads, wait = await parking.due(tx, self.group.name, _HEADS_A_ROUND)
            if heads:
                await self._try_heads(heads)
            else:
                self._careful_left = 0
                await self._promote_orphans()
                woken = await self._woken(1.0 if wait is None else min(1.0, max(0.05, wait))) or wait is not None

    async def _woken(self, seconds: float) -> bool:
        """Whether something was parked meanwhile, or became due."""
        await pause(self.parked, seconds)
        return self.parked.is_set()

    async def _promote_orphans(self) -> None:
        """Now and then; the seldomer the more waits."""
        time = asyncio.get_running_loop().time
        began = time()
        if began >= self._look_at:
            async with self.database.transaction() as tx:
                await parking.promote_orphans(tx, self.group.name)
            self._look_at = time() + max(_ORPHANS_SECONDS, (time() - began) / _ORPHANS_SHARE)

    async def _try_heads(self, heads: Sequence[Head]) -> None:
        """Together what never failed, with what stands behind it; one by one what did, or what may be deadly."""
        fresh = [] if self._careful_left else [head.event_id for head in heads if not head.failed]
        if fresh and not await self._try_runs(fresh):
            fresh = []
        for head in heads:
            if head.event_id not in fresh and not (self.stop.is_set() or self.lease.paused):
                await self._try_parked(head.event_id, careful=self._careful_left > 0)
                self._careful_left = max(0, self._careful_left - 1)

    async def _try_runs(self, heads: Sequence[UUID]) -> bool:
        """One transaction for the fronts of many keys; False when one of them had to be cut off, and nothing is
        applied."""
        try:
            async with self.database.transaction() as tx:
                run = await parking.runs(tx, self.group.name, heads, _RUN_MAX)
                settled = await self._apply_run(tx, run)
                await parking.remove_all(tx, self.group.name, settled)
                await inbox.advance(tx, self.group.name, self.lease.epoch, {}, {}, len(settled))
        except Interrupted:
            return False
        await self._promote_fronts([parked.entry for parked in run])
        CONSUMED.labels(self.group.name).inc(len(settled))
        worked("consume", "applied", len(settled))
        return True

    async def _apply_run(self, tx: Transaction, run: Sequence[Parked]) -> list[Envelope]:
        """Those that were applied; a key ends where one of its events fails."""
        waiting = {parked.entry.id: parked for parked in run}

        async def parks(entry: Envelope, error: Exception) -> bool:
            await self.attempts.note_failure(tx, waiting[entry.id], error)
            return True

        until = asyncio.get_running_loop().time() + _RUN_SECONDS
        return await self.attempts.attempt_in_order(tx, [parked.entry for parked in run], parks, until=until)

    async def _promote_fronts(self, entries: Sequence[Envelope]) -> None:
        if entries:
            async with self.database.transaction() as tx:
                await parking.promote_fronts(tx, self.group.name, entries)

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
                too_often = marks and await self.attempts.started_too_often(parked.entry)
                async with self.database.transaction() as tx:
                    parked = await parking.lock(tx, self.group.name, event_id)
                    settled = parked is not None and await self._settle(tx, parked, too_often, condemned, marks)
                    await inbox.advance(tx, self.group.name, self.lease.epoch, {}, {}, int(settled))
            except Interrupted as error:
                condemned = error.cause
                continue
            await self._promote_fronts([] if parked is None else [parked.entry])
            return

    async def _settle(
        self, tx: Transaction, parked: Parked, too_often: bool, condemned: Exception | None, marked: bool
    ) -> bool:
        """Whether its effect is applied."""
        if too_often:
            await self.attempts.give_up(tx, parked)
            return False
        heard = parked.entry.type in self.group.reactions
        error = condemned or (await self.attempts.attempt(tx, parked.entry) if heard else None)
        if marked:
            await parking.unmark(tx, self.group.name, parked.entry.id)
        if error is not None:
            await self.attempts.note_failure(tx, parked, error)
            return False
        await parking.remove(tx, self.group.name, parked.entry)
        CONSUMED.labels(self.group.name).inc()
        worked("consume", "applied")
        return True
