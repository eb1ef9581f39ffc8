"""`/metrics/adapter`, `/metrics/validation` and `POST /metrics/flush`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends
from pydantic import BaseModel, Field

from event_stream_engine.monitoring.api import Broadcaster
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route

BROADCASTER = "broadcaster"
READ, OPERATE = needs("monitoring:read"), needs("monitoring:operate")

figures = Router(prefix="/metrics", tags=["monitoring"], route_class=Route)


def _broadcaster(platform: ThePlatform) -> Broadcaster:
    broadcaster: Broadcaster = platform.shared[BROADCASTER]
    return broadcaster


TheBroadcaster = Annotated[Broadcaster, Depends(_broadcaster)]


class LastFlush(BaseModel):
    at: datetime
    complete: bool = Field(description="False: rows still wait because the database does not take them.")
    persisted: int = Field(description="Events committed by it.")


class PersisterShape(BaseModel):
    """What waits to be written to the database, and where."""

    buffered: int = Field(description="Events in memory, those under way included.")
    fill: float = Field(description="Of the buffer in memory, 0 to 1; from `spills_at` on it is spooled.")
    rows_max: int
    spills_at: float
    spooled: int = Field(description="Events on this machine's disk.")
    metrics_waiting: int = Field(description="Figures of a metrics flush that is not committed yet.")
    last_flush: LastFlush | None = Field(description="Null before the first one.")


class Figures(BaseModel):
    """What this process's broadcaster did since it began."""

    broadcaster_metrics: dict[str, int]
    connected_clients: int
    use_adapter: bool
    use_dual_mode: bool
    sequence_counter: int = Field(description="The newest event's place within `epoch`.")
    epoch: str
    classification_metrics: dict[str, int] = Field(description="Events by category.")
    adapter_metrics: dict[str, dict[str, Any]] = Field(description="The adapters in use.")
    accounting: dict[str, dict[str, Any]] = Field(
        description="By stage: accepted = delivered + conflated + dropped + dead_lettered + pending; `imbalance` is 0."
    )
    persister: PersisterShape | None = Field(description="Null where this process writes nothing.")


class ValidationFigures(BaseModel):
    strict: bool
    checked: int
    passed: int
    failed: int
    pass_rate: float | None = Field(description="0 to 1; null before the first event.")
    by_rule: dict[str, dict[str, float | int | None]]
    by_event_type: dict[str, dict[str, float | int | None]]


class FlushResult(BaseModel):
    flushed: bool = Field(description="True only after the commit.")
    persisted: int = Field(description="Events committed by this flush.")
    pending: int = Field(description="Rows that still wait.")
    sink: Literal["none", "postgresql"]
    metrics: Figures
    timestamp: str


@figures.get("/adapter", dependencies=[READ], summary="What the broadcaster and its adapters did")
async def adapter_metrics(broadcaster: TheBroadcaster) -> Figures:
    return Figures.model_validate(broadcaster.get_metrics())


@figures.get("/validation", dependencies=[READ], summary="How often monitoring events kept the rules")
async def validation_metrics(broadcaster: TheBroadcaster) -> ValidationFigures:
    return ValidationFigures.model_validate(broadcaster.validation.metrics())


@figures.post("/flush", dependencies=[OPERATE], summary="Write what waits to the database, now")
async def flush_metrics(broadcaster: TheBroadcaster) -> FlushResult:
    """Answers within five seconds; `flushed` is false when rows still wait because the database does not take them."""
    return FlushResult.model_validate(await broadcaster.flush_metrics())
