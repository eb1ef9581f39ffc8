"""Campaigns: the state machine, and what one needs before it may run."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

from event_stream_engine.errors import Conflict, Invalid, NotFound
from event_stream_engine.messaging.model.compliance import QuietHours

Status = Literal["draft", "scheduled", "running", "paused", "completed", "canceled"]

SCHEDULE_AHEAD_MAX = timedelta(days=366)

_FROM: dict[str, tuple[Status, ...]] = {
    "scheduled": ("draft", "scheduled"),
    "draft": ("scheduled",),
    "running": ("draft", "scheduled", "paused"),
    "paused": ("running",),
    "completed": ("running",),
    "canceled": ("scheduled", "running", "paused"),
}


_SAID: dict[Status, str] = {
    "draft": "a draft",
    "scheduled": "scheduled",
    "running": "running",
    "paused": "paused",
    "completed": "completed",
    "canceled": "canceled",
}
_STEPS: dict[Status, str] = {
    "draft": "taken back to a draft",
    "scheduled": "scheduled",
    "running": "launched or resumed",
    "paused": "paused",
    "completed": "completed",
    "canceled": "canceled",
}
_WAYS: dict[Status, str] = {
    "draft": "Launch or schedule it, or delete it.",
    "scheduled": "Launch it now, change its time, or take it back to a draft.",
    "running": "Pause or cancel it.",
    "paused": "Resume or cancel it.",
    "completed": "It is over: duplicate it to send again.",
    "canceled": "It is over: duplicate it to send again.",
}


class CampaignNotFound(NotFound):
    code = "campaign_not_found"


class CampaignState(Conflict):
    """The campaign's state does not allow this step."""

    code = "campaign_state"


class CampaignNotReady(Conflict):
    """Something that a launch needs is missing; `errors` lists it."""

    code = "campaign_not_ready"


class SenderNotFound(NotFound):
    code = "sender_not_found"


class SenderTaken(Conflict):
    code = "sender_taken"


class SenderInUse(Conflict):
    code = "sender_in_use"


@dataclass(frozen=True)
class Sender:
    """`address` is E.164, or a Messaging Service (`MG…`). The rate is what Twilio grants this sender."""

    id: UUID
    name: str
    channel: Literal["sms", "whatsapp"]
    address: str
    messages_per_second: int
    created_at: datetime
    version: int


@dataclass(frozen=True)
class Campaign:
    """`frozen` is the template as it was at launch: later edits do not change a running campaign."""

    id: UUID
    name: str
    topic: str | None
    template_id: UUID
    segment_id: UUID | None
    sender_id: UUID | None
    messages_per_second: int | None
    quiet_start: time | None
    quiet_end: time | None
    timezone: str
    status: Status
    pause_reason: str | None
    frozen: dict[str, Any] | None
    scheduled_at: datetime | None
    launched_at: datetime | None
    resumed_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    version: int
    ask_since: datetime | None = None
    """The database went back to this time: a message not claimed since may have been sent."""

    @property
    def quiet_hours(self) -> QuietHours | None:
        if self.quiet_start is None or self.quiet_end is None:
            return None
        return QuietHours(self.quiet_start, self.quiet_end, self.timezone)

    def to(self, status: Status, at: datetime, *, reason: str | None = None) -> "Campaign":
        """The campaign in its next state. Raises `CampaignState`."""
        if self.status not in _FROM[status]:
            raise CampaignState(self._refusal(status))
        return replace(
            self,
            status=status,
            pause_reason=reason if status == "paused" else None,
            launched_at=self.launched_at or (at if status == "running" else None),
            resumed_at=at if self.status == "paused" and status == "running" else self.resumed_at,
            completed_at=at if status in ("completed", "canceled") else None,
            scheduled_at=None if status == "draft" else self.scheduled_at,
            version=self.version + 1,
        )

    def _refusal(self, status: Status) -> str:
        """What is so, and what can be done instead."""
        if self.status == status:
            return f"This campaign is {_SAID[status]} already. {_WAYS[self.status]}"
        return f"This campaign is {_SAID[self.status]}, so it cannot be {_STEPS[status]}. {_WAYS[self.status]}"

    def schedule(self, at: datetime, now: datetime) -> "Campaign":
        """Raises `Invalid` for a time that has passed or is more than a year away, or `CampaignState`."""
        if not now < at <= now + SCHEDULE_AHEAD_MAX:
            raise Invalid.field("at", "Choose a time between now and a year from now.")
        return replace(self.to("scheduled", now), scheduled_at=at)

    def require_editable(self) -> None:
        """Raises `CampaignState` once messages may have left."""
        if self.status not in ("draft", "scheduled"):
            raise CampaignState(f"A {self.status} campaign cannot be changed. Duplicate it instead.")
