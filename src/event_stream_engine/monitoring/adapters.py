"""The ways out of a process. None of them waits when it is offered something, and each accounts for what it took.

`websocket`: the channel that the browsers follow, over WebSocket and Server-Sent Events; this process's own
(`LocalAdapter`), or, with several processes, the shared one in Redis (`RedisAdapter`). `realtime`: rows of the
published table `monitoring_events` (`RealtimeAdapter`). `dual` is both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from prometheus_client import Counter
from redis.exceptions import RedisError

from event_stream_engine.live.accounting import Ledger
from event_stream_engine.live.channel import Channel
from event_stream_engine.live.messages import Message
from event_stream_engine.live.queues import WorthQueue
from event_stream_engine.monitoring.model import Published
from event_stream_engine.monitoring.persisting import Persister
from event_stream_engine.resilience import Breaker, CircuitOpen, Guard, State
from event_stream_engine.telemetry import Repeated

FAILURES = Counter("ese_monitoring_adapter_failures_total", "Batches that an adapter could not deliver", ["adapter"])

QUEUE_MAX = 10_000
QUEUE_BYTES_MAX = 16 * 2**20
BATCH_MAX = 500
DEADLINE_SECONDS = 30.0
FULL = 0.8
"""A buffer filled to this share is no longer healthy."""


class Adapter(Protocol):
    name: str
    ledger: Ledger

    def offer(self, published: Published) -> None:
        """Take an event on its way; what there is no room for is counted in `ledger`."""

    @property
    def is_healthy(self) -> bool: ...


class LocalAdapter:
    """Into this process's channel, at once."""

    def __init__(self, channel: Channel, name: str = "websocket") -> None:
        self.name = name
        self.ledger = Ledger(name).export()
        self._channel = channel

    def offer(self, published: Published) -> None:
        self.ledger.accepted += 1
        self._channel.append(message_of(published, self._channel.top + 1))
        self.ledger.delivered += 1

    @property
    def is_healthy(self) -> bool:
        return True


Append = Callable[[int, Sequence[Message]], Awaitable[None]]
"""Publish a numbered batch to every process; the same number again changes nothing."""


class RedisAdapter:
    """Into the channel of all processes, by a task of its own. While Redis does not answer at most 10,000 events or
    16 MiB wait; beyond that the least worth goes."""

    name = "websocket"

    def __init__(self, append: Append, guard: Guard | None = None) -> None:
        self._append = append
        self._guard = guard or Guard(Breaker("monitoring_redis"), transient=_is_redis_down)
        self.ledger = Ledger(self.name, lambda: len(self._queue) + len(self._batch))
        self._queue: WorthQueue[Published] = WorthQueue(self.ledger, QUEUE_MAX, QUEUE_BYTES_MAX, conflate=True)
        self._waiting = Repeated("monitoring events wait for Redis", "monitoring events are published again")
        self._batch: list[Published] = []  # taken and not known to be there: repeated as it is until it is
        self.ledger.export()
        self._number = 0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def breaker(self) -> Breaker:
        return self._guard.breaker

    @property
    def is_healthy(self) -> bool:
        return self.breaker.state in (State.CLOSED, State.DISABLED)

    def offer(self, published: Published) -> None:
        self._queue.offer(published)
        self._idle.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Until canceled."""
        while True:
            if not self._batch:
                await self._next_batch()
            await self._send()

    async def drain(self, seconds: float) -> None:
        """Wait until everything is sent, at most so long; what is left is dropped with the reason `shutdown`."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            for published in self._batch:
                self.ledger.drop("shutdown", published.category)
            self._batch = []
            self._queue.drop_all("shutdown")

    async def _next_batch(self) -> None:
        while not len(self._queue):
            self._idle.set()
            self._arrived.clear()
            await self._arrived.wait()
        self._batch = [published for _, published in self._queue.take(BATCH_MAX, QUEUE_BYTES_MAX // 16)]
        self._number += 1

    async def _send(self) -> None:
        messages = [message_of(published, 0) for published in self._batch]
        try:
            await self._guard.run(lambda: self._append(self._number, messages), deadline=DEADLINE_SECONDS)
        except CircuitOpen as error:
            await asyncio.sleep(min(error.retry_after or 1.0, 1.0))
        except (RedisError, OSError) as error:
            FAILURES.labels("redis").inc()
            self._waiting.failed(type(error).__name__, detail=str(error)[:200])
            await asyncio.sleep(0.2)
        else:
            self._waiting.worked()
            self.ledger.delivered += len(self._batch)
            self._batch = []


class RealtimeAdapter:
    """Into the published table, by the persister: there when it is committed, once. Healthy while there is room."""

    name = "realtime"

    def __init__(self, persister: Persister) -> None:
        self.ledger = persister.ledger
        self._persister = persister

    def offer(self, published: Published) -> None:
        self._persister.offer(published)

    @property
    def is_healthy(self) -> bool:
        return self._persister.fill < FULL


def message_of(published: Published, offset: int) -> Message:
    return Message(offset, published.category, published.json, published.key)


def _is_redis_down(error: BaseException) -> bool:
    return isinstance(error, (RedisError, OSError))
