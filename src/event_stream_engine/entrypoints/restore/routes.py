"""`/api/v1/restore`: whether sending is held, the gap, and the release."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from event_stream_engine.backbone.effects import effects_of
from event_stream_engine.entrypoints.restore import releasing
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/restore", route_class=Route, tags=["restore"])


class GapCampaign(BaseModel):
    """A campaign that is not over; `open_messages` may have been sent in the gap."""

    id: UUID
    name: str
    status: Literal["draft", "scheduled", "running", "paused"]
    scheduled_at: datetime | None
    open_messages: int


class HoldShape(BaseModel):
    """`known_until`: up to when the database knows what was sent. `witness_*`: what the witness outside PostgreSQL
    knows; null where it is missing or was not asked."""

    state: Literal["normal", "held"]
    reason: str | None
    since: datetime | None
    known_until: datetime | None
    generation: int
    claims: int
    newest_tick: int
    witness_claims: int | None
    witness_tick: int | None
    campaigns: list[GapCampaign]


class ReleaseInput(Body):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class ReleaseShape(BaseModel):
    """What the release did; `campaigns` are those whose messages are looked for at Twilio before they are sent."""

    inbound_listed: int
    inbound_applied: int
    campaigns: int
    mails: int
    generation: int


@router.get("", summary="Whether sending is held, and the gap", dependencies=[needs("monitoring:read")])
async def show_hold(tx: Tx) -> HoldShape:
    found = await releasing.gap(tx)
    row, witness = found.life, found.life.witness or {}
    return HoldShape.model_validate({
        "state": row.state, "reason": row.reason, "since": row.since, "known_until": row.known_until,
        "generation": row.life, "claims": row.mark, "newest_tick": row.tick,
        "witness_claims": witness.get("mark"), "witness_tick": witness.get("tick"),
        "campaigns": [vars(one) for one in found.campaigns],
    })  # fmt: skip


@router.post("/release", summary="Release the hold on sending", dependencies=[needs("streams:operate")])
async def release_hold(body: ReleaseInput, account: Account, platform: ThePlatform) -> ReleaseShape:
    """Applies what people wrote in the gap, has Twilio asked before anything is sent that may have been sent, and
    accepts the database's generation. While Twilio does not answer, the hold stays (503 `still_held`)."""
    effects = effects_of(platform.settings, platform.database, platform.redis, platform.shared)
    gateway = gateway_of(platform.settings, platform.shared)
    done = await releasing.release(effects, gateway, body.reason, str(account.account_id), account.account_id)
    return ReleaseShape.model_validate(vars(done))
