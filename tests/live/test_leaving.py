"""A server that is asked to stop has told its browsers first."""

import asyncio
import os
import signal

from event_stream_engine.entrypoints.leaving import LeavingLoop, before_leaving


def test_the_server_hears_of_a_signal_once_everybody_has_been_told() -> None:
    told = []
    loop = LeavingLoop()

    async def leave() -> None:
        told.append("leaving")
        os.kill(os.getpid(), signal.SIGTERM)  # from the parent, whom the terminal's signal has reached, too
        later = asyncio.Event()
        loop.call_later(0.05, later.set)
        await later.wait()
        told.append("left")

    async def serve() -> None:
        stopped = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, stopped.set)
        before_leaving(leave)
        os.kill(os.getpid(), signal.SIGINT)
        await stopped.wait()
        told.append("stopped")

    loop.run_until_complete(asyncio.wait_for(serve(), 10))
    loop.close()
    assert told == ["leaving", "left", "stopped"]
