"""`/livez`, `/readyz`, `/health`, and `/metrics` for Prometheus. They need no session and say nothing secret."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from event_stream_engine import __version__, clock
from event_stream_engine.backbone.streams import StreamBusy
from event_stream_engine.entrypoints.backbone.metrics import exposition
from event_stream_engine.events.base import stream_names
from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.platform import Platform

router = APIRouter(tags=["health"])

_PROBE_SECONDS = 2.0
_KAFKA = "kafka"


class HealthResponse(JSONResponse):
    media_type = "application/health+json"


@router.get("/livez", summary="Is the process alive", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def livez() -> str:
    return "ok"


@router.get("/readyz", summary="Can it serve requests", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def readyz(request: Request) -> Response:
    """200 when PostgreSQL and Redis answer, else 503 naming what does not. Without Kafka requests are served too:
    what they commit waits in the outbox, and the answer says so."""
    checks = await _checks(request.app.state.platform)
    failing = [name for name, check in checks.items() if check["status"] != "pass"]
    if set(failing) - {_KAFKA}:
        return PlainTextResponse(f"not ready: {', '.join(failing)} does not answer", 503)
    if failing:
        return PlainTextResponse(f"ok, but kafka does not answer ({checks[_KAFKA]['output']}): events wait")
    return PlainTextResponse("ok")


@router.get("/health", summary="Health per component", response_class=HealthResponse, dependencies=[PUBLIC])
async def health(request: Request) -> HealthResponse:
    """`application/health+json` from real probes, each with the time it took in milliseconds."""
    checks = await _checks(request.app.state.platform)
    passing = all(check["status"] == "pass" for check in checks.values())
    body = {
        "status": "pass" if passing else "fail",
        "version": __version__,
        "checks": {name: [check] for name, check in checks.items()},
    }
    return HealthResponse(body, 200 if passing else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse, dependencies=[PUBLIC])
async def metrics(request: Request) -> Response:
    """This process's own figures, and those of the backbone as PostgreSQL has them."""
    platform: Platform = request.app.state.platform
    backbone = await exposition(platform.database, platform.settings.backbone)
    return Response(generate_latest() + backbone, media_type=CONTENT_TYPE_LATEST)


async def _checks(platform: Platform) -> dict[str, dict[str, Any]]:
    probes: dict[str, Callable[[Platform], Awaitable[str | None]]] = {"postgresql": _postgresql, "redis": _redis}
    if platform.settings.kafka.streams == _KAFKA:
        probes[_KAFKA] = _kafka
    results = await asyncio.gather(*(_probe(probe, platform) for probe in probes.values()))
    return dict(zip(probes, results, strict=True))


async def _probe(probe: Callable[[Platform], Awaitable[str | None]], platform: Platform) -> dict[str, Any]:
    started = time.perf_counter()
    result: dict[str, Any] = {"componentType": "datastore", "time": clock.now().isoformat()}
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            said = await probe(platform)
    except StreamBusy as error:
        return {**result, "status": "fail", "output": error.code}
    except (SQLAlchemyError, RedisError, OSError, TimeoutError) as error:
        return {**result, "status": "fail", "output": type(error).__name__}
    took_ms = round((time.perf_counter() - started) * 1000, 1)
    output = {"output": said} if said else {}
    return {**result, "status": "pass", "observedValue": took_ms, "observedUnit": "ms", **output}


async def _postgresql(platform: Platform) -> None:
    await platform.database.ping()


async def _redis(platform: Platform) -> None:
    await platform.redis.ping()


async def _kafka(platform: Platform) -> str:
    found = await platform.transport.reach(stream_names(), _PROBE_SECONDS * 0.75)
    there = f"brokers: {found.servers}"
    return f"{there}; topics not made yet: {', '.join(found.missing)}" if found.missing else there
