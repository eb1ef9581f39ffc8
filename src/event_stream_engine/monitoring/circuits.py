"""Operators' orders to circuit breakers: written down with their audit row, and carried out by every process concerned.

An order stands until the next one for the same breaker and kind of process, so a process that starts later obeys it
too. A nudge over Redis, published after the commit, makes the processes look; without Redis they look every 15 seconds.
While PostgreSQL does not answer no order can be given, and what was ordered before stays in force.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis

from event_stream_engine import audit, clock
from event_stream_engine.backbone.supervising import end
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.errors import Invalid, NotFound
from event_stream_engine.live import nudges
from event_stream_engine.live.circuits import Told
from event_stream_engine.monitoring import store
from event_stream_engine.monitoring.store import OrderRow
from event_stream_engine.resilience import Action, Circuits, Order
from event_stream_engine.telemetry import Repeated

_UNREAD = Repeated("orders to circuit breakers cannot be read", "orders to circuit breakers are read again")

CHANNEL = "ese:circuit_orders"
POLL_SECONDS = 15.0
LOAD_SECONDS_MAX = 5.0
EVERYBODY = ""
KINDS = ("serve", "relay", "consume", "work")
"""The processes that have breakers, by their `ese` commands."""


class BreakerNotFound(NotFound):
    code = "breaker_not_found"


async def order(
    tx: Transaction, name: str, action: Action, *, process: str = EVERYBODY, reason: str, by: UUID | None, who: str = ""
) -> OrderRow:
    """`process`: the kind that is concerned, or all of them; of two orders the newer counts. `who` names an operator
    without an account. Raises `Invalid`."""
    if process not in (EVERYBODY, *KINDS):
        raise Invalid.field("process", f"One of {', '.join(KINDS)}, or nothing for all of them.")
    row = await store.order(tx, OrderRow(name, process, 0, action, reason, by, clock.now()))
    detail = {"process": process or "all", "reason": reason, **({"by": who} if who else {})}
    await audit.record(tx, by, f"circuit_breaker.{action}", name, detail)
    return row


def known(name: str, everybody: Iterable[Told]) -> str:
    """The name itself. Raises `BreakerNotFound` where no process has a breaker of this name."""
    names = {breaker.name for told in everybody for breaker in told.breakers}
    if name not in names:
        raise BreakerNotFound(f"No breaker is called {name}; there are: {', '.join(sorted(names)) or 'none'}.")
    return name


async def nudge(redis: "Redis") -> None:
    """Tell every process to look; after the commit."""
    await nudges.nudge(redis, CHANNEL)


class Obedience:
    """Carries out in `circuits` what is ordered of this kind of process."""

    def __init__(
        self,
        circuits: Circuits,
        database: Database,
        redis: "Redis",
        process: str,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._circuits, self._database, self._redis, self._process = circuits, database, redis, process
        self._poll_seconds = poll_seconds
        self._wanted = asyncio.Event()
        self.listening = asyncio.Event()
        """Set while nudges arrive."""

    async def run(self) -> None:
        """Until canceled."""
        listening = asyncio.create_task(nudges.listen(self._redis, CHANNEL, self._wanted, self.listening))
        try:
            while True:
                await look(self._circuits, self._database, self._process)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wanted.wait()
                self._wanted.clear()
        finally:
            await end(listening)


async def look(circuits: Circuits, database: Database, process: str) -> None:
    """Once: read what is ordered of this kind of process, and do it."""
    try:
        async with asyncio.timeout(LOAD_SECONDS_MAX), database.transaction() as tx:
            rows = await store.orders(tx)
    except (*DATABASE_ERRORS, TimeoutError) as error:
        _UNREAD.failed(type(error).__name__)
        return
    _UNREAD.worked()
    circuits.obey(concerning(rows, process))


def concerning(rows: Iterable[OrderRow], process: str) -> list[Order]:
    """The newest order for each breaker of this kind of process."""
    found = sorted((row for row in rows if row.process in (EVERYBODY, process)), key=lambda row: row.number)
    return list({row.breaker: Order(row.number, row.breaker, row.action) for row in found}.values())


async def held_open(tx: Transaction) -> list[OrderRow]:
    """The orders that hold a breaker open now, by its name."""
    rows = await store.orders(tx)
    names = sorted({row.breaker for row in rows})
    return [row for name in names for row in standing(rows, name) if row.action is Action.OPEN]


def standing(rows: Iterable[OrderRow], name: str) -> list[OrderRow]:
    """Orders that hold a breaker open or disabled and that no later one for everybody has ended."""
    own = [row for row in rows if row.breaker == name]
    general = max((row.number for row in own if row.process == EVERYBODY), default=0)
    return [row for row in own if row.number >= general and row.action is not Action.RESET]
