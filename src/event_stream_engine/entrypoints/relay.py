"""`ese relay`: publishes what was committed."""

import asyncio

from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import begin, run_until_stopped
from event_stream_engine.entrypoints.flags.keeping import follow_flags


def main() -> None:
    settings = begin("relay")
    follow_flags(settings, "relay")

    async def work(stop: asyncio.Event) -> None:
        database = Database(settings.database_url, pool_size=3, application="ese-relay")
        try:
            async with open_transport(settings) as transport:
                await Relay(database, transport, settings.backbone, stop).run()
        finally:
            await database.close()

    run_until_stopped(work)
