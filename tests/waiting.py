"""Waiting for what only looking again tells."""

import asyncio
from collections.abc import Awaitable, Callable

WAIT_SECONDS = 60


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    """Until it holds. Raises `TimeoutError` if it does not."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.05)
