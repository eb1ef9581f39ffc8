"""Counts what is still to happen, so that a test can wait for quiet instead of sleeping."""

import asyncio


class Activity:
    """Pending steps and callbacks of one generation of messages (a reset begins the next)."""

    def __init__(self) -> None:
        self.pending = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def begin(self) -> None:
        self.pending += 1
        self._quiet.clear()

    def end(self) -> None:
        self.pending -= 1
        if self.pending == 0:
            self._quiet.set()

    async def quiet(self, timeout_seconds: float) -> bool:
        """Wait until nothing is pending; False when that takes longer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True
