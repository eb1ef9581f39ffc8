"""`/livez`, `/readyz`, `/health`, and `/metrics` for Prometheus. They need no session and say nothing secret."""

from typing import Annotated, cast

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.entrypoints.health.judging import Kind, Status
from event_stream_engine.entrypoints.health.monitor import LOOP_DEAD_SECONDS, HealthMonitor
from event_stream_engine.entrypoints.health.probes import KAFKA
from event_stream_engine.entrypoints.metrics import gathering
from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import Platform

router = Router(tags=["health"])
MONITOR = "health"


class HealthResponse(JSONResponse):
    media_type = "application/health+json"


class HealthCheck(BaseModel):
    model_config = ConfigDict(extra="allow")
    componentType: Kind  # noqa: N815  (the names of application/health+json)
    status: Status = Field(description="Worse after three readings that say so, better after two.")
    time: str
    since: str
    lastReading: Status  # noqa: N815
    readingsAgainst: int = Field(description="Readings in a row that speak for another state.")  # noqa: N815
    observedValue: float | None = None  # noqa: N815
    observedUnit: str | None = None  # noqa: N815
    output: str | None = None


class Health(BaseModel):
    status: Status
    version: str
    time: str = Field(description="When everything was looked at last.")
    ageSeconds: float = Field(description="How long ago that was.")  # noqa: N815
    everySeconds: float  # noqa: N815
    checks: dict[str, list[HealthCheck]] = Field(description="By `component:measure`.")


def _monitor(request: Request) -> HealthMonitor:
    return cast(HealthMonitor, request.app.state.platform.shared[MONITOR])


TheMonitor = Annotated[HealthMonitor, Depends(_monitor)]


@router.get("/livez", summary="Is the process alive", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def livez(monitor: TheMonitor) -> Response:
    """Only how late the event loop is; nothing else is asked. 503: it stood still for ten seconds."""
    said = f"loop lag {monitor.loop_lag * 1000:.0f} ms"
    if monitor.loop_lag > LOOP_DEAD_SECONDS:
        return PlainTextResponse(said, 503)
    return PlainTextResponse(f"ok, {said}")


@router.get("/readyz", summary="Can it serve requests", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def readyz(monitor: TheMonitor) -> Response:
    """200 while PostgreSQL and Redis answer, else 503 naming what does not. Without Kafka requests are served too:
    what they commit waits in the outbox, and the answer says so."""
    board = await monitor.fresh()
    if down := board.down():
        return PlainTextResponse(f"not ready: {', '.join(down)} does not answer", 503)
    if board.of(KAFKA) == "fail":
        return PlainTextResponse("ok, but kafka does not answer: events wait")
    return PlainTextResponse("ok")


@router.get(
    "/health",
    summary="Health per component",
    response_class=HealthResponse,
    responses={200: {"model": Health}, 503: {"model": Health}},
    dependencies=[PUBLIC],
)
async def health(monitor: TheMonitor) -> HealthResponse:
    """`application/health+json`: pass, warn or fail, and each component's state, figure and age. 503 only for fail."""
    await monitor.fresh()
    document = monitor.document()
    return HealthResponse(document, 503 if document["status"] == "fail" else 200)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def metrics(request: Request) -> Response:
    """The figures of every process of the platform, and those that PostgreSQL and Redis have."""
    platform: Platform = request.app.state.platform
    return Response(await gathering.exposition(platform), media_type=CONTENT_TYPE_LATEST)
