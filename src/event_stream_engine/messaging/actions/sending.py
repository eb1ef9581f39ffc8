"""Sending: claim and record.

The claim is committed before the first request leaves; the record after the answers came. Whatever happens in
between leaves messages in `sending` under a lease: when it expires they become `unknown`, and an unknown message
is sent again only when Twilio, asked after a grace, does not have it (`reconciling`). As long as a message may be under
way, no other is claimed for the same person from the same sender: what Twilio then lists can only be this one's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import MessagesClaimed
from event_stream_engine.messaging.actions.pausing import watch
from event_stream_engine.messaging.actions.suppressing import learn_from
from event_stream_engine.messaging.actions.suppressions import suppressed
from event_stream_engine.messaging.gateway import (
    Accepted,
    Channel,
    Held,
    NotSent,
    OutgoingMessage,
    Rejected,
    SendOutcome,
    Throttled,
    Unknown,
)
from event_stream_engine.messaging.model.campaigns import Campaign
from event_stream_engine.messaging.model.compliance import Allowed, Deferred, judge
from event_stream_engine.messaging.model.messages import FROM_PROVIDER, OTHER_UNDER_WAY, Message, Step, advance, settle
from event_stream_engine.messaging.model.quiet import QuietHours
from event_stream_engine.messaging.model.templates import content_variables, render, unsendable
from event_stream_engine.messaging.store import campaigns as campaigns_store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.store.messages import Claimable, Claimed
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.settings import MessagingSettings

ATTEMPTS_MAX = 20
CIRCUIT_OPEN = "circuit_open"
RESTORED = "restored"
"""The database went back in time: Twilio is asked whether it has the message before it is sent."""
_RETRY_SECONDS = (1, 2, 5, 10, 30, 60)
_LOOK_AGAIN = timedelta(seconds=2)  # after it a person to whom another message is under way is tried again


@dataclass(frozen=True, slots=True)
class SendPlan:
    """What a sender needs to know of a campaign, once per round. `callback` ends in `?m=`, ready for the id."""

    campaign_id: UUID
    body: str
    channel: Channel
    content_sid: str | None
    sender_id: str
    sender_address: str
    quiet: QuietHours | None
    callback: str
    ask_since: datetime | None = None

    @classmethod
    def of(cls, campaign: Campaign, origin: str) -> "SendPlan":
        frozen = campaign.frozen or {}
        return cls(
            campaign.id,
            frozen["body"],
            frozen["channel"],
            frozen["content_sid"],
            frozen["sender_id"],
            frozen["sender_address"],
            campaign.quiet_hours,
            status_callback(origin),
            campaign.ask_since,
        )

    @property
    def sender(self) -> str:
        """`channel:address`."""
        return f"{self.channel}:{self.sender_address}"


class Outgoing(msgspec.Struct, frozen=True):
    """A claimed message and the request that carries it; `attempt` is the fence of this claim."""

    id: UUID
    attempt: int
    request: OutgoingMessage


class Sent(msgspec.Struct, frozen=True):
    """What the carrier answered to one claimed message."""

    outgoing: Outgoing
    outcome: SendOutcome


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim found: `outgoing` must now be sent; `settled` were refused, deferred, or put off because another
    message to the same person is under way."""

    outgoing: list[Outgoing]
    settled: int


def status_callback(origin: str) -> str:
    """Our message id rides along, so that a receipt finds its message before we know Twilio's id.

    The fragment asks Twilio to repeat a callback that we did not take (five times, for any reason).
    """
    return f"{origin}/webhooks/twilio/status?m={{}}#rc=5&rp=all"


