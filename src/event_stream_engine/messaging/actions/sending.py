"""Sending: claim, record, recover, reconcile.

The claim is committed before the first request leaves; the record after the answers came. Whatever happens in
between leaves messages in `sending` under a lease: when it expires they become `unknown`, and an unknown message
is sent again only when Twilio, asked after a grace, does not have it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import MessagesClaimed
from event_stream_engine.messaging.actions.campaigns import pause_campaign
from event_stream_engine.messaging.actions.suppressing import learn_from
from event_stream_engine.messaging.actions.suppressions import suppressed
from event_stream_engine.messaging.gateway import (
    Accepted,
    Channel,
    FoundMessage,
    GatewayUnavailable,
    Held,
    MessageGateway,
    NotSent,
    OutgoingMessage,
    Rejected,
    SendOutcome,
    Throttled,
    Unknown,
)
from event_stream_engine.messaging.model.campaigns import Campaign, CampaignState
from event_stream_engine.messaging.model.compliance import Allowed, Deferred, QuietHours, judge
from event_stream_engine.messaging.model.messages import FROM_PROVIDER, Message, Step, advance, settle
from event_stream_engine.messaging.model.templates import content_variables, render
from event_stream_engine.messaging.store import campaigns as campaigns_store
from event_stream_engine.messaging.store import messages as ledger
from event_stream_engine.messaging.store.messages import Claimable, Claimed
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.settings import MessagingSettings

ATTEMPTS_MAX = 20
POLLS_MAX = 5
CIRCUIT_OPEN = "circuit_open"
RESTORED = "restored"
"""The database went back in time: Twilio is asked whether it has the message before it is sent."""
_RETRY_SECONDS = (1, 2, 5, 10, 30, 60)
_FIND_SLACK = timedelta(minutes=2)  # our clock against Twilio's


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
    """What one claim found: `outgoing` must now be sent; `settled` were refused or deferred."""

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
    found = await ledger.lock_due(tx, plan.campaign_id, now, limit)
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
            due = now + timedelta(seconds=settings.unknown_grace_seconds)
            steps.append(settle(item.message, "unknown", now, reason=RESTORED, due_at=due))
            asked.append(Claimed(item.message.id, sent_or_step.request.body or ""))
        else:
            outgoing.append(sent_or_step)
    await _save_steps(tx, steps, now)
    if asked and plan.ask_since is not None:
        await ledger.save_asked(tx, asked, plan.ask_since)
    if outgoing:
        claimed = [Claimed(o.id, o.request.body or "") for o in outgoing]
        await ledger.save_claimed(tx, claimed, now + timedelta(seconds=settings.lease_seconds), now)
        taken = {o.id for o in outgoing}
        before = [item.message.status for item in found if item.message.id in taken]
        queued, deferred = before.count("queued"), before.count("deferred")
        await outbox.record(tx, MessagesClaimed(campaign_id=str(plan.campaign_id), queued=queued, deferred=deferred))
    return Claim(outgoing, len(steps))


def _decide(item: Claimable, plan: SendPlan, now: datetime) -> Outgoing | Step:
    message = item.message
    rendered = render(plan.body, item.attributes, message.phone)
    verdict = judge(
        item.recipient,
        channel=plan.channel,
        is_approved_template=plan.content_sid is not None,
        has_missing=bool(rendered.missing),
        quiet=plan.quiet,
        now=now,
    )
    if isinstance(verdict, Allowed):
        return Outgoing(message.id, message.attempt + 1, _request(plan, message, rendered.text, item.attributes))
    if isinstance(verdict, Deferred):
        return settle(message, "deferred", now, reason="quiet_hours", due_at=verdict.until)
    return settle(message, "refused", now, reason=verdict.reason)


def _request(plan: SendPlan, message: Message, text: str, attributes: dict[str, str]) -> OutgoingMessage:
    variables = None
    if plan.content_sid:
        numbered = content_variables(plan.body, attributes, message.phone)
        variables = msgspec.json.encode(numbered).decode()
    return OutgoingMessage(
        to=message.phone,
        sender=plan.sender_address,
        channel=plan.channel,
        body=text,
        content_sid=plan.content_sid,
        content_variables=variables,
        status_callback=plan.callback.format(message.id),
    )


async def record_outcomes(tx: Transaction, sent: Sequence[Sent], settings: MessagingSettings) -> None:
    """Write what the carrier answered.

    A receipt that came first has moved its message on already: it stays. An answer to a claim that another sender
    has taken over since counts only if it is an acceptance. A fault of the account or the sender pauses the
    campaign and leaves the recipient in the queue.
    """
    now = clock.now()
    locked = await ledger.lock(tx, [item.outgoing.id for item in sent])
    steps: list[Step] = []
    held: list[UUID] = []
    faults: dict[UUID, str] = {}
    for item in sent:
        message = locked.get(item.outgoing.id)
        if message is None:
            continue
        if message.attempt != item.outgoing.attempt and not isinstance(item.outcome, Accepted):
            continue
        fault = _fault(item.outcome)
        if fault and message.campaign_id and message.status == "sending":
            faults[message.campaign_id] = fault
            steps.append(settle(message, "queued", now, reason="campaign_paused"))
            continue
        step = _after(message, item.outcome, now, settings)
        if step is not None:
            steps.append(step)
        if step is not None and isinstance(item.outcome, Held):
            held.append(message.id)
    for campaign_id, reason in sorted(faults.items()):
        await _pause_if_running(tx, campaign_id, reason)
    await _save_steps(tx, steps, now)
    await ledger.take_attempt_back(tx, held)


def _fault(outcome: SendOutcome) -> str | None:
    """Why the next message would fail alike; None when only this recipient is concerned."""
    if not isinstance(outcome, Rejected):
        return None
    error = describe(outcome.code)
    return f"{error.title}. {error.what_to_do}" if error.pause != "none" else None


async def _pause_if_running(tx: Transaction, campaign_id: UUID, reason: str) -> None:
    try:
        await pause_campaign(tx, campaign_id, by=None, reason=reason)
    except CampaignState:
        return  # another lane paused it, or a person stopped it


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


async def recover_abandoned(tx: Transaction, settings: MessagingSettings, limit: int) -> int:
    """Messages whose lease expired: nobody knows whether they left. How many."""
    now = clock.now()
    due = now + timedelta(seconds=settings.unknown_grace_seconds)
    abandoned = await ledger.lock_abandoned(tx, now, limit)
    steps = [settle(m, "unknown", now, reason="sender_crashed", due_at=due) for m in abandoned]
    await _save_steps(tx, steps, now)
    return len(steps)


async def reconcile(tx: Transaction, gateway: MessageGateway, limit: int) -> int:
    """Ask Twilio about unknown messages and settle each; how many.

    Raises `GatewayUnavailable` (nothing is concluded from silence); the rows stay as they are.
    """
    now = clock.now()
    doubtful = await ledger.lock_doubtful(tx, now, limit)
    taken: set[str] = set()
    steps: list[Step] = []
    for item in doubtful:
        since = item.claimed_at - _FIND_SLACK
        listed = await gateway.find(
            to=item.message.phone, sender=item.sender, channel=_channel(item.channel), sent_after=since
        )
        candidates = [m for m in listed if item.is_whatsapp_template or m.body == item.body]
        theirs = await ledger.known_sids(tx, [m.sid for m in candidates])
        free = [m for m in candidates if m.sid not in theirs and m.sid not in taken]
        step = _found(item.message, free[-1], now) if free else None
        if step is not None:
            taken.add(free[-1].sid)
        steps.append(step or settle(item.message, "queued", now, reason="not_sent"))
    await _save_steps(tx, steps, now)
    return len(steps)


async def ask_silent(tx: Transaction, gateway: MessageGateway, settings: MessagingSettings, limit: int) -> int:
    """Ask Twilio about messages whose receipts stopped coming, all at once; how many it told about.

    Raises `GatewayUnavailable` when it told about none. The ones it did not answer for are asked about again.
    """
    now = clock.now()
    before = now - timedelta(minutes=settings.stale_minutes)
    silent = await ledger.lock_silent(tx, before, POLLS_MAX, limit)
    answers = await asyncio.gather(*(_fetched(gateway, message) for message in silent))
    failures = [answer for answer in answers if isinstance(answer, GatewayUnavailable)]
    if failures and len(failures) == len(silent):
        raise failures[0]
    steps: list[Step] = []
    asked: list[UUID] = []
    for message, answer in zip(silent, answers, strict=True):
        if isinstance(answer, GatewayUnavailable):
            continue
        asked.append(message.id)
        step = _found(message, answer, now) if answer else None
        if step is not None:
            steps.append(step)
    await _save_steps(tx, steps, now)
    if asked:
        await ledger.count_poll(tx, asked, now)
    return len(asked)


async def _fetched(gateway: MessageGateway, message: Message) -> FoundMessage | GatewayUnavailable | None:
    try:
        return await gateway.fetch(message.provider_sid or "")
    except GatewayUnavailable as error:
        return error


def _found(message: Message, found: FoundMessage, now: datetime) -> Step | None:
    status = FROM_PROVIDER.get(found.status, "accepted")
    return advance(message, status, now, sid=found.sid, error_code=found.error_code)


async def _save_steps(tx: Transaction, steps: Sequence[Step], now: datetime) -> None:
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


def _channel(name: Any) -> Channel:
    return "whatsapp" if name == "whatsapp" else "sms"
