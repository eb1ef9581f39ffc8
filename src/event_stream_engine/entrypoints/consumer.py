"""`ese consume`: applies the reactions to events, one consumer per group."""

import asyncio
from contextlib import AsyncExitStack

from event_stream_engine import jobs
from event_stream_engine.backbone import consumers
from event_stream_engine.backbone.consumers import Consumer, attempts
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import begin, import_reactions, log, run_until_stopped
from event_stream_engine.entrypoints.flags.keeping import follow_flags
from event_stream_engine.entrypoints.monitoring.keeping import kept
from event_stream_engine.resilience import Circuits

WATCHED = {"dead_letter": attempts.DEAD, "group_interrupted": consumers.INTERRUPTED}
"""What is told to those who watch whenever it rises."""


def main() -> None:
    settings = begin("consume")
    flags = follow_flags(settings, "consume")
    import_reactions()
    jobs.configure(settings)

    async def work(stop: asyncio.Event) -> None:
        circuits, size = Circuits(), 2 * len(GROUPS) + 3
        database = Database.watched(
            circuits, settings.database_url, pool_size=size, application="ese-consume", ping=False
        )
        keeping = kept(settings, database, flags, "consume", watched=WATCHED, circuits=circuits)
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(keeping)
            # A transport per group: a blocking read would hold up the others.
            transports = [await opened.enter_async_context(open_transport(settings)) for _ in GROUPS]
            running = [
                Consumer(group, database, transport, settings.backbone, stop)
                for group, transport in zip(GROUPS.values(), transports, strict=True)
            ]
            log.info("consuming", groups=sorted(GROUPS))
            try:
                await asyncio.gather(*(consumer.run() for consumer in running))
            finally:
                await database.close()

    run_until_stopped(work)
