"""Campaigns: draft, schedule, launch, pause, resume, cancel."""

from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.errors import FieldError, Invalid
from event_stream_engine.events.messaging import (
    AudienceFrozen,
    CampaignLaunched,
    CampaignStateChanged,
    MessagesCanceled,
)
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.segments import audience_of, rule_of
from event_stream_engine.messaging.actions.senders import find_sender
from event_stream_engine.messaging.actions.templates import find_template
from event_stream_engine.messaging.model.campaigns import (
    Campaign,
    CampaignNotFound,
    CampaignNotReady,
    Sender,
    Status,
)
from event_stream_engine.messaging.model.contacts import checked_timezone
from event_stream_engine.messaging.store import campaigns as store
from event_stream_engine.messaging.store import endings
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.store import preflight as gate
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.pages import require_version


@dataclass(frozen=True)
class CampaignChange:
    """What a person fills in. `given` names the fields that are to be set."""

    given: frozenset[str]
    name: str = ""
    topic: str | None = None
    template_id: UUID | None = None
    segment_id: UUID | None = None
    sender_id: UUID | None = None
    messages_per_second: int | None = None
    quiet_hours: tuple[time, time] | None = None
    timezone: str = "UTC"

    def values(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.given if name != "quiet_hours"}
        if "quiet_hours" in self.given:
            start, end = self.quiet_hours or (None, None)
            values |= {"quiet_start": start, "quiet_end": end}
        return values


async def add_campaign(tx: Transaction, given: CampaignChange, *, by: Principal) -> Campaign:
    """A draft. Raises `Invalid`, `TemplateNotFound`, `SegmentNotFound` or `SenderNotFound`."""
    if given.template_id is None:
        raise Invalid.field("template_id", "Choose a template.")
    campaign = Campaign(
        id=new_id(), name="", topic=None, template_id=given.template_id, segment_id=None, sender_id=None,
        messages_per_second=None, quiet_start=None, quiet_end=None, timezone="UTC", status="draft",
        pause_reason=None, frozen=None, scheduled_at=None, launched_at=None, resumed_at=None, completed_at=None,
        created_at=clock.now(), version=1,
    )  # fmt: skip
    campaign = replace(campaign, **given.values())
    await _check_parts(tx, campaign)
    await store.add(tx, campaign)
    await audit.record(tx, by.account_id, "campaign.add", campaign.id, {"name": campaign.name})
    await announce(tx, campaign)
    return campaign


async def change_campaign(
    tx: Transaction, campaign_id: UUID, given: CampaignChange, *, by: Principal, if_match: str | None
) -> Campaign:
    """Only before its launch. Raises `CampaignNotFound`, `CampaignState`, `Stale`, or as `add_campaign`."""
    campaign = await locked_campaign(tx, campaign_id)
    require_version(if_match, campaign.version)
    campaign.require("change")
    changed = replace(campaign, **given.values(), version=campaign.version + 1)
    await _check_parts(tx, changed)
    await store.save(tx, changed)
    await audit.record(tx, by.account_id, "campaign.change", campaign.id, {"fields": sorted(given.given)})
    await announce(tx, changed)
    return changed


async def remove_campaign(tx: Transaction, campaign_id: UUID, *, by: Principal) -> None:
    """Only before its launch. Raises `CampaignNotFound` or `CampaignState`."""
    campaign = await locked_campaign(tx, campaign_id)
    campaign.require("delete")
    await store.remove(tx, campaign_id)
    await audit.record(tx, by.account_id, "campaign.remove", campaign_id, {"name": campaign.name})
    await announce(tx, campaign)


