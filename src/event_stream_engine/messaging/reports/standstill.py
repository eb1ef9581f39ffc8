"""Why a running campaign stands still, from what is known: heartbeats, due times, and what its sender is busy with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import dead_letters
from event_stream_engine.database import Transaction
from event_stream_engine.live.circuits import LeftAlone, Told, left_alone
from event_stream_engine.live.heartbeats import Heard
from event_stream_engine.messaging.actions.listing import FAILING_SECONDS_MAX, must_wait
from event_stream_engine.messaging.model.messages import OTHER_UNDER_WAY
from event_stream_engine.messaging.twilio.guarded import SENDING

AFTER = timedelta(seconds=15)

Reason = Literal[
    "no_worker", "no_relay", "no_consumer", "quiet_hours", "throttled", "retry_later",
    "asking_twilio", "other_message", "sender_limit", "inbound_unknown", "given_up", "circuit_open", "not_known",
]  # fmt: skip

COMMANDS = {
    "work": "worker (ese work)",
    "relay": "relay (ese relay)",
    "consume": "consumer (ese consume)",
}

_REASONS: dict[str, tuple[Reason, str]] = {
    "work": ("no_worker", "No worker is running, so nothing is sent."),
    "relay": ("no_relay", "The relay is not running, so these figures do not hear of what happens."),
    "consume": ("no_consumer", "No consumer is running, so what happens is not counted."),
}


@dataclass(frozen=True)
class Standstill:
    """Nothing of the campaign has moved since `since`; `goes_on` says when it will, `resumes_at` if that is a time."""

    since: datetime
    waiting: int
    reason: Reason
    message: str
    goes_on: str
    resumes_at: datetime | None = None


_STATE = """
SELECT c.id, greatest(k.updated_at, c.launched_at, c.resumed_at) AS last_at, k.queued + k.deferred AS waiting,
    k.sending + k.unknown AS asked, k.queued + k.deferred + k.sending + k.unknown AS open,
    next.due_at, next.status AS next_status, next.reason AS next_reason, s.name AS sender_name,
    s.messages_per_second AS sender_rate, others.accepted AS others_accepted
FROM campaigns c JOIN campaign_counts k ON k.campaign_id = c.id
LEFT JOIN senders s ON s.id = CAST(c.frozen ->> 'sender_id' AS uuid)
LEFT JOIN LATERAL (
    SELECT due_at, status, reason FROM messages m
    WHERE m.campaign_id = c.id AND m.status IN ('queued', 'deferred') ORDER BY m.due_at NULLS FIRST, m.id LIMIT 1
) AS next ON true
LEFT JOIN LATERAL (
    SELECT sum(i.accepted) AS accepted FROM campaigns o JOIN campaign_minutes i ON i.campaign_id = o.id
    WHERE o.status = 'running' AND o.id <> c.id AND o.frozen ->> 'sender_id' = c.frozen ->> 'sender_id'
      AND i.minute > :recently
) AS others ON true
WHERE c.id = ANY (CAST(:ids AS uuid[])) AND c.status = 'running' AND (NOT k.is_frozen
    OR k.queued + k.deferred + k.sending + k.unknown > 0)
