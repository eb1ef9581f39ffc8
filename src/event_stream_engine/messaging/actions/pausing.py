"""When the platform itself pauses a campaign: the next message would fail as the last ones did.

One table (`twilio.errors`) decides for the answers to our requests and for receipts alike.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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


async def watch(tx: Transaction, kind: Kind, steps: Sequence[Step], at_once: Mapping[UUID, int] | None = None) -> None:
    """Pause the campaigns of which most of the last messages failed alike, and those that `at_once` names with the code
    for which they stop. Call it once in a transaction, after its messages are locked: all endings are locked before the
    first campaign, and campaigns in the order of their ids, so that transactions cannot deadlock.
    """
    codes: dict[UUID, list[int]] = defaultdict(list)
    for step in steps:
        code = _ending(kind, step)
        if code is not None and step.message.campaign_id is not None:
            codes[step.message.campaign_id].append(code)
    stops = {campaign_id: (code, _reason(code)) for campaign_id, code in (at_once or {}).items()}
    for campaign_id in sorted(codes):
        last = await endings.add(tx, campaign_id, kind, codes[campaign_id])
        failed = Counter(code for code in last if code and describe(code).pause != "none")
        code, count = failed.most_common(1)[0] if failed else (0, 0)
        if count >= ALIKE_MAX:
            await endings.forget(tx, campaign_id)
            title = describe(code).title
            alike = f"{count} of the last {len(last)} messages failed alike: {title} (Twilio error {code}). "
            stops.setdefault(campaign_id, (code, alike + describe(code).what_to_do))
    await _pause(tx, stops)


def _reason(code: int) -> str:
    return f"{describe(code).title}. {describe(code).what_to_do}"


async def _pause(tx: Transaction, stops: Mapping[UUID, tuple[int, str]]) -> None:
    """A code of the account pauses every running campaign."""
    reasons = {campaign_id: reason for campaign_id, (_, reason) in stops.items()}
    of_account = [reason for code, reason in stops.values() if describe(code).pause == "account"]
    if of_account:
        reasons = dict.fromkeys(await campaigns_store.running(tx), of_account[0]) | reasons
    for campaign_id in sorted(reasons):
        try:
            await pause_campaign(tx, campaign_id, by=None, reason=reasons[campaign_id])
        except CampaignState:
            continue  # paused already, or it ended


def _ending(kind: Kind, step: Step) -> int | None:
    """The error that the message ended with, 0 when it went well, None when it has not ended."""
    status = step.event.status
    if status in ("failed", "undelivered"):
        return step.event.error_code or 0
    return 0 if status in (("accepted",) if kind == "answer" else ("delivered", "read")) else None
