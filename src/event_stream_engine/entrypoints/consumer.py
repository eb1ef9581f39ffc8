"""`ese consume`: applies the reactions to events, one consumer per group."""

import asyncio

from event_stream_engine import jobs
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import begin, import_reactions, log, run_until_stopped


def main() -> None:
    settings = begin("consume")
    import_reactions()
    jobs.configure(settings)

    async def work(stop: asyncio.Event) -> None:
        database = Database(settings.database_url, pool_size=2 * len(GROUPS) + 2, application="ese-consume")
        # One connection per group: a blocking read would hold up the others.
        clients = [connect(settings.redis_url) for _ in GROUPS]
        consumers = [
            Consumer(group, database, RedisStreams(client), settings.backbone, stop)
            for group, client in zip(GROUPS.values(), clients, strict=True)
        ]
        log.info("consuming", groups=sorted(GROUPS))
        try:
            await asyncio.gather(*(consumer.run() for consumer in consumers))
        finally:
            await asyncio.gather(*(client.aclose() for client in clients))
            await database.close()

    run_until_stopped(work)
