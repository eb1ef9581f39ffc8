"""Keeping a process's flags as new as the database's: loaded at a nudge over Redis, and every 15 seconds anyway.

A nudge is published after the commit, best effort: losing one costs at most the poll's interval. A database that does
not answer leaves the last good flags in force, marked stale.
"""

import asyncio
from contextlib import suppress

import structlog
from redis.asyncio import Redis

from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import Database
from event_stream_engine.database.engine import DATABASE_ERRORS
from event_stream_engine.flags import store
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.last_good import LastGood
from event_stream_engine.live import nudges

log = structlog.get_logger()

CHANNEL = "ese:flags"
POLL_SECONDS = 15.0
LOAD_SECONDS_MAX = 5.0


async def nudge(redis: "Redis") -> None:
    """Tell every process to look. Best effort."""
    await nudges.nudge(redis, CHANNEL)


class Follower:
    """Keeps `flags` up to date until canceled."""

    def __init__(
        self,
        flags: Flags,
        database: Database,
        redis: "Redis",
        last_good: LastGood,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._flags, self._database, self._redis, self._last_good = flags, database, redis, last_good
        self._poll_seconds = poll_seconds
        self._wanted = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while nudges arrive."""

    async def start(self) -> None:
        """The first load: from the database, or from the file, marked stale."""
        if await self.refresh():
            return
        kept = await asyncio.to_thread(self._last_good.read)
        if kept is None:
            log.warning("flags not loaded, using declared defaults")
        else:
            self._flags.offer(kept[0], "file", kept[1])
            log.warning("flags loaded from file", confirmed_at=kept[1].isoformat())

    async def run(self) -> None:
        listening = asyncio.create_task(nudges.listen(self._redis, CHANNEL, self._wanted, self.listening))
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wanted.wait()
                self._wanted.clear()
                await self.refresh()
        finally:
            await end(listening)

    def hurry(self) -> None:
        """Look now."""
        self._wanted.set()

    async def refresh(self) -> bool:
        """Load once; whether the database answered."""
        try:
            async with asyncio.timeout(LOAD_SECONDS_MAX), self._database.transaction() as tx:
                loaded = await store.load(tx)
        except (*DATABASE_ERRORS, TimeoutError) as error:
            if not self._flags.status().is_stale:
                log.warning("flags not loaded, keeping last good ones", error=type(error).__name__)
            self._flags.doubt()
            return False
        if self._flags.offer(loaded):
            await asyncio.to_thread(self._last_good.keep, loaded)
        else:
            log.warning("flags not applied", issues=[issue.message for issue in self._flags.issues()])
        return True
