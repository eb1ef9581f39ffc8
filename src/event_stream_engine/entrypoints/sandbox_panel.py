"""The sandbox, as far as the UI shows it: whether it stands in for Twilio, and playing a person who writes."""

import asyncio
import urllib.error
import urllib.request
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from event_stream_engine.errors import Conflict, Unavailable
from event_stream_engine.settings import Settings
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform

router = Router(prefix="/api/v1/sandbox", tags=["sandbox"])

_LOOPBACK = ("http://127.0.0.1:", "http://localhost:")

Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=60)]


class SandboxState(BaseModel):
    active: bool
    url: str | None


class SandboxInbound(Body):
    from_: Address = Field(alias="from")
    to: Address
    body: Annotated[str, StringConstraints(max_length=1600)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from": "+14155550123", "to": "+14155550100", "body": "STOP"}]}
    )


@router.get("", summary="Does the sandbox stand in for Twilio", dependencies=[needs("monitoring:read")])
async def sandbox_state(platform: ThePlatform) -> SandboxState:
    url = _sandbox_url(platform.settings)
    return SandboxState(active=url is not None, url=url)


@router.post(
    "/inbound", status_code=202, summary="Play a person who writes a message", dependencies=[needs("sandbox:use")]
)
async def play_inbound(body: SandboxInbound, platform: ThePlatform) -> None:
    """The sandbox signs it and calls the inbound webhook, as Twilio would."""
    url = _sandbox_url(platform.settings)
    if url is None:
        raise Conflict("Twilio itself is configured: write to your sender from a phone.")
    content = msgspec.json.encode({"from": body.from_, "to": body.to, "body": body.body})
    await asyncio.to_thread(_post, f"{url}/sandbox/inbound", content)


def _sandbox_url(settings: Settings) -> str | None:
    base = settings.twilio.base_url
    return base.rstrip("/") if base.startswith(_LOOPBACK) else None


def _post(url: str, content: bytes) -> None:
    request = urllib.request.Request(url, content, {"content-type": "application/json"})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        raise Unavailable(f"The sandbox refused it: {error.read(300).decode(errors='replace')}") from error
    except OSError as error:
        raise Unavailable("The sandbox does not answer. Is `ese sandbox` running?") from error
