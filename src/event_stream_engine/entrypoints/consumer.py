"""`ese consume`: applies the reactions to events, one consumer per group."""

import asyncio
from contextlib import AsyncExitStack

from event_stream_engine import jobs
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import begin, import_reactions, log, run_until_stopped
from event_stream_engine.entrypoints.flags.keeping import follow_flags


def main() -> None:
    settings = begin("consume")
    follow_flags(settings, "consume")
    import_reactions()
    jobs.configure(settings)

    async def work(stop: asyncio.Event) -> None:
        database = Database(settings.database_url, pool_size=2 * len(GROUPS) + 2, application="ese-consume", ping=False)
        async with AsyncExitStack() as opened:
            # A transport per group: a blocking read would hold up the others.
            transports = [await opened.enter_async_context(open_transport(settings)) for _ in GROUPS]
            consumers = [
                Consumer(group, database, transport, settings.backbone, stop)
                for group, transport in zip(GROUPS.values(), transports, strict=True)
            ]
            log.info("consuming", groups=sorted(GROUPS))
            try:
                await asyncio.gather(*(consumer.run() for consumer in consumers))
            finally:
                await database.close()

    run_until_stopped(work)
