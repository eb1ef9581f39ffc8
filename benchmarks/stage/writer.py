"""A process that publishes numbered monitoring events until it is ended; it says how far it is, and what was written.

`python -m benchmarks.stage.writer FIRST PER_SECOND` with the platform's own settings in the environment. Each line of
its output: the next number, how many events are committed, and the clock (`time.monotonic`)."""

import asyncio
import sys
import time

from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import run_until_stopped
from event_stream_engine.entrypoints.monitoring.keeping import kept
from event_stream_engine.flags.api import Flags
from event_stream_engine.settings import load_settings
from event_stream_engine.telemetry import configure_logging

EVENT = "numbered"
TICK_SECONDS = 0.01


async def _publish(first: int, per_second: int, stop: asyncio.Event) -> None:
    settings = load_settings()
    database = Database(settings.database_url, pool_size=4)
    async with kept(settings, database, Flags(), "writer") as broadcaster:
        assert broadcaster.persister is not None, "kept with one"
        number, began = first, time.monotonic()
        while not stop.is_set():
            for _ in range(int((time.monotonic() - began) * per_second) - (number - first)):
                broadcaster.tell(EVENT, {"number": number})
                number += 1
            _say(number, broadcaster.persister.ledger.delivered)
            await asyncio.sleep(TICK_SECONDS)
    _say(number, broadcaster.persister.ledger.delivered)
    await database.close()


def _say(number: int, delivered: int) -> None:
    sys.stdout.write(f"{number} {delivered} {time.monotonic()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure_logging("writer", level="ERROR")
    run_until_stopped(lambda stop: _publish(int(sys.argv[1]), int(sys.argv[2]), stop))
