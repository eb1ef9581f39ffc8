"""The shapes of messaging's API."""

from datetime import datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from event_stream_engine.messaging.model.contacts import ATTRIBUTES_MAX
from event_stream_engine.messaging.model.messages import Status as MessageStatus
from event_stream_engine.messaging.model.templates import BODY_MAX
from event_stream_engine.web.bodies import Body, Moment

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
Consent = Literal["opted_in", "opted_out", "stopped", "unknown"]
Channel = Literal["whatsapp", "sms"]
CampaignStatus = Literal["draft", "scheduled", "running", "paused", "completed", "canceled"]


class Shape(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Contact(Shape):
    """A person, with the consent they gave."""

    id: UUID
    phone: str = Field(description="E.164", examples=["+14155550123"])
    country: str | None
    attributes: dict[str, str]
    consent: Consent
    consent_source: str | None
    consent_origin: str | None = Field(None, description="Where the consent comes from, in words. Of one contact only.")
    consent_changed_at: datetime | None
    topics: list[str]
    timezone: str | None
    locale: str | None
    blocked_channels: list[str]
    created_at: datetime
    updated_at: datetime
    version: int


class ContactAdded(Contact):
    consent_kept: bool = Field(
        False, description="The person had said no before an earlier contact was deleted: that stands."
    )


class PersonRecord(BaseModel):
    """All that is stored about one person."""

    made_at: datetime
    contact: dict[str, Any]
    consent_history: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    delivery_receipts: list[dict[str, Any]]
    inbound_messages: list[dict[str, Any]]
    imports: list[dict[str, Any]]
    import_rows: list[dict[str, Any]]
    left_out: list[str] = Field(description="Parts with more than 10,000 rows: the newest are given.")


Attributes = Annotated[dict[str, ShortText], Field(max_length=ATTRIBUTES_MAX)]


class ContactInput(Body):
    phone: ShortText = Field(examples=["+14155550123"])
    attributes: Attributes = Field({})
    consent: Consent = "unknown"
    topics: list[ShortText] = Field([], max_length=50)
    timezone: ShortText | None = Field(None, examples=["America/New_York"])
    locale: ShortText | None = Field(None, examples=["en_US"])


class ContactPatch(Body):
    """Only the fields given are changed; `attributes` and `topics` are replaced whole."""

    phone: ShortText | None = None
    attributes: Attributes | None = None
    consent: Consent | None = None
    topics: list[ShortText] | None = Field(None, max_length=50)
    timezone: ShortText | None = None
    locale: ShortText | None = None


class AttributeInfo(Shape):
    name: str
    count: int
    sample: list[str]
    numeric: bool
    date: bool


class AttributeList(BaseModel):
    items: list[AttributeInfo]


class TimelineEntry(Shape):
    at: datetime
    kind: Literal["consent", "message", "inbound", "import", "created", "edited"]
    title: str
    detail: str | None
    campaign_id: UUID | None = None
    message_id: UUID | None = None
    status: MessageStatus | None = Field(None, description="Of a message: its state.")
    reason_title: str | None = Field(None, description="Of a message: why it is in that state, in words.")


class Timeline(BaseModel):
    items: list[TimelineEntry]


class Template(Shape):
    id: UUID
    name: str
    channel: Channel
    locale: str
    body: str
    content_sid: str | None
    placeholders: list[str]
    created_at: datetime
    updated_at: datetime
    version: int


class TemplateInput(Body):
    name: Name
    channel: Channel = "sms"
    locale: ShortText = "en_US"
    body: str = Field(max_length=BODY_MAX * 4, examples=["Hi {name|there}, our sale starts today."])
    content_sid: ShortText | None = Field(None, description="WhatsApp: the approved template (HX…).")


class TemplatePatch(Body):
    name: Name | None = None
    channel: Channel | None = None
    locale: ShortText | None = None
    body: str | None = Field(None, max_length=BODY_MAX * 4)
    content_sid: ShortText | None = None


class PreviewInput(Body):
    body: str = Field(max_length=BODY_MAX * 4)
    contact_id: UUID | None = None
    attributes: Attributes | None = None


class TemplatePreview(BaseModel):
    text: str
    missing: list[str] = Field(description="Placeholders without value or default for this contact.")
    unknown: list[str] = Field(description="Placeholders that are no contact's attribute.")
    placeholders: list[str]
    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    units: int
    units_left_in_segment: int
    non_gsm_characters: list[str]


class Sender(Shape):
    id: UUID
    name: str
    channel: Channel
    address: str
    messages_per_second: int
    created_at: datetime
    version: int


Rate = Annotated[int, Field(ge=1, le=10_000, description="Messages per second.")]


class SenderInput(Body):
    name: Name
    channel: Channel = "sms"
    address: ShortText = Field(examples=["+14155550100"])
    messages_per_second: Rate


class SenderPatch(Body):
    name: Name | None = None
    channel: Channel | None = None
    address: ShortText | None = None
    messages_per_second: Rate | None = None


class SenderList(BaseModel):
    items: list[Sender]


WallTime = Annotated[time, PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str)]


