"""The shapes of messaging's reports."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from event_stream_engine.messaging.actions.inbound import BODY_SHOWN
from event_stream_engine.messaging.model.contacts import masked
from event_stream_engine.messaging.model.messages import Status as MessageStatus
from event_stream_engine.messaging.reports.standstill import Reason as StandstillReason
from event_stream_engine.messaging.routes.schemas import Campaign, Channel, Counts, Exclusion, Shape


class Funnel(BaseModel):
    audience: int
    accepted: int
    sent: int
    delivered: int
    read: int


class Rates(BaseModel):
    """Shares from 0 to 1; null before there is anything to divide by."""

    delivery: float | None
    read: float | None
    failure: float | None


class ErrorCount(BaseModel):
    code: str
    title: str
    what_to_do: str
    count: int


class TimelinePoint(BaseModel):
    """What happened from `at` on, for `timeline_seconds`."""

    at: datetime
    accepted: int
    sent: int
    delivered: int
    read: int
    undelivered: int
    failed: int
    refused: int


class Percentiles(BaseModel):
    p50: float
    p90: float
    p95: float


class Standstill(Shape):
    """A running campaign of which nothing has moved for 15 seconds although people wait, and why."""

    since: datetime
    waiting: int
    reason: StandstillReason
    message: str
    goes_on: str
    resumes_at: datetime | None


class QuietWait(BaseModel):
    people: int
    first_until: datetime = Field(description="When the first of them may be sent to.")
    last_until: datetime = Field(description="When the last of them may be sent to.")


class CampaignSummary(BaseModel):
    campaign: Campaign
    counts: Counts
    funnel: Funnel
    rates: Rates
    errors: list[ErrorCount]
    refusals: list[Exclusion]
    opt_outs: int
    replies: int
    timeline: list[TimelinePoint] = Field(description="Oldest first, without gaps, at most 360.")
    timeline_seconds: int = Field(description="How long one point of the timeline lasts.")
    seconds_to_deliver: Percentiles | None = Field(
        description="From acceptance to delivery; of more than 10,000 deliveries a sample of about 5,000."
    )
    retired_at: datetime | None = Field(
        description="When retention began to remove its messages; its totals stay, its timeline is by the day."
    )
    rate_per_second: float | None
    sending: int = Field(description="People still to be sent to who do not wait for the end of quiet hours.")
    eta_sending: datetime | None = Field(description="When those are done who may be sent to now.")
    quiet: QuietWait | None = Field(description="Who waits for the end of quiet hours; null where nobody does.")
    eta: datetime | None = Field(description="When everybody is done, those too who wait for the end of quiet hours.")
    standstill: Standstill | None = Field(description="Null while it moves, or has nothing left to do.")


class Recipient(Shape):
    message_id: UUID
    contact_id: UUID | None
    phone: str
    name: str | None = Field(description="What the contact is called; hidden without contacts:reveal.")
    status: MessageStatus
    reason: str | None
    reason_title: str | None = Field(description="The reason in words, as the export has it.")
    error_code: int | None
    error_title: str | None
    updated_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None


class Message(Recipient):
    campaign_id: UUID | None
    provider_sid: str | None
    attempt: int
    created_at: datetime
    sent_at: datetime | None
    due_at: datetime | None


class Receipt(Shape):
    status: str
    error_code: int | None
    received_at: datetime


class MessageDetail(Message):
    body: str | None
    receipts: list[Receipt]


class StatusSummary(BaseModel):
    total: int
    delivered: int
    failed: int
    pending: int
    delivery_rate: float | None


class MessageLog(BaseModel):
    items: list[Message]
    next_cursor: str | None
    summary: StatusSummary


Review = Literal["open", "opt_out", "not_opt_out"]


class Inbound(BaseModel):
    """A message from a person. `basis`: what decided that it is an opt-out or START; `review`: `open` while a possible
    opt-out waits for a person (its writer gets no messages meanwhile), then what was decided."""

    id: UUID
    phone: str = Field(description="Masked without contacts:reveal, as everywhere.")
    name: str | None = Field(description="What the contact is called; hidden without contacts:reveal.")
    phone_masked: str
    channel: Channel
    kind: Literal["stop", "start", "help", "text", "media", "empty"]
    text: str
    received_at: datetime
    applied: bool
    effect: str | None
    contact_id: UUID | None
    basis: Literal["provider", "button", "keyword", "wording"] | None = None
    review: Review | None = None

    @classmethod
    def of(cls, row: Any, name: str | None) -> "Inbound":
        """From a row of `inbound_messages` and the name of its contact."""
        return cls(
            id=row.id,
            phone=row.phone,
            name=name,
            phone_masked=masked(row.phone),
            channel=row.channel,
            kind=row.kind,
            text=row.body[:BODY_SHOWN],
            received_at=row.received_at,
            applied=row.applied_at is not None,
            effect=row.effect,
            contact_id=row.contact_id,
            basis=row.basis,
            review=row.review,
        )


class ContactFigures(BaseModel):
    total: int
    opted_in: int
    opted_out: int
    stopped: int
    unknown: int


class CampaignFigures(BaseModel):
    running: int
    scheduled: int
    paused: int


class MessageFigures(BaseModel):
    accepted: int
    sent: int
    delivered: int
    read: int
    failed: int
    undelivered: int
    refused: int


class ThroughputMinute(BaseModel):
    minute: datetime
    accepted: int
    delivered: int
    failed: int


class RecentError(BaseModel):
    at: datetime
    campaign_id: UUID
    campaign_name: str
    code: str
    title: str
    count: int


class Attention(BaseModel):
    level: Literal["error", "warning", "info"]
    message: str
    link: str


class Setup(BaseModel):
    """What there is to run a first campaign with, and whether one was launched or scheduled."""

    templates: int
    segments: int
    senders: int
    campaigns: int
    launched: bool


class Dashboard(BaseModel):
    setup: Setup
    contacts: ContactFigures
    campaigns: CampaignFigures
    messages_24h: MessageFigures
    inbound_24h: int
    delivery_rate_24h: float | None
    throughput: list[ThroughputMinute]
    running: list[Campaign]
    ended: list[Campaign] = Field(description="The newest that are completed or canceled; at most 5.")
    recent_errors: list[RecentError]
    attention: list[Attention]
    generated_at: datetime
