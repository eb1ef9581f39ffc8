"""`/api/v1/monitoring/breakers`: the circuit breakers and connection pools of every process, and orders to them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import structlog
from fastapi import BackgroundTasks, Depends
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from event_stream_engine.entrypoints.backbone.people import named
from event_stream_engine.live.circuits import Told, here, told
from event_stream_engine.monitoring import circuits as actions
from event_stream_engine.monitoring import store
from event_stream_engine.monitoring.store import OrderRow
from event_stream_engine.resilience import Action, circuits_of
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import Platform, ThePlatform
from event_stream_engine.web.unit import Route, Tx

log = structlog.get_logger()

StateName = Literal["closed", "open", "half_open", "forced_open", "disabled"]
_WORST: tuple[StateName, ...] = ("forced_open", "open", "half_open", "disabled", "closed")

PROCESS = "serve"

router = Router(prefix="/api/v1/monitoring", tags=["monitoring"], route_class=Route)


class BreakerProcess(BaseModel):
    """A breaker as one process told it last."""

    process: str = Field(description="Its `ese` command.", examples=["work"])
    host: str
    pid: int
    seen_at: datetime = Field(description="When the process was heard last.")
    is_alive: bool = Field(description="Heard within the last ten seconds.")
    state: StateName
    retry_after: float | None = Field(
        description="Seconds until a call may be tried; null while an operator holds it open."
    )
    failures: int = Field(description="Failed calls in a row; while it is open or half open, failed probes.")
    calls: int = Field(description="Calls within the last minute, since the last change of state.")
    failed: int = Field(description="Failed ones among them.")
    slow: int = Field(description="Slow ones among them.")
    changed_at: datetime = Field(description="When its state changed last.")


class OrderShape(BaseModel):
    """What somebody ordered, and that stands."""

    breaker: str
    process: str = Field(description="The kind of process that it concerns; empty: all of them.")
    action: Literal["open", "disable", "reset"]
    reason: str
    by: str | None = Field(description="Who ordered it; null: somebody at the command line.")
    ordered_at: datetime


class BreakerShape(BaseModel):
    name: str
    state: StateName = Field(description="The worst among the processes that are alive.")
    processes: list[BreakerProcess]
    orders: list[OrderShape] = Field(description="Those that hold it open or disabled.")


class PoolShape(BaseModel):
    """A process's connections to one server."""

    name: str
    process: str
    host: str
    pid: int
    is_alive: bool
    size: int | None = Field(description="Null: without a bound.")
    in_use: int
    waiting: int = Field(description="Callers that wait for a connection.")


class Breakers(BaseModel):
    items: list[BreakerShape]
    pools: list[PoolShape]
    is_complete: bool = Field(description="False: Redis does not answer, so only the answering process is known.")


class OrderIn(Body):
    process: Literal["", "serve", "relay", "consume", "work"] = Field(
        "", description="The kind of process that is concerned; empty: all of them."
    )
    reason: str = Field("", max_length=500, description="It is kept with the order, and in the audit trail.")


class Giving:
    """Gives an order in the request's transaction; the processes are told after the commit, and only then."""

    def __init__(self, platform: ThePlatform, tx: Tx, by: Account, background: BackgroundTasks) -> None:
        self._platform, self._tx, self._by, self._background = platform, tx, by, background

    async def give(self, name: str, action: Action, body: OrderIn | None) -> OrderShape:
        wanted = body or OrderIn.model_validate({})
        everybody, _ = await _everybody(self._platform)
        actions.known(name, everybody)
        row = await actions.order(
            self._tx, name, action, process=wanted.process, reason=wanted.reason, by=self._by.account_id
        )
        self._background.add_task(_tell, self._platform)
        return (await named(self._tx, [_order(row)]))[0]


Ordering = Annotated[Giving, Depends()]


@router.get(
    "/breakers", dependencies=[needs("monitoring:read")], summary="The circuit breakers and pools of every process"
)
async def list_breakers(platform: ThePlatform) -> Breakers:
    """As each process told them within the last two seconds; one that fell silent is shown for ten minutes."""
    everybody, is_complete = await _everybody(platform)
    async with platform.database.transaction(fail_fast=True) as tx:
        rows = await store.orders(tx)
        names = sorted({breaker.name for each in everybody for breaker in each.breakers})
        items = [_shape(name, everybody, await _standing(tx, rows, name)) for name in names]
    return Breakers(items=items, pools=list(_pools(everybody)), is_complete=is_complete)


@router.post(
    "/breakers/{name}/open",
    dependencies=[needs("monitoring:operate")],
    summary="Refuse every call until the breaker is reset",
)
async def open_breaker(name: str, ordering: Ordering, body: OrderIn | None = None) -> OrderShape:
    """Every process concerned obeys within two seconds, also one that starts later."""
    return await ordering.give(name, Action.OPEN, body)


@router.post(
    "/breakers/{name}/disable",
    dependencies=[needs("monitoring:operate")],
    summary="Let every call pass, whatever becomes of it, until the breaker is reset",
)
async def disable_breaker(name: str, ordering: Ordering, body: OrderIn | None = None) -> OrderShape:
    """Every process concerned obeys within two seconds, also one that starts later."""
    return await ordering.give(name, Action.DISABLE, body)


@router.post(
    "/breakers/{name}/reset",
    dependencies=[needs("monitoring:operate")],
    summary="Close a breaker as if nothing had happened",
)
async def reset_breaker(name: str, ordering: Ordering, body: OrderIn | None = None) -> OrderShape:
    """Every process concerned obeys within two seconds; what was ordered before ends."""
    return await ordering.give(name, Action.RESET, body)


async def _tell(platform: Platform) -> None:
    await actions.look(circuits_of(platform.shared), platform.database, PROCESS)
    await actions.nudge(platform.redis)


async def _everybody(platform: Platform) -> tuple[list[Told], bool]:
    """What all processes told, and whether that is all of them."""
    try:
        return await told(platform.redis), True
    except (RedisError, OSError) as error:
        log.warning("only this process's breakers are known", error=type(error).__name__)
        return [here(PROCESS, circuits_of(platform.shared))], False


async def _standing(tx: Tx, rows: Sequence[OrderRow], name: str) -> list[OrderShape]:
    return await named(tx, [_order(row) for row in actions.standing(rows, name)])


def _shape(name: str, everybody: Iterable[Told], orders: list[OrderShape]) -> BreakerShape:
    found = [(each, breaker) for each in everybody if (breaker := each.breaker(name)) is not None]
    processes = [
        BreakerProcess.model_validate({**_whose(each), "seen_at": each.seen_at, **msgspec.structs.asdict(breaker)})
        for each, breaker in found
    ]
    states = {one.state for one in processes if one.is_alive} or {one.state for one in processes}
    state = next(state for state in _WORST if state in states)
    return BreakerShape(name=name, state=state, processes=processes, orders=orders)


def _pools(everybody: Iterable[Told]) -> Iterable[PoolShape]:
    for each in everybody:
        for pool in each.pools:
            yield PoolShape.model_validate({**_whose(each), **msgspec.structs.asdict(pool)})


def _whose(each: Told) -> dict[str, object]:
    return {"process": each.process, "host": each.host, "pid": each.pid, "is_alive": each.is_alive}


def _order(row: OrderRow) -> OrderShape:
    by = str(row.ordered_by) if row.ordered_by else None
    return OrderShape.model_validate({**msgspec.structs.asdict(row), "action": row.action.value, "by": by})
