"""Counts what is still to happen, so that a test can wait for quiet instead of sleeping."""

import asyncio
from collections.abc import Callable


class Activity:
    """Pending steps and callbacks of one generation of messages (a reset begins the next)."""

    def __init__(self) -> None:
        self.pending = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._timers: set[asyncio.TimerHandle] = set()

    def begin(self) -> None:
        self.pending += 1
        self._quiet.clear()

    def end(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            self._quiet.set()

    def later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        """Call `act` after `seconds` of real time, unless abandoned before."""
        self.begin()

        def due() -> None:
            self._timers.discard(timer)
            act(*args)
            self.end()

        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), due)
        self._timers.add(timer)

    def abandon(self) -> None:
        """Cancel what is still to come and let go of whoever waits for quiet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._quiet.set()

    async def quiet(self, timeout_seconds: float) -> bool:
        """Wait until nothing is pending; False when that takes longer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True