"""


async def standing_still(
    tx: Transaction, campaign_ids: list[UUID], heard: Heard | None, told: Sequence[Told] = ()
) -> dict[UUID, Standstill]:
    """Those of the campaigns that stand still. `heard` is None when nothing is known of the processes; `told` is what
    they say of their breakers."""
    now = clock.now()
    left = left_alone(told, SENDING, "work")
    rows = await tx.execute(text(_STATE), {"ids": campaign_ids, "recently": now - timedelta(minutes=2)})
    missing = heard.missing() if heard else []
    waits = await must_wait(tx, datetime.min.replace(tzinfo=UTC))
    found = {}
    for row in rows:
        is_due = row.waiting and not (row.due_at and row.due_at > now)
        if left is not None and is_due:  # known at once: nobody sends, however lately something moved
            found[row.id] = _left_alone(row, left, now)
        elif now - row.last_at > AFTER:
            found[row.id] = await _given_up(tx, row) or _why(row, missing, waits, now)
    return found


def _left_alone(row: Any, left: LeftAlone, now: datetime) -> Standstill:
    if left.resumes_at is None:
        message = "The circuit to Twilio is held open by an operator, so nothing is handed over."
        goes_on = "It goes on once somebody resets the breaker, under Monitoring; nothing is lost meanwhile."
        return Standstill(row.last_at, row.open, "circuit_open", message, goes_on)
    message = "Twilio failed too often a moment ago, so it is left alone for a while; nobody is given up for it."
    goes_on = "One message is tried then, and the others follow once it goes through."
    return Standstill(row.last_at, row.open, "circuit_open", message, goes_on, max(now, left.resumes_at))


async def _given_up(tx: Transaction, row: Any) -> Standstill | None:
    """What the campaign waits for may have been tried to the end."""
    if not await dead_letters.count(tx, dead_letters.Chosen(key=str(row.id), status="open")):
        return None
    message = "One of its events could not be applied and is a dead letter now."
    goes_on = "It goes on once somebody mends the cause and redrives the letter, under Event streams, Dead letters."
    return Standstill(row.last_at, row.open, "given_up", message, goes_on)


def _why(row: Any, missing: list[str], waits: bool, now: datetime) -> Standstill:
    for name in missing:
        reason, message = _REASONS[name]
        goes_on = f"It goes on by itself once a {COMMANDS[name]} runs; nothing is lost meanwhile."
        return Standstill(row.last_at, row.open, reason, message, goes_on)
    if row.next_reason == OTHER_UNDER_WAY or (row.due_at is not None and row.due_at > now):
        return _later(row)
    if row.waiting == 0 and row.asked > 0:
        message = f"What became of the last {row.asked:,} is not known yet: Twilio is being asked."
        return Standstill(row.last_at, row.open, "asking_twilio", message, "It goes on by itself.")
    if waits and row.waiting:
        message = "Twilio has not listed yet what people wrote lately, and a STOP may be among it."
        goes_on = f"It goes on once Twilio answers, and without an answer after {FAILING_SECONDS_MAX // 60} minutes."
        return Standstill(row.last_at, row.open, "inbound_unknown", message, goes_on)
    if row.others_accepted:
        rate = "1 message" if row.sender_rate == 1 else f"{row.sender_rate:,} messages"
        message = f"{row.sender_name} sends at most {rate} a second, and another campaign uses what it may send."
        goes_on = "It goes on when the other campaign leaves room, or with a sender of its own."
        return Standstill(row.last_at, row.open, "sender_limit", message, goes_on)
    message = "No reason is known here; the worker's log may say why."
    return Standstill(row.last_at, row.open, "not_known", message, "Pause and resume it if it does not go on.")


def _later(row: Any) -> Standstill:
    """Everybody who waits has a time before which nothing is sent to them."""
    if row.next_reason == OTHER_UNDER_WAY:
        message = (
            "Another message to the same people, from the same sender, is under way: one at a time leaves to a person."
        )
        return Standstill(
            row.last_at, row.open, "other_message", message, "It goes on once the outcome of that one is known."
        )
    if row.next_status == "deferred":
        message = f"It is quiet time for all {row.waiting:,} who wait."
        return Standstill(row.last_at, row.open, "quiet_hours", message, "The first quiet hours end then.", row.due_at)
    if row.next_reason == "throttled":
        message = "Twilio asked to send more slowly."
        return Standstill(row.last_at, row.open, "throttled", message, "It is tried again then.", row.due_at)
    message = f"The last try did not reach Twilio ({row.next_reason or 'no answer'})."
    return Standstill(row.last_at, row.open, "retry_later", message, "It is tried again then.", row.due_at)
