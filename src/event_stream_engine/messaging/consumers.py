"""What messaging does when something has happened."""

from collections.abc import Sequence
from uuid import UUID

from event_stream_engine.backbone.subscriptions import subscribe, subscribe_batch, subscribe_task
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import (
    AudienceFrozen,
    CampaignLaunched,
    CampaignStateChanged,
    InboundReceived,
    MessagesCanceled,
    MessagesClaimed,
    MessageStatusChanged,
    StatusCallbackReceived,
)
from event_stream_engine.jobs import start
from event_stream_engine.messaging import tasks
from event_stream_engine.messaging.actions import campaigns, counting, inbound, receipts


@subscribe(CampaignLaunched, group="messaging.freeze_audience")
async def freeze_audience(tx: Transaction, event: CampaignLaunched) -> None:
    await campaigns.freeze_audience(tx, UUID(event.campaign_id))


@subscribe_task(AudienceFrozen, group="messaging.start_sending")
async def start_sending(event: AudienceFrozen) -> None:
    await start(tasks.send_campaign, event.campaign_id)


@subscribe_task(CampaignStateChanged, group="messaging.resume_sending")
async def resume_sending(event: CampaignStateChanged) -> None:
    if event.status == "running":
        await start(tasks.send_campaign, event.campaign_id)


@subscribe_batch(StatusCallbackReceived, group="messaging.apply_receipts")
async def apply_receipts(tx: Transaction, events: Sequence[StatusCallbackReceived]) -> None:
    await receipts.apply_receipts(tx, events)


@subscribe(InboundReceived, group="messaging.apply_inbound")
async def apply_inbound(tx: Transaction, event: InboundReceived) -> None:
    await inbound.apply(tx, event)


@subscribe_batch(AudienceFrozen, group="messaging.count")
async def count_audience(tx: Transaction, events: Sequence[AudienceFrozen]) -> None:
    await counting.count(tx, events)


@subscribe_batch(MessagesClaimed, group="messaging.count")
async def count_claims(tx: Transaction, events: Sequence[MessagesClaimed]) -> None:
    await counting.count(tx, events)


@subscribe_batch(MessagesCanceled, group="messaging.count")
async def count_cancellations(tx: Transaction, events: Sequence[MessagesCanceled]) -> None:
    await counting.count(tx, events)


@subscribe_batch(MessageStatusChanged, group="messaging.count")
async def count_steps(tx: Transaction, events: Sequence[MessageStatusChanged]) -> None:
    await counting.count(tx, events)
