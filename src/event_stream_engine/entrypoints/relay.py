"""`ese relay`: publishes what was committed."""

import asyncio

from event_stream_engine.backbone.effects import effects_of
from event_stream_engine.backbone.relay import Relay, lanes
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.backbone.streams.redis_watched import watched
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import begin, run_until_stopped
from event_stream_engine.entrypoints.flags.keeping import follow_flags
from event_stream_engine.entrypoints.monitoring.keeping import kept
from event_stream_engine.resilience import Circuits

WATCHED = {"relay_healed": lanes.HEALED, "relay_rebuilt": lanes.REBUILT, "event_unpublishable": lanes.PARKED}
"""What is told to those who watch whenever it rises."""


def main() -> None:
    settings = begin("relay")
    flags = follow_flags(settings, "relay")

    async def work(stop: asyncio.Event) -> None:
        circuits = Circuits()
        database = Database.watched(circuits, settings.database_url, pool_size=4, application="ese-relay")
        redis = watched(circuits, settings.redis_url)
        effects = effects_of(settings, database, redis, {})
        keeping = kept(settings, database, flags, "relay", watched=WATCHED, circuits=circuits)
        try:
            async with keeping, open_transport(settings) as transport:
                await Relay(database, transport, settings.backbone, stop, effects).run()
        finally:
            await redis.aclose()
            await database.close()

    run_until_stopped(work)
