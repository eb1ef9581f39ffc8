"""Campaigns: the state machine, and what one needs before it may run."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

from event_stream_engine.errors import Conflict, Invalid, NotFound
from event_stream_engine.messaging.model.quiet import QuietHours

Status = Literal["draft", "scheduled", "running", "paused", "completed", "canceled"]

SCHEDULE_AHEAD_MAX = timedelta(days=366)

Verb = Literal["launch", "schedule", "unschedule", "pause", "resume", "cancel", "complete", "change", "delete"]


@dataclass(frozen=True)
class Rule:
    """When a verb is allowed, the state it leads to (None: the state stays), and how a refusal names it."""

    allowed: tuple[Status, ...]
    leads_to: Status | None
    refused: str


_RULES: dict[Verb, Rule] = {
    "launch": Rule(("draft", "scheduled"), "running", "launched"),
    "schedule": Rule(("draft", "scheduled"), "scheduled", "scheduled"),
    "unschedule": Rule(("scheduled",), "draft", "taken back to a draft"),
    "pause": Rule(("running",), "paused", "paused"),
    "resume": Rule(("paused",), "running", "resumed"),
    "cancel": Rule(("scheduled", "running", "paused"), "canceled", "canceled"),
    "complete": Rule(("running",), "completed", "completed"),
    "change": Rule(("draft", "scheduled"), None, "changed"),
    "delete": Rule(("draft", "scheduled"), None, "deleted"),
}
_STATES: dict[Status, str] = {
    "draft": "a draft",
    "scheduled": "scheduled",
    "running": "running",
    "paused": "paused",
    "completed": "completed",
    "canceled": "canceled",
}
_OPTIONS: dict[Status, str] = {
    "draft": "Launch or schedule it, or delete it.",
    "scheduled": "Launch it now, change its time, or take it back to a draft.",
    "running": "Pause or cancel it.",
    "paused": "Resume or cancel it.",
    "completed": "It is over: duplicate it to send again.",
    "canceled": "It is over: duplicate it to send again.",
}
# What to do where the state's own options miss what the person wants.
_INSTEAD: dict[tuple[Verb, Status], str] = {
    ("resume", "draft"): "Launch it instead.",
    ("resume", "scheduled"): "Launch it now, or wait for its time.",
    ("launch", "paused"): "Resume it instead.",
    ("pause", "draft"): "Nothing is being sent.",
    ("pause", "scheduled"): "Take it back to a draft, and it does not start.",
    ("cancel", "draft"): "Delete it instead.",
    ("change", "running"): "Duplicate it, and change the copy.",
    ("change", "paused"): "Duplicate it, and change the copy.",
    ("change", "completed"): "Duplicate it, and change the copy.",
    ("change", "canceled"): "Duplicate it, and change the copy.",
    ("delete", "running"): "Cancel it instead; its report is kept.",
    ("delete", "paused"): "Cancel it instead; its report is kept.",
    ("delete", "completed"): "Its report is kept.",
    ("delete", "canceled"): "Its report is kept.",
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

    def require(self, verb: Verb) -> None:
        """Raises `CampaignState`, which names the verb, the present state, and what to do."""
        rule = _RULES[verb]
        if self.status in rule.allowed:
            return
        instead = _INSTEAD.get((verb, self.status), _OPTIONS[self.status])
        state = _STATES[self.status]
        if self.status == rule.leads_to:
            raise CampaignState(f"This campaign is {state} already, so it cannot be {rule.refused} again. {instead}")
        raise CampaignState(f"This campaign is {state}, so it cannot be {rule.refused}. {instead}")

    def launch(self, at: datetime) -> "Campaign":
        """Raises `CampaignState`, as each verb does."""
        return replace(self._moved("launch"), launched_at=at)

    def schedule(self, at: datetime, now: datetime) -> "Campaign":
        """Raises `Invalid` for a time that has passed or is more than a year away, or `CampaignState`."""
        scheduled = self._moved("schedule")
        if not now < at <= now + SCHEDULE_AHEAD_MAX:
            raise Invalid.field("at", "Choose a time between now and a year from now.")
        return replace(scheduled, scheduled_at=at)

    def unschedule(self) -> "Campaign":
        return replace(self._moved("unschedule"), scheduled_at=None)

    def pause(self, reason: str | None = None) -> "Campaign":
        """`reason` is None when a person pauses it."""
        return replace(self._moved("pause"), pause_reason=reason)

    def resume(self, at: datetime) -> "Campaign":
        return replace(self._moved("resume"), resumed_at=at)

    def cancel(self, at: datetime) -> "Campaign":
        return replace(self._moved("cancel"), completed_at=at)

    def complete(self, at: datetime) -> "Campaign":
        return replace(self._moved("complete"), completed_at=at)

    def _moved(self, verb: Verb) -> "Campaign":
        self.require(verb)
        status = _RULES[verb].leads_to or self.status
        return replace(self, status=status, pause_reason=None, version=self.version + 1)
