"""The schedule: which tasks are due, and their start. Every worker process runs it, and one at a time starts tasks.

A lease in Redis says which one. Redis also carries the tasks, so without it there is nothing to start. A process that
is silent for `LEASE_MS` loses the lease to another. Two that believe for a moment to hold it start a task twice, which
a task allows. A run that no worker took until the next one is due is dropped: nothing piles up while workers are down.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import cast

import structlog
from kombu.exceptions import KombuError
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone.supervising import holder_name, is_gone
from event_stream_engine.database import DATABASE_ERRORS, Database
from event_stream_engine.jobs.app import CELERY, SCHEDULES, Schedule
from event_stream_engine.telemetry import Repeated

log = structlog.get_logger()

STARTED = Counter("ese_scheduled_tasks_total", "Tasks that the schedule started", ["task"])

KEY = "ese:scheduler"
LEASE_MS = 5000
STEP_SECONDS = 1.0
SELDOM_SECONDS = 30

_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_ERRORS = (RedisError, KombuError, *DATABASE_ERRORS, TimeoutError)


@dataclass
class Scheduler:
    """`run` until canceled."""

    database: Database
    redis: "Redis"
    schedules: Sequence[Schedule] = field(default_factory=lambda: SCHEDULES)
    holder: str = field(default_factory=holder_name)
    _looked_at: dict[str, float] = field(default_factory=dict)
    """When each task was last started, or found to have nothing to do, by the loop's clock. Empty without the
    lease."""
    _interrupted: Repeated = field(default_factory=lambda: Repeated("schedule interrupted", "schedule resumed"))

    async def run(self) -> None:
        """A server that does not answer is tried again each second; the log says when that begins and ends."""
        try:
            while True:
                await self.try_step()
                await asyncio.sleep(STEP_SECONDS)
        finally:
            await self._release()

    async def try_step(self) -> None:
        """`step`, whose failure is logged and ends nothing."""
        try:
            await self.step()
        except _ERRORS as error:
            self._interrupted.failed(type(error).__name__, detail=str(error)[:200])
        else:
            self._interrupted.worked()

    async def step(self) -> list[str]:
        """Start what is due, if this process has the lease; the names of what was started. Raises what Redis and
        PostgreSQL raise."""
        if not await self._holds():
            self._looked_at.clear()
            return []
        now = asyncio.get_running_loop().time()
        due = self._due(now)
        wanted = await self._wanted(due)
        for schedule in wanted:
            await asyncio.to_thread(_start, schedule)
        self._looked_at |= dict.fromkeys((schedule.name for schedule in due), now)
        return [schedule.name for schedule in wanted]

    def _due(self, now: float) -> list[Schedule]:
        """All that come often; of those that come seldom one at a time, so that one process of a worker does them."""
        due = [one for one in self.schedules if self._is_due(one, now)]
        often = [one for one in due if one.seconds < SELDOM_SECONDS]
        return often + [one for one in due if one.seconds >= SELDOM_SECONDS][:1]

    def _is_due(self, schedule: Schedule, now: float) -> bool:
        looked_at = self._looked_at.get(schedule.name)
        return looked_at is None or now - looked_at >= schedule.seconds - STEP_SECONDS / 2

    async def _wanted(self, due: Sequence[Schedule]) -> list[Schedule]:
        """Those that have something to do; all conditions are asked in one statement."""
        conditional = [schedule for schedule in due if schedule.when is not None]
        if not conditional:
            return list(due)
        columns = ", ".join(f"({schedule.when})" for schedule in conditional)
        async with self.database.transaction() as tx:
            answers = (await tx.exec_driver_sql(f"SELECT {columns}")).one()
        idle = {schedule.name for schedule, is_true in zip(conditional, answers, strict=True) if not is_true}
        return [schedule for schedule in due if schedule.name not in idle]

    async def _holds(self) -> bool:
        """A holder that was a process of this host and is gone need not be waited for."""
        if await self._take():
            return True
        holder = await self.redis.get(KEY)
        if holder is None or not is_gone(holder.decode() if isinstance(holder, bytes) else holder):
            return False
        await cast("Awaitable[int]", self.redis.eval(_RELEASE, 1, KEY, holder))
        return await self._take()

    async def _take(self) -> bool:
        return bool(await cast("Awaitable[int]", self.redis.eval(_TAKE, 1, KEY, self.holder, LEASE_MS)))

    async def _release(self) -> None:
        """So that another process goes on at once."""
        try:
            await cast("Awaitable[int]", self.redis.eval(_RELEASE, 1, KEY, self.holder))
        except (RedisError, OSError):
            log.info("scheduler lease not released", expires_in_ms=LEASE_MS)


def _start(schedule: Schedule) -> None:
    CELERY.tasks[schedule.name].apply_async(expires=max(1.0, schedule.seconds))
    STARTED.labels(schedule.name).inc()