class QuietHours(Body):
    """Local time of each contact; may pass midnight."""

    start: WallTime = Field(examples=["21:00"])
    end: WallTime = Field(examples=["08:00"])


class Counts(Shape):
    """Messages by their current state; they sum to `audience`."""

    audience: int
    queued: int
    deferred: int
    sending: int
    unknown: int
    accepted: int
    sent: int
    delivered: int
    read: int
    undelivered: int
    failed: int
    refused: int
    canceled: int


class Named(BaseModel):
    id: UUID
    name: str


class TemplateRef(Named):
    channel: Channel


class SenderRef(Named):
    address: str


class Campaign(BaseModel):
    id: UUID
    name: str
    topic: str | None = Field(description="Only people of the segment who have it get the campaign.")
    template_id: UUID
    segment_id: UUID | None
    sender_id: UUID | None
    messages_per_second: int | None
    effective_messages_per_second: int | None = Field(
        description="The lower of its own limit and its sender's; null while neither is known."
    )
    quiet_hours: QuietHours | None
    timezone: str
    status: CampaignStatus
    pause_reason: str | None
    scheduled_at: datetime | None
    launched_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    version: int
    quiet_until: datetime | None = Field(
        description="When it goes on, while everybody it still has to send to is in quiet hours; else null."
    )
    counts: Counts
    template: TemplateRef | None
    segment: Named | None
    sender: SenderRef | None


class CampaignInput(Body):
    name: Name
    template_id: UUID
    segment_id: UUID | None = Field(None, description="None: all contacts.")
    sender_id: UUID | None = None
    messages_per_second: Rate | None = None
    quiet_hours: QuietHours | None = None
    timezone: ShortText = Field("UTC", description="For contacts whose own time zone is unknown.")
    topic: ShortText | None = None


class CampaignPatch(Body):
    """Only the fields given are changed; null clears a field."""

    name: Name | None = None
    template_id: UUID | None = None
    segment_id: UUID | None = None
    sender_id: UUID | None = None
    messages_per_second: Rate | None = None
    quiet_hours: QuietHours | None = None
    timezone: ShortText | None = None
    topic: ShortText | None = None


class ScheduleInput(Body):
    at: Moment


class TestSendInput(Body):
    phone: ShortText = Field(examples=["+14155550123"])


class TestSend(BaseModel):
    message_id: UUID
    status: MessageStatus
    detail: str | None


class Exclusion(BaseModel):
    reason: str
    title: str
    count: int
    detail: str | None = Field(None, description="What exactly, such as the placeholders without a value.")


class SmsSegments(BaseModel):
    per_message_min: int
    per_message_max: int
    total: int
    is_estimate: bool
    encoding: Literal["GSM-7", "UCS-2", "mixed"]


class PreflightPreview(BaseModel):
    contact_id: UUID
    phone: str
    text: str


class PreflightProblem(Shape):
    level: Literal["error", "warning"]
    code: str
    message: str


class Preflight(Shape):
    audience: int
    eligible: int
    exclusions: list[Exclusion]
    sms_segments: SmsSegments | None
    expected_seconds: float = Field(description="From the launch to the last message, quiet hours included.")
    sending_seconds: float = Field(description="What the rate alone takes: it counts messages, not SMS segments.")
    expected_finish: datetime
    quiet_now: int
    without_zone: int = Field(description="People who would get it and have no time zone of their own.")
    zone_from_phone: int = Field(description="Of these, how many have a phone number that tells it.")
    previews: list[PreflightPreview]
    problems: list[PreflightProblem]
    can_launch: bool