async def launch_campaign(tx: Transaction, campaign_id: UUID, *, by: Principal | None) -> Campaign:
    """Run it now; `by` None is the schedule. The template's text is frozen with it.

    Raises `CampaignNotFound`, `CampaignState`, or `CampaignNotReady` naming what is missing.
    """
    campaign = await locked_campaign(tx, campaign_id)
    campaign = campaign.launch(clock.now())
    campaign = replace(campaign, frozen=await frozen_parts(tx, campaign))
    await store.save(tx, campaign)
    await outbox.record(tx, CampaignLaunched(campaign_id=str(campaign_id)))
    await announce(tx, campaign)
    await audit.record(tx, by.account_id if by else None, "campaign.launch", campaign_id)
    return campaign


async def schedule_campaign(tx: Transaction, campaign_id: UUID, at: datetime, *, by: Principal) -> Campaign:
    """Launch it at `at` (aware). Raises as `launch_campaign`, or `Invalid` for the time."""
    campaign = await locked_campaign(tx, campaign_id)
    scheduled = campaign.schedule(at, clock.now())
    await frozen_parts(tx, campaign)
    return await _moved(tx, campaign, scheduled, by, "campaign.schedule")


async def unschedule_campaign(tx: Transaction, campaign_id: UUID, *, by: Principal) -> Campaign:
    """Back to a draft. Raises `CampaignNotFound` or `CampaignState`."""
    campaign = await locked_campaign(tx, campaign_id)
    return await _moved(tx, campaign, campaign.unschedule(), by, "campaign.unschedule")


async def pause_campaign(
    tx: Transaction, campaign_id: UUID, *, by: Principal | None, reason: str | None = None
) -> Campaign:
    """No message is claimed after this commits. Raises `CampaignNotFound` or `CampaignState`."""
    campaign = await locked_campaign(tx, campaign_id)
    paused = campaign.pause(reason)
    return await _moved(tx, campaign, paused, by, "campaign.pause")


async def resume_campaign(tx: Transaction, campaign_id: UUID, *, by: Principal) -> Campaign:
    """Raises `CampaignNotFound` or `CampaignState`; a draft is launched, not resumed."""
    await endings.forget(tx, campaign_id)  # before the campaign is locked, as `pausing.watch` does
    campaign = await locked_campaign(tx, campaign_id)
    resumed = campaign.resume(clock.now())
    return await _moved(tx, campaign, resumed, by, "campaign.resume")


async def cancel_campaign(tx: Transaction, campaign_id: UUID, *, by: Principal) -> Campaign:
    """What nobody claimed yet is never sent. Raises `CampaignNotFound` or `CampaignState`."""
    campaign = await locked_campaign(tx, campaign_id)
    canceled = campaign.cancel(clock.now())
    queued, deferred = await ledger.cancel_waiting(tx, campaign_id, clock.now())
    if queued or deferred:
        await outbox.record(tx, MessagesCanceled(campaign_id=str(campaign_id), queued=queued, deferred=deferred))
    return await _moved(tx, campaign, canceled, by, "campaign.cancel")


async def freeze_audience(tx: Transaction, campaign_id: UUID) -> None:
    """Write the ledger: one row per contact of the segment as it is now. Whom the gate refuses at this moment is left
    out from the start, as preflight said; everybody else is asked about again when their message is claimed."""
    campaign = await locked_campaign(tx, campaign_id)
    if campaign.status not in ("running", "paused"):
        return  # canceled between the launch and this moment: there is nobody to write to
    rule = await audience_of(tx, campaign.segment_id, campaign.topic)
    now = clock.now()
    frozen = campaign.frozen or {}
    decided = gate.verdict(
        channel=frozen["channel"],
        body=frozen["body"],
        is_approved_template=frozen["content_sid"] is not None,
        now=now,
    )
    verdicts = await ledger.freeze_audience(tx, campaign_id, rule, decided)
    audience, refused = sum(verdicts.values()), {k: n for k, n in verdicts.items() if k != "allowed"}
    await outbox.record(tx, AudienceFrozen(campaign_id=str(campaign_id), audience=audience, refused=refused, at=now))