async def claim(tx: Transaction, plan: SendPlan, limit: int, settings: MessagingSettings) -> Claim:
    """Take up to `limit` due messages, ask the gate about each, and write the claim."""
    now = clock.now()
    await ledger.lock_sender(tx, plan.sender)
    due = await ledger.lock_due(tx, plan.campaign_id, now, limit)
    found = await _without_busy(tx, plan, due, now)
    no_more = await suppressed(tx, (item.message.phone for item in found)) if found else {}
    outgoing: list[Outgoing] = []
    steps: list[Step] = []
    asked: list[Claimed] = []
    for item in found:
        said = no_more.get(item.message.phone)
        sent_or_step = settle(item.message, "refused", now, reason=said.consent) if said else _decide(item, plan, now)
        if isinstance(sent_or_step, Step):
            steps.append(sent_or_step)
        elif plan.ask_since is not None and item.may_be_sent(plan.ask_since):
            ask_at = now + timedelta(seconds=settings.unknown_grace_seconds)
            steps.append(settle(item.message, "unknown", now, reason=RESTORED, due_at=ask_at))
            asked.append(Claimed(item.message.id, sent_or_step.request.body or ""))
        else:
            outgoing.append(sent_or_step)
    await save_steps(tx, steps, now)
    if asked and plan.ask_since is not None:
        await ledger.save_asked(tx, asked, plan.ask_since)
    if outgoing:
        claimed = [Claimed(o.id, o.request.body or "") for o in outgoing]
        await ledger.save_claimed(tx, claimed, now + timedelta(seconds=settings.lease_seconds), now)
        taken = {o.id for o in outgoing}
        before = [item.message.status for item in found if item.message.id in taken]
        queued, deferred = before.count("queued"), before.count("deferred")
        await outbox.record(tx, MessagesClaimed(campaign_id=str(plan.campaign_id), queued=queued, deferred=deferred))
    return Claim(outgoing, len(steps) + len(due) - len(found))


async def _without_busy(tx: Transaction, plan: SendPlan, due: list[Claimable], now: datetime) -> list[Claimable]:
    """Put off those to whom another message from this sender may be under way."""
    phones = sorted({item.message.phone for item in due})
    busy = await ledger.busy_phones(tx, phones, plan.sender) if phones else set()
    put_off = [item.message.id for item in due if item.message.phone in busy]
    await ledger.postpone(tx, put_off, now + _LOOK_AGAIN, OTHER_UNDER_WAY, now)
    return [item for item in due if item.message.phone not in busy]


def _decide(item: Claimable, plan: SendPlan, now: datetime) -> Outgoing | Step:
    message = item.message
    rendered = render(plan.body, item.attributes, message.phone)
    variables = content_variables(plan.body, item.attributes, message.phone) if plan.content_sid else None
    verdict = judge(
        item.recipient,
        channel=plan.channel,
        is_approved_template=plan.content_sid is not None,
        unsendable=unsendable(rendered, variables),
        quiet=plan.quiet,
        now=now,
    )
    if isinstance(verdict, Allowed):
        return Outgoing(message.id, message.attempt + 1, _request(plan, message, rendered.text, variables))
    if isinstance(verdict, Deferred):
        return settle(message, "deferred", now, reason="quiet_hours", due_at=verdict.until)
    return settle(message, "refused", now, reason=verdict.reason)


def _request(plan: SendPlan, message: Message, text: str, variables: dict[str, str] | None) -> OutgoingMessage:
    return OutgoingMessage(
        to=message.phone,
        sender=plan.sender_address,
        channel=plan.channel,
        body=text,
        content_sid=plan.content_sid,
        content_variables=None if variables is None else msgspec.json.encode(variables).decode(),
        status_callback=plan.callback.format(message.id),
    )


