"""Messaging's tasks: sending, and finding again whatever a crash left behind."""

import time
from uuid import UUID

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from event_stream_engine import clock
from event_stream_engine.backbone import life
from event_stream_engine.backbone.effects import effects_of
from event_stream_engine.backbone.life import EffectsHeld
from event_stream_engine.database import Database
from event_stream_engine.jobs import Runtime, every, start, task
from event_stream_engine.messaging import asking_tasks, erasure_tasks, import_tasks, inbound_tasks, retention_tasks
from event_stream_engine.messaging.actions import campaigns as campaign_actions
from event_stream_engine.messaging.actions import reconciling
from event_stream_engine.messaging.actions.sending import SendPlan
from event_stream_engine.messaging.gateway import GatewayUnavailable, MessageGateway
from event_stream_engine.messaging.pace import Pace
from event_stream_engine.messaging.pipeline import SLICE_SECONDS, Pipeline, Window
from event_stream_engine.messaging.store import campaigns as campaign_store
from event_stream_engine.messaging.store import senders as sender_store
from event_stream_engine.messaging.twilio import gateway_of
from event_stream_engine.settings import MessagingSettings

log = structlog.get_logger()

__all__ = [
    "asking_tasks", "dispatch", "erasure_tasks", "import_tasks", "inbound_tasks", "recover", "retention_tasks",
    "send_campaign",
]  # fmt: skip
"""Importing this module registers every task of the feature, those of imports and of inbound messages included."""

"""Of every 30: how long one round asks about silent messages; what is left waits for the next."""

_WINDOW = "send_window"
_LOCK_SECONDS = 10
_RECOVER_BATCH = 500
_RECONCILE_BATCH = 20


@task("messaging.send_campaign", queue="sending")
async def send_campaign(runtime: Runtime, campaign_id: str) -> None:
    """Send what is due of one campaign. One sender per campaign works at a time; a second returns at once."""
    lock = runtime.redis.lock(f"ese:sending:{campaign_id}", timeout=_LOCK_SECONDS, thread_local=False)
    if not await lock.acquire(blocking=False):
        return
    try:
        has_more = await send_slice(runtime, UUID(campaign_id), lock)
    except EffectsHeld as error:
        log.warning("sending is held", campaign_id=campaign_id, reason=error.detail)
        return
    finally:
        try:
            await lock.release()
        except LockError:
            log.warning("sender lock expired", campaign_id=campaign_id)
    if has_more:
        await start(send_campaign, campaign_id)


async def send_slice(runtime: Runtime, campaign_id: UUID, lock: "Lock") -> bool:
    """True when the slice ended before the work did."""
    async with runtime.database.transaction() as tx:
        campaign = await campaign_store.campaign(tx, campaign_id)
        sender_id = UUID(campaign.frozen["sender_id"]) if campaign and campaign.frozen else None
        sender = await sender_store.sender(tx, sender_id) if sender_id else None
    if campaign is None or campaign.status != "running" or sender is None:
        return False
    if await inbound_tasks.sending_waits(runtime):
        return False
    plan = SendPlan.of(campaign, runtime.settings.http.origin)
    buckets = {f"sender:{sender.id}": sender.messages_per_second}
    if campaign.messages_per_second:
        buckets[f"campaign:{campaign_id}"] = campaign.messages_per_second
    pipeline = Pipeline(
        runtime.database, effects_of(runtime.settings, runtime.database, runtime.redis, runtime.shared),
        gateway_of(runtime.settings, runtime.shared), plan, Pace(runtime.redis, buckets), min(buckets.values()), lock,
        runtime.settings.messaging, runtime.shared.setdefault(_WINDOW, Window()),
    )  # fmt: skip
    return await pipeline.run()


_DISPATCHES = """
EXISTS (SELECT FROM campaigns WHERE status = 'running' OR (status = 'scheduled' AND scheduled_at <= now()))
"""
_RECOVERS = "EXISTS (SELECT FROM messages WHERE status IN ('sending', 'unknown'))"


@every(1, when=_DISPATCHES)
@task("messaging.dispatch")
async def dispatch(runtime: Runtime) -> None:
    """Launch what is scheduled for now, and see to it that every running campaign has a sender."""
    async with runtime.database.transaction() as tx:
        await campaign_actions.launch_due(tx)
    async with runtime.database.transaction() as tx:
        is_held = (await life.read(tx)).is_held
        waiting = [] if is_held else await campaign_store.sending_now(tx, clock.now())
    for campaign_id in waiting:
        if not await runtime.redis.exists(f"ese:sending:{campaign_id}"):
            await start(send_campaign, str(campaign_id), expires=10)


@every(5, when=_RECOVERS)
@task("messaging.recover")
async def recover(runtime: Runtime) -> None:
    """Settle messages whose sender died, and those whose answer was lost, by asking Twilio."""
    async with runtime.database.transaction() as tx:
        found = await reconciling.recover_abandoned(tx, runtime.settings.messaging, _RECOVER_BATCH)
    if found:
        log.warning("abandoned messages found, reconciling", count=found)
    await _reconcile(runtime)


async def _reconcile(runtime: Runtime) -> None:
    gateway = gateway_of(runtime.settings, runtime.shared)
    ends = time.monotonic() + SLICE_SECONDS
    while time.monotonic() < ends:
        try:
            settled = await reconcile(runtime.database, gateway, runtime.settings.messaging, _RECONCILE_BATCH)
        except GatewayUnavailable as error:
            log.warning("Twilio does not answer, unknown messages wait", error=error.detail)
            return
        if settled == 0:
            return
        log.info("unknown messages reconciled", count=settled)


async def reconcile(database: Database, gateway: MessageGateway, settings: MessagingSettings, limit: int) -> int:
    """Ask Twilio about unknown messages and settle each; how many.

    Raises `GatewayUnavailable` when it does not answer; the messages stay as they are and are asked about again.
    """
    async with database.transaction() as tx:
        doubtful = await reconciling.take_doubtful(tx, limit)
    if not doubtful:
        return 0
    listed = await reconciling.look_for(gateway, doubtful)
    async with database.transaction() as tx:
        return await reconciling.settle_doubtful(tx, listed, settings)
