"""The process's own look at the platform, every five seconds, and at its event loop."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from prometheus_client import Gauge
from sqlalchemy.pool import QueuePool

from event_stream_engine import __version__, clock
from event_stream_engine.entrypoints.health import probes
from event_stream_engine.entrypoints.health.judging import Board, Reading, Status, over
from event_stream_engine.web.platform import Platform

EVERY_SECONDS = 5.0
LOOP_SECONDS = 0.5
LOOP_DEAD_SECONDS = 10.0

UP = Gauge("ese_component_up", "1 while a component answers, 0 after three looks in vain", ["component"])
STATUS = Gauge("ese_health_status", "The platform as a whole: 0 pass, 1 warn, 2 fail")
# Labelled, though there is one: without a label a process that imports this says 0 until it looks, and one that only
# starts others never does.
DISK = Gauge("ese_disk_free_ratio", "The free share of a disk", ["disk"])
LOOP = Gauge("ese_loop_lag_seconds", "How late the event loop was, last")
POOL = Gauge("ese_database_pool_connections", "The process's connections to PostgreSQL: in use, and at most", ["kind"])
_NUMBERS: dict[Status, int] = {"pass": 0, "warn": 1, "fail": 2}
HOME_DISK = "home"
_COMPONENTS = ("postgresql", "redis", "kafka")

Fill = Callable[[], float]
"""How full (0 to 1) the buffer is that keeps what the database does not take."""


class HealthMonitor:
    """Holds the states; `look` reads everything once."""

    def __init__(self, platform: Platform, fill: Fill | None = None) -> None:
        self._platform, self._fill = platform, fill
        self.board = Board()
        self.looked_at: datetime | None = None
        self.loop_lag = 0.0
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOP_SECONDS
            await asyncio.sleep(LOOP_SECONDS)
            self.loop_lag = max(0.0, loop.time() - due)
            LOOP.set(self.loop_lag)

    async def look(self) -> None:
        """Ask everything once; who asks meanwhile waits for this answer."""
        async with self._looking:
            found = await probes.everything(self._platform)
            self.board.note([*found, self._loop()])
            self.looked_at = clock.now()
            self._export(found)

    async def fresh(self) -> Board:
        """The states, read now if the last look is older than two intervals."""
        if self.age_seconds > 2 * EVERY_SECONDS:
            await self.look()
        return self.board

    @property
    def age_seconds(self) -> float:
        return float("inf") if self.looked_at is None else (clock.now() - self.looked_at).total_seconds()

    def overall(self) -> Status:
        return self.board.overall(self._fill() if self._fill else None)

    def _loop(self) -> Reading:
        lag = round(self.loop_lag * 1000, 1)
        return Reading("loop", "lag", over(self.loop_lag, 0.5, 5), "system", lag, "ms")

    def _export(self, found: list[Reading]) -> None:
        read = {reading.component: reading for reading in found}
        for component in _COMPONENTS:
            if component in read:
                UP.labels(component).set(self.board.of(component) != "fail")
        if (disk := read.get("disk")) and disk.observed is not None:
            DISK.labels(HOME_DISK).set(disk.observed / 100)
        STATUS.set(_NUMBERS[self.overall()])
        self._export_pool()

    def _export_pool(self) -> None:
        pool = self._platform.database.engine.pool
        if isinstance(pool, QueuePool):
            POOL.labels("in_use").set(pool.checkedout())
            POOL.labels("size").set(pool.size())

    def document(self) -> dict[str, Any]:
        """As application/health+json."""
        return {
            "status": self.overall(),
            "version": __version__,
            "time": (self.looked_at or clock.now()).isoformat(),
            "ageSeconds": round(self.age_seconds, 1),
            "everySeconds": EVERY_SECONDS,
            "checks": {key: [held.as_check()] for key, held in self.board.held.items()},
        }