async def record_outcomes(tx: Transaction, sent: Sequence[Sent], settings: MessagingSettings) -> None:
    """Write what the carrier answered.

    A receipt that came first has moved its message on already: it stays. An answer to a claim that another sender
    has taken over since counts only if it is an acceptance. A fault of the account or the sender pauses the
    campaign at once and leaves the recipient in the queue; one that may be this recipient's fails the message, and
    pauses the campaign when most of the last messages failed alike.
    """
    now = clock.now()
    locked = await ledger.lock(tx, [item.outgoing.id for item in sent])
    steps: list[Step] = []
    held: list[UUID] = []
    faults: dict[UUID, int] = {}
    for item in sent:
        message = locked.get(item.outgoing.id)
        if message is None:
            continue
        if message.attempt != item.outgoing.attempt and not isinstance(item.outcome, Accepted):
            continue
        fault = _fault(item.outcome)
        if fault is not None and message.campaign_id and message.status == "sending":
            faults[message.campaign_id] = fault
            steps.append(settle(message, "queued", now, reason="campaign_paused"))
            continue
        step = _after(message, item.outcome, now, settings)
        if step is not None:
            steps.append(step)
        if step is not None and isinstance(item.outcome, Held):
            held.append(message.id)
    await watch(tx, "answer", steps, at_once=faults)
    await save_steps(tx, steps, now)
    await ledger.take_attempt_back(tx, held)


def _fault(outcome: SendOutcome) -> int | None:
    """The code for which the next message would fail alike; None when it may concern this recipient only."""
    if not isinstance(outcome, Rejected):
        return None
    error = describe(outcome.code)
    return outcome.code if error.pause != "none" and error.pause_when == "at_once" else None


def _after(message: Message, outcome: SendOutcome, now: datetime, settings: MessagingSettings) -> Step | None:
    if isinstance(outcome, Accepted):
        return advance(message, FROM_PROVIDER.get(outcome.status, "accepted"), now, sid=outcome.sid)
    if message.status != "sending":
        return None  # a receipt proved meanwhile that the carrier has it
    if isinstance(outcome, Rejected):
        return settle(message, "failed", now, error_code=outcome.code or outcome.http_status)
    if isinstance(outcome, Unknown):
        grace = timedelta(seconds=settings.unknown_grace_seconds)
        return settle(message, "unknown", now, reason=outcome.reason[:200], due_at=now + grace)
    if isinstance(outcome, Held):  # no time: it is due as soon as the circuit lets it pass
        return settle(message, "queued", now, reason=CIRCUIT_OPEN)
    return _again(message, outcome, now)


def _again(message: Message, outcome: Throttled | NotSent, now: datetime) -> Step:
    """The message provably did not leave: back into the queue, later each time, until it is given up."""
    if message.attempt >= ATTEMPTS_MAX or message.campaign_id is None:
        return settle(message, "failed", now, reason="not_sent")
    pause: float = _RETRY_SECONDS[min(message.attempt, len(_RETRY_SECONDS)) - 1]
    if isinstance(outcome, Throttled) and outcome.retry_after:
        pause = max(pause, outcome.retry_after)
    reason = "throttled" if isinstance(outcome, Throttled) else outcome.reason[:200]
    return settle(message, "queued", now, reason=reason, due_at=now + timedelta(seconds=pause))


async def save_steps(tx: Transaction, steps: Sequence[Step], now: datetime) -> None:
    """Write the moves of locked messages, record them, and apply what their errors say about the contacts."""
    steps = await _not_back_into_a_canceled_campaign(tx, steps)
    await ledger.save(tx, [step.message for step in steps], now)
    await outbox.record_many(tx, [step.event for step in steps])
    await learn_from(tx, steps)


async def _not_back_into_a_canceled_campaign(tx: Transaction, steps: Sequence[Step]) -> list[Step]:
    """What was under way when its campaign was canceled, and did not leave, is canceled too."""
    back = {step.message.campaign_id for step in steps if step.message.status == "queued"}
    canceled = await campaigns_store.canceled(tx, sorted(id_ for id_ in back if id_ is not None)) if back else set()
    return [
        _canceled(step) if step.message.status == "queued" and step.message.campaign_id in canceled else step
        for step in steps
    ]


def _canceled(step: Step) -> Step:
    message = msgspec.structs.replace(step.message, status="canceled", due_at=None)
    return Step(message, msgspec.structs.replace(step.event, status="canceled"))
