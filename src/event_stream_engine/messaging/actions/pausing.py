"""When the platform itself pauses a campaign: the next message would fail as the last ones did.

One table (`twilio.errors`) decides for the answers to our requests and for receipts alike.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.actions.campaigns import pause_campaign
from event_stream_engine.messaging.model.campaigns import CampaignState
from event_stream_engine.messaging.model.messages import Step
from event_stream_engine.messaging.store import campaigns as campaigns_store
from event_stream_engine.messaging.store import endings
from event_stream_engine.messaging.store.endings import Kind
from event_stream_engine.messaging.twilio.errors import describe

ALIKE_MAX = 20
"""So many of the last 50 messages may fail with one code that concerns more than its recipient; then sending stops."""


async def pause_at_once(tx: Transaction, faults: dict[UUID, int]) -> None:
    """Pause these campaigns for the code that one answer had, or all campaigns when it concerns the account."""
    for campaign_id, code in sorted(faults.items()):
        error = describe(code)
        await _pause(tx, campaign_id, code, f"{error.title}. {error.what_to_do}")


async def watch(tx: Transaction, kind: Kind, steps: Sequence[Step]) -> None:
    """Pause the campaigns of which most of the last messages failed alike."""
    codes: dict[UUID, list[int]] = defaultdict(list)
    for step in steps:
        code = _ending(kind, step)
        if code is not None and step.message.campaign_id is not None:
            codes[step.message.campaign_id].append(code)
    for campaign_id in sorted(codes):
        last = await endings.add(tx, campaign_id, kind, codes[campaign_id])
        failed = Counter(code for code in last if code and describe(code).pause != "none")
        code, count = failed.most_common(1)[0] if failed else (0, 0)
        if count >= ALIKE_MAX:
            error = describe(code)
            reason = (
                f"{count} of the last {len(last)} messages failed alike: {error.title} (Twilio error {code}). "
                f"{error.what_to_do}"
            )
            await endings.forget(tx, campaign_id)
            await _pause(tx, campaign_id, code, reason)


def _ending(kind: Kind, step: Step) -> int | None:
    """The error that the message ended with, 0 when it went well, None when it has not ended."""
    status = step.event.status
    if status in ("failed", "undelivered"):
        return step.event.error_code or 0
    return 0 if status in (("accepted",) if kind == "answer" else ("delivered", "read")) else None


async def _pause(tx: Transaction, campaign_id: UUID, code: int, reason: str) -> None:
    concerned = [campaign_id]
    if describe(code).pause == "account":
        concerned = sorted({campaign_id, *await campaigns_store.running(tx)})
    for each in concerned:
        try:
            await pause_campaign(tx, each, by=None, reason=reason)
        except CampaignState:
            continue  # paused already, or it ended
