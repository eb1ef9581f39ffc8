"""Campaigns that took any time, with their receipts."""

from datetime import timedelta
from uuid import UUID

from event_stream_engine import clock
from event_stream_engine.events.messaging import StatusCallbackReceived
from event_stream_engine.messaging.actions.receipts import apply_receipts
from event_stream_engine.messaging.actions.sending import Outgoing, Sent
from event_stream_engine.messaging.gateway import Accepted
from tests.messaging.conftest import World

MESSAGES = 5
DELIVERY = timedelta(seconds=30)


async def campaign_over(world: World, span: timedelta) -> UUID:
    """A campaign whose messages were accepted at even distances over `span`, and each delivered half a minute later."""
    campaign = await world.launched(MESSAGES)
    began = clock.now() - span - 2 * DELIVERY
    for index in range(MESSAGES):
        accepted_at = began + span * index / (MESSAGES - 1)
        with clock.frozen(accepted_at):
            (outgoing,) = (await world.claim(campaign, 1)).outgoing
            await world.record([Sent(outgoing, Accepted(sid=sid(outgoing), status="queued", segments=1))])
        with clock.frozen(accepted_at + DELIVERY):
            await deliver(world, outgoing)
            await world.count()
    return campaign


def sid(outgoing: Outgoing) -> str:
    return f"SM{outgoing.id.hex}"


async def deliver(world: World, outgoing: Outgoing) -> None:
    callback = StatusCallbackReceived(
        sid=sid(outgoing), status="delivered", message_id=str(outgoing.id), error_code=None,
        received_at=clock.now(), form={},
    )  # fmt: skip
    await world.act(apply_receipts, [callback])
