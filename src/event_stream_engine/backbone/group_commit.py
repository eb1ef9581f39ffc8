"""Group commit: many requests at once record one event each, and share a commit.

For edges that only record (a webhook's receipt): the commit, not the row, is what costs. Nobody waits for company:
whoever arrives while a commit is under way goes with the next one.
"""

import asyncio

import structlog

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.outbox import Row
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.errors import Unavailable
from event_stream_engine.events.base import Event

log = structlog.get_logger()

WAITING_MAX = 5000
BATCH_MAX = 500


class GroupCommit:
    """One per process. More than `WAITING_MAX` waiting events are refused: the caller's sender tries again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, event: Event) -> None:
        """Committed when this returns. Raises `Unavailable` when it is not."""
        if len(self._waiting) >= WAITING_MAX:
            raise Unavailable("Too many callbacks wait for the database. Send this one again shortly.")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((outbox.prepare(event), done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            try:
                async with self._database.transaction() as tx:
                    await outbox.write(tx, [row for row, _ in batch])
            except (*DATABASE_ERRORS, TimeoutError) as error:
                log.error("events not committed", count=len(batch), error=str(error)[:300])
                for _, done in batch:
                    if not done.done():
                        done.set_exception(Unavailable("The database does not answer; nothing was kept."))
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
