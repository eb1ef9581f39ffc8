"""Campaigns and their steps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from event_stream_engine.backbone.effects import effects_of
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.actions import campaigns as actions
from event_stream_engine.messaging.actions import preflight as preflight_action
from event_stream_engine.messaging.actions import test_send
from event_stream_engine.messaging.gateway import Held
from event_stream_engine.messaging.model.campaigns import Campaign
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.reports import waiting
from event_stream_engine.messaging.routes import masking, schemas
from event_stream_engine.messaging.store import campaigns as store
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.messaging.twilio.guarded import SENDING
from event_stream_engine.resilience import CircuitOpen, State, circuits_of
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    set_version,
)
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/campaigns", tags=["campaigns"], route_class=Route)


@router.get("", summary="List campaigns", dependencies=[needs("campaigns:read")])
async def list_campaigns(
    tx: Tx,
    status: Annotated[list[schemas.CampaignStatus] | None, Query()] = None,
    search: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Campaign]:
    """Newest first, with live counts."""
    after = decode_cursor(cursor, datetime, UUID)
    found = await store.page(tx, statuses=[str(s) for s in status or []], search=search, after=after, limit=limit + 1)
    items = found[:limit]
    last = items[-1] if len(found) > limit else None
    next_cursor = encode_cursor(last.created_at, last.id) if last else None
    return Page(items=await shapes(tx, items), next_cursor=next_cursor)


@router.post("", status_code=201, summary="Draft a campaign", dependencies=[needs("campaigns:write")])
async def add_campaign(body: schemas.CampaignInput, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    change = _change(body, set(schemas.CampaignInput.model_fields))
    return await _answer(tx, response, await actions.add_campaign(tx, change, by=by))


@router.get("/{campaign_id}", summary="One campaign", dependencies=[needs("campaigns:read")])
async def get_campaign(campaign_id: UUID, tx: Tx, response: Response) -> schemas.Campaign:
    return await _answer(tx, response, await actions.find_campaign(tx, campaign_id))


@router.patch("/{campaign_id}", summary="Change a draft or scheduled campaign", dependencies=[needs("campaigns:write")])
async def change_campaign(
    campaign_id: UUID,
    body: schemas.CampaignPatch,
    by: Account,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.Campaign:
    given = _change(body, body.model_fields_set)
    changed = await actions.change_campaign(tx, campaign_id, given, by=by, if_match=if_match)
    return await _answer(tx, response, changed)


@router.delete(
    "/{campaign_id}",
    status_code=204,
    summary="Delete a draft or scheduled campaign",
    dependencies=[needs("campaigns:write")],
)
async def remove_campaign(campaign_id: UUID, by: Account, tx: Tx) -> None:
    await actions.remove_campaign(tx, campaign_id, by=by)


@router.post("/{campaign_id}/preflight", summary="What a launch would do", dependencies=[needs("campaigns:read")])
async def preflight(campaign_id: UUID, by: Account, tx: Tx, platform: ThePlatform) -> schemas.Preflight:
    """Audience, exclusions by reason, SMS segments, expected finish, previews and problems. Changes nothing."""
    is_held = circuits_of(platform.shared).breaker(SENDING).state is State.FORCED_OPEN
    found = await preflight_action.preflight(tx, campaign_id, is_sending_held=is_held)
    return masking.preflight(schemas.Preflight.model_validate(found), by)


@router.post("/{campaign_id}/launch", status_code=202, summary="Launch now", dependencies=[needs("campaigns:launch")])
async def launch(campaign_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    return await _answer(tx, response, await actions.launch_campaign(tx, campaign_id, by=by))


@router.post("/{campaign_id}/schedule", summary="Launch at a time", dependencies=[needs("campaigns:launch")])
async def schedule(
    campaign_id: UUID, body: schemas.ScheduleInput, by: Account, tx: Tx, response: Response
) -> schemas.Campaign:
    return await _answer(tx, response, await actions.schedule_campaign(tx, campaign_id, body.at, by=by))


@router.post("/{campaign_id}/unschedule", summary="Back to a draft", dependencies=[needs("campaigns:launch")])
async def unschedule(campaign_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    return await _answer(tx, response, await actions.unschedule_campaign(tx, campaign_id, by=by))


@router.post("/{campaign_id}/pause", summary="Pause", dependencies=[needs("campaigns:launch")])
async def pause(campaign_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    """No message is claimed after this is answered; those already claimed (at most a second's worth) leave."""
    return await _answer(tx, response, await actions.pause_campaign(tx, campaign_id, by=by))


@router.post("/{campaign_id}/resume", summary="Resume", dependencies=[needs("campaigns:launch")])
async def resume(campaign_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    return await _answer(tx, response, await actions.resume_campaign(tx, campaign_id, by=by))


@router.post("/{campaign_id}/cancel", summary="Cancel", dependencies=[needs("campaigns:launch")])
async def cancel(campaign_id: UUID, by: Account, tx: Tx, response: Response) -> schemas.Campaign:
    """Messages that nobody claimed yet are never sent."""
    return await _answer(tx, response, await actions.cancel_campaign(tx, campaign_id, by=by))


@router.post(
    "/{campaign_id}/test-send",
    status_code=202,
    summary="Send one message to yourself",
    dependencies=[needs("campaigns:launch")],
)
async def send_test(
    campaign_id: UUID, body: schemas.TestSendInput, by: Account, platform: ThePlatform
) -> schemas.TestSend:
    """Rendered with the contact of that number, if there is one. STOP is honored here too."""
    gateway = gateway_of(platform.settings, platform.shared)
    effects = effects_of(platform.settings, platform.database, platform.redis, platform.shared)
    async with effects.claiming(fail_fast=True) as claiming:
        claimed = await test_send.claim_test(claiming.tx, campaign_id, body.phone, platform.settings, by=by)
        await claiming.mark()
    outcome = await gateway.send(claimed.request)
    async with platform.database.transaction() as tx:
        sent = await test_send.settle_test(tx, claimed, outcome)
    if isinstance(outcome, Held):
        raise CircuitOpen("Twilio", outcome.retry_after)
    return schemas.TestSend(message_id=sent.message_id, status=sent.status, detail=sent.detail)


def _change(body: schemas.CampaignInput | schemas.CampaignPatch, given: set[str]) -> actions.CampaignChange:
    values: dict[str, Any] = {name: getattr(body, name) for name in given}
    for name in ("name", "template_id", "timezone"):
        if name in values and values[name] is None:
            del values[name]  # these cannot be cleared
    if values.get("quiet_hours") is not None:
        values["quiet_hours"] = (body.quiet_hours.start, body.quiet_hours.end) if body.quiet_hours else None
    return actions.CampaignChange(given=frozenset(values), **values)


async def _answer(tx: Transaction, response: Response, campaign: Campaign) -> schemas.Campaign:
    set_version(response, campaign.version)
    return (await shapes(tx, [campaign]))[0]


async def shapes(tx: Transaction, campaigns: Sequence[Campaign]) -> list[schemas.Campaign]:
    """Campaigns as the API shows them: with counts and the names of their parts."""
    counts = await reports.counts(tx, [campaign.id for campaign in campaigns])
    parts = await store.parts(tx, [campaign.id for campaign in campaigns])
    quiet = await waiting.quiet_until(tx, [campaign.id for campaign in campaigns if campaign.status == "running"])
    return [_shape(one, counts[one.id], parts[one.id], quiet.get(one.id)) for one in campaigns]


def _shape(campaign: Campaign, counts: dict[str, int], part: Any, quiet_until: datetime | None) -> schemas.Campaign:
    quiet = campaign.quiet_hours
    return schemas.Campaign.model_validate({
        **vars(campaign),
        "quiet_hours": {"start": quiet.start, "end": quiet.end} if quiet else None,
        "quiet_until": quiet_until,
        "counts": counts,
        "effective_messages_per_second": part.rate,
        "template": {"id": campaign.template_id, "name": part.template_name, "channel": part.channel},
        "segment": {"id": campaign.segment_id, "name": part.segment_name} if campaign.segment_id else None,
        "sender": {"id": campaign.sender_id, "name": part.sender_name, "address": part.sender_address}
        if campaign.sender_id
        else None,
    })  # fmt: skip
