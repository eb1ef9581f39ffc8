"""Callbacks that PostgreSQL did not store. Twilio sends most of them once, so a worker asks Twilio about the messages
under way as soon as the database answers again, and not only after `ESE_STALE_MINUTES`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from kombu.exceptions import KombuError
from prometheus_client import Counter
from redis.exceptions import RedisError

from event_stream_engine import clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.errors import Unavailable
from event_stream_engine.jobs import start
from event_stream_engine.messaging.asking_tasks import ask_refused

log = structlog.get_logger()

REFUSED = Counter("ese_callbacks_refused_total", "Status callbacks that were refused because they could not be stored")
REFUSALS = "refused_callbacks"

LOOK_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""After the database answers again: what is reported from then on need not be asked about."""
_ERRORS = (*DATABASE_ERRORS, RedisError, KombuError, Unavailable, TimeoutError)


async def ask(before: datetime) -> None:
    """Let a worker ask Twilio."""
    await start(ask_refused, before.isoformat())


@dataclass
class RefusedCallbacks:
    """One in each process that takes callbacks. A process that ends in between leaves it to `ESE_STALE_MINUTES`."""

    database: Database
    ask: Callable[[datetime], Awaitable[None]] = ask
    grace_seconds: float = GRACE_SECONDS
    _waiting: "asyncio.Task[None] | None" = field(default=None, repr=False)
    _refused: int = 0

    def note(self) -> None:
        """One was refused."""
        REFUSED.inc()
        self._refused += 1
        if self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._ask_when_back())

    async def close(self) -> None:
        if self._waiting is not None:
            await end(self._waiting)

    async def _ask_when_back(self) -> None:
        began = clock.now()
        while not await self._asked_if_back(began):  # noqa: ASYNC110  # PostgreSQL does not announce that it is back
            await asyncio.sleep(LOOK_SECONDS)

    async def _asked_if_back(self, began: datetime) -> bool:
        """False while callbacks are still refused, or Redis does not take the task."""
        refused = self._refused
        try:
            await self.database.ping()
            before = clock.now()
            await asyncio.sleep(self.grace_seconds)
            if self._refused > refused:
                return False
            await self.ask(before)
        except _ERRORS:
            return False
        log.warning(
            "callbacks refused, asking Twilio about their messages",
            count=refused, since=began.isoformat(), until=before.isoformat(),
        )  # fmt: skip
        self._refused -= refused
        return True
