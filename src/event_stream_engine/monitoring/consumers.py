"""What people and the platform do with campaigns, imports and accounts, told to those who watch.

A task: it hands the event to the process's broadcaster and touches no state. The monitoring event takes the fact's
own id, so one that is told again after a crash is there once. Names, addresses and telephone numbers stay out.
"""

from typing import Any

from event_stream_engine import telemetry
from event_stream_engine.backbone.subscriptions import subscribe_task
from event_stream_engine.events.base import Event
from event_stream_engine.events.identity import UserCreated, UserDisabled
from event_stream_engine.events.messaging import AudienceFrozen, CampaignStateChanged, ContactsImported, InboundReceived
from event_stream_engine.monitoring.api import Category, get_broadcaster

GROUP = "monitoring.tell"


@subscribe_task(CampaignStateChanged, group=GROUP)
async def campaign_changed(event: CampaignStateChanged) -> None:
    failed = event.status == "failed"
    data = {name: getattr(event, name) for name in ("campaign_id", "previous", "status", "reason")}
    _tell("campaign_changed", event, data, Category.CRITICAL if failed else Category.USER_ACTIVITY)


@subscribe_task(AudienceFrozen, group=GROUP)
async def audience_frozen(event: AudienceFrozen) -> None:
    data = {"campaign_id": event.campaign_id, "audience": event.audience, "refused": sum(event.refused.values())}
    _tell("audience_frozen", event, data, Category.USER_ACTIVITY)


@subscribe_task(ContactsImported, group=GROUP)
async def import_changed(event: ContactsImported) -> None:
    names = ("import_id", "status", "rows_read", "created", "updated", "unchanged", "merged", "rejected")
    failed = event.status == "failed"
    data = {name: getattr(event, name) for name in names}
    _tell("import_changed", event, data, Category.CRITICAL if failed else Category.USER_ACTIVITY)


@subscribe_task(InboundReceived, group=GROUP)
async def inbound_received(event: InboundReceived) -> None:
    data = {"inbound_id": event.inbound_id, "kind": event.kind, "channel": event.channel}
    _tell("inbound_received", event, data, Category.USER_ACTIVITY)


@subscribe_task(UserCreated, group=GROUP)
async def user_created(event: UserCreated) -> None:
    _tell("user_created", event, {"user_id": event.user_id, "role": event.role}, Category.USER_ACTIVITY)


@subscribe_task(UserDisabled, group=GROUP)
async def user_disabled(event: UserDisabled) -> None:
    _tell("user_disabled", event, {"user_id": event.user_id, "reason": event.reason}, Category.USER_ACTIVITY)


def _tell(event_type: str, event: Event, data: dict[str, Any], category: Category) -> None:
    fact = telemetry.causation.get()
    given = {} if fact is None else {"event_id": fact}
    get_broadcaster().tell(event_type, data, source=event.stream, category=category, **given)
