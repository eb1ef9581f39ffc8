"""One message: its states, and how it moves between them whatever the order in which news arrives."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

import msgspec

from event_stream_engine.errors import NotFound
from event_stream_engine.events.messaging import MessageStatusChanged

Status = Literal[
    "queued", "deferred", "sending", "unknown", "accepted", "sent", "delivered", "read",
    "undelivered", "failed", "refused", "canceled",
]  # fmt: skip
STATUSES: tuple[Status, ...] = get_args(Status)

OTHER_UNDER_WAY = "other_message_under_way"
"""Why a message waits: another to the same person from the same sender may be under way."""

WAITING = ("queued", "deferred")
OPEN = ("queued", "deferred", "sending", "unknown")
"""While a campaign has messages in these, it is not completed."""

_RANK: dict[str, int] = {
    "queued": 0, "deferred": 0, "sending": 1, "unknown": 1,
    "accepted": 2, "sent": 3, "delivered": 4, "read": 5,
}  # fmt: skip
_MILESTONES = ("accepted", "sent", "delivered", "read")

# What Twilio says, as we say it. `partially_delivered` is for multi-part channels we do not use.
FROM_PROVIDER: dict[str, Status] = {
    "accepted": "accepted", "scheduled": "accepted", "queued": "accepted", "sending": "accepted",
    "sent": "sent", "delivered": "delivered", "partially_delivered": "delivered", "read": "read",
    "undelivered": "undelivered", "failed": "failed", "canceled": "failed",
}  # fmt: skip


class MessageNotFound(NotFound):
    code = "message_not_found"


class Message(msgspec.Struct, frozen=True):
    """The part of a ledger row that decides about its next state, its fields in the order of the store's columns."""

    id: UUID
    campaign_id: UUID | None
    contact_id: UUID | None
    phone: str
    status: Status
    provider_sid: str | None = None
    reason: str | None = None
    error_code: int | None = None
    attempt: int = 0
    due_at: datetime | None = None
    accepted_at: datetime | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A move: the row as it is now, and the fact to record."""

    message: Message
    event: MessageStatusChanged


def advance(
    message: Message, status: Status, at: datetime, *, sid: str | None = None, error_code: int | None = None
) -> Step | None:
    """Apply news from the provider. None when it is old news: nothing changes.

    News may come late, twice, out of order, and before our own record of the send. A higher rank wins; a final
    failure holds, except against proof of delivery.
    """
    current = message.status
    if current in ("refused", "canceled"):
        return None
    if status in ("undelivered", "failed"):
        if current in ("delivered", "read", "undelivered", "failed"):
            return None
        # The provider knew the message, so it had accepted it; "undelivered" also means that it went out.
        reached: Status = "sent" if status == "undelivered" else "accepted"
    else:
        if current in ("undelivered", "failed") and status not in ("delivered", "read"):
            return None
        if current not in ("undelivered", "failed") and _RANK[status] <= _RANK[current]:
            return None
        reached = status
    return _move(message, status, at, reached=reached, sid=sid, error_code=error_code)


def settle(
    message: Message,
    status: Status,
    at: datetime,
    *,
    reason: str | None = None,
    error_code: int | None = None,
    due_at: datetime | None = None,
) -> Step:
    """A move that we decide ourselves: refuse, defer, reject, put back, mark unknown."""
    return _move(message, status, at, reason=reason, error_code=error_code, due_at=due_at)


def _move(
    message: Message,
    status: Status,
    at: datetime,
    *,
    reached: Status | None = None,
    sid: str | None = None,
    error_code: int | None = None,
    reason: str | None = None,
    due_at: datetime | None = None,
) -> Step:
    passed = _MILESTONES[: _MILESTONES.index(reached) + 1] if reached else ()
    new = [name for name in passed if getattr(message, f"{name}_at") is None]
    times: dict[str, Any] = {f"{name}_at": at for name in new}
    moved = msgspec.structs.replace(
        message,
        status=status,
        provider_sid=message.provider_sid or sid,
        error_code=error_code,
        reason=reason,
        due_at=due_at,
        **times,
    )
    event = MessageStatusChanged(
        message_id=str(message.id),
        campaign_id=str(message.campaign_id) if message.campaign_id else None,
        previous=message.status,
        status=status,
        reached=new,
        at=at,
        error_code=error_code,
        reason=reason,
    )
    return Step(moved, event)
