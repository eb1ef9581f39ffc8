"""`GET /api/v1/monitoring/processes`: the processes of the platform, as their heartbeats tell."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.live.heartbeats import heard
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route

router = Router(prefix="/api/v1/monitoring", tags=["monitoring"], route_class=Route)


class RunningProcess(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str = Field(description="Its `ese` command.", examples=["work"])
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool = Field(description="Heard within the last ten seconds.")


class RunningProcesses(BaseModel):
    items: list[RunningProcess]
    missing: list[str] = Field(description="What campaigns need and is not alive.", examples=[["work"]])


@router.get("/processes", summary="The processes of the platform", dependencies=[needs("monitoring:read")])
async def list_processes(platform: ThePlatform) -> RunningProcesses:
    """Those heard within the last hour, the last heard first; at most 200."""
    found = await heard(platform.redis)
    items = [RunningProcess.model_validate(process) for process in found.processes]
    return RunningProcesses(items=items, missing=found.missing())
