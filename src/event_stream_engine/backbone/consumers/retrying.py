"""Trying parked events again, from PostgreSQL, while the group goes on with others."""

import asyncio
import contextlib
from dataclasses import dataclass
from uuid import UUID

from event_stream_engine.backbone.consumers import inbox, parking
from event_stream_engine.backbone.consumers.applying import Interrupted
from event_stream_engine.backbone.consumers.attempts import CONSUMED, Attempts
from event_stream_engine.backbone.consumers.parking import Parked
from event_stream_engine.database import Transaction

_HEADS_A_ROUND = 50


@dataclass
class Retrying:
    """The heads of a group's parked keys, each tried when it is due; `careful` as the consumer's."""

    attempts: Attempts
    stop: asyncio.Event
    careful: bool

    def __post_init__(self) -> None:
        self.group, self.database = self.attempts.group, self.attempts.database
        self.lease, self.parked = self.attempts.lease, self.attempts.parked

    async def run(self) -> None:
        """Heads of parked keys, when they are due."""
        careful = self.careful
        async with self.database.transaction() as tx:
            await parking.promote(tx, self.group.name)
        while not self.stop.is_set():
            self.parked.clear()
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
            await asyncio.wait_for(self.parked.wait(), seconds)

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
        return True

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