async def launch_due(tx: Transaction) -> list[UUID]:
    """Launch scheduled campaigns whose time has come. One that cannot run goes back to draft, saying why."""
    launched = []
    for campaign_id in await store.due(tx, clock.now()):
        try:
            await launch_campaign(tx, campaign_id, by=None)
            launched.append(campaign_id)
        except CampaignNotReady as problem:
            campaign = await locked_campaign(tx, campaign_id)
            draft = replace(campaign.unschedule(), pause_reason=problem.detail)
            await _moved(tx, campaign, draft, None, "campaign.launch_refused")
    return launched


async def complete_campaign(tx: Transaction, campaign_id: UUID) -> bool:
    """Nothing is left to send; receipts may still arrive. False when it does not run."""
    campaign = await locked_campaign(tx, campaign_id)
    if campaign.status != "running":
        return False
    await _moved(tx, campaign, campaign.complete(clock.now()), None, None)
    return True


async def frozen_parts(tx: Transaction, campaign: Campaign) -> dict[str, Any]:
    """What the campaign sends and from where. Raises `CampaignNotReady` naming each missing part."""
    template = await find_template(tx, campaign.template_id)
    problems: list[FieldError] = []
    sender: Sender | None = None
    if campaign.sender_id is None:
        problems.append(FieldError("sender_id", "Choose a sender. Add one under Senders if there is none."))
    else:
        sender = await find_sender(tx, campaign.sender_id)
        if sender.channel != template.channel:
            message = f"The template is for {template.channel}, the sender for {sender.channel}."
            problems.append(FieldError("sender_id", message))
    if problems or sender is None:
        raise CampaignNotReady(" ".join(p.message for p in problems), errors=tuple(problems))
    return {
        "body": template.body,
        "channel": template.channel,
        "content_sid": template.content_sid,
        "sender_id": str(sender.id),
        "sender_address": sender.address,
    }


async def locked_campaign(tx: Transaction, campaign_id: UUID) -> Campaign:
    """Raises `CampaignNotFound`."""
    campaign = await store.campaign_for_update(tx, campaign_id)
    if campaign is None:
        raise CampaignNotFound("This campaign does not exist. It may have been deleted.")
    return campaign


async def find_campaign(tx: Transaction, campaign_id: UUID) -> Campaign:
    """Raises `CampaignNotFound`."""
    campaign = await store.campaign(tx, campaign_id)
    if campaign is None:
        raise CampaignNotFound("This campaign does not exist. It may have been deleted.")
    return campaign


async def announce(tx: Transaction, campaign: Campaign) -> None:
    """Tell the screens that show this campaign, and the lists."""
    patch: dict[str, Any] = {
        name: getattr(campaign, name)
        for name in ("name", "status", "pause_reason", "scheduled_at", "launched_at", "completed_at")
    }
    update = LiveUpdate(
        topic="campaigns", kind="campaign", entity_id=str(campaign.id), version=campaign.version, patch=patch
    )
    await outbox.record(tx, update)


async def _moved(
    tx: Transaction, before: Campaign, after: Campaign, by: Principal | None, action: str | None
) -> Campaign:
    await store.save(tx, after)
    status: Status = after.status
    await outbox.record(
        tx,
        CampaignStateChanged(
            campaign_id=str(after.id), previous=before.status, status=status, reason=after.pause_reason
        ),
    )
    await announce(tx, after)
    if action:
        detail = {"status": status, "reason": after.pause_reason}
        await audit.record(tx, by.account_id if by else None, action, after.id, detail)
    return after


async def _check_parts(tx: Transaction, campaign: Campaign) -> None:
    if not campaign.name.strip():
        raise Invalid.field("name", "Give the campaign a name.")
    checked_timezone(campaign.timezone)
    await find_template(tx, campaign.template_id)
    if campaign.segment_id is not None:
        await rule_of(tx, campaign.segment_id)
    if campaign.sender_id is not None:
        await find_sender(tx, campaign.sender_id)
