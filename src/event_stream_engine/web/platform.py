"""What every route may reach through `request.app.state.platform`."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.opening import Transport
from event_stream_engine.database import Database
from event_stream_engine.settings import Settings
from event_stream_engine.web.auth import Accounts


@dataclass
class Platform:
    """The process's settings and connections; `shared` keeps a feature's own long-lived clients, by name."""

    settings: Settings
    database: Database
    redis: "Redis"
    transport: Transport
    accounts: Accounts
    shared: dict[str, Any] = field(default_factory=dict)


def _platform(request: Request) -> Platform:
    platform: Platform = request.app.state.platform
    return platform


ThePlatform = Annotated[Platform, Depends(_platform)]
