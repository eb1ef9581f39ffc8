"""The channel of all processes, in PostgreSQL: the rows of `monitoring_events`, followed by hint and by looking."""

import asyncio
import contextlib

from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.live.channel import RESUME_MAX, Channel
from event_stream_engine.live.redis_channel import INTERRUPTED, READ_MAX
from event_stream_engine.monitoring import store
from event_stream_engine.telemetry import Repeated

LOOK_SECONDS = 5.0
"""Without a hint, which each write sends, the table is looked at this often."""


async def follow(database: Database, channel: Channel, stop: asyncio.Event) -> None:
    """Keep `channel` as the table is, until stopped; an interruption is caught up. Holds one connection of its own."""
    failures = 0
    interrupted = Repeated("monitoring channel interrupted", "monitoring channel resumed")
    hinted = asyncio.Event()
    while not stop.is_set():
        try:
            async with database.driver() as connection:
                await connection.add_listener(store.HINT, lambda *_: hinted.set())
                while not stop.is_set():
                    hinted.clear()
                    await _catch_up(database, channel)
                    interrupted.worked()
                    failures = 0
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await hinted.wait()
        except DATABASE_ERRORS as error:
            failures += 1
            INTERRUPTED.inc()
            interrupted.failed(type(error).__name__, detail=str(error)[:200])
            await asyncio.sleep(min(0.2 * 2**failures, 5))


async def _catch_up(database: Database, channel: Channel) -> None:
    async with database.transaction() as tx:
        epoch, top = await store.top(tx)
        if epoch != channel.epoch:
            history = await store.messages_after(tx, epoch, max(0, top - RESUME_MAX), RESUME_MAX)
            channel.restart(epoch, history[-1].offset if history else top, history)
        while channel.top < top:
            found = await store.messages_after(tx, epoch, channel.top, READ_MAX)
            for message in found:
                channel.append(message)
            if len(found) < READ_MAX:
                break
