"""Facts about contacts, campaigns and messages."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from msgspec import field

from event_stream_engine.events.base import Event

CAMPAIGN = "messaging.campaign.v1"
MESSAGE = "messaging.message.v1"


class _OfCampaign(Event, frozen=True, kw_only=True):
    """Traced with everything else about the campaign, whether a person, a task or Twilio caused it."""

    @property
    def belongs_to(self) -> UUID | None:
        campaign_id: str | None = getattr(self, "campaign_id")  # noqa: B009  # a field of every class below
        return UUID(campaign_id) if campaign_id else None


class CampaignLaunched(_OfCampaign, frozen=True, kw_only=True):
    """A campaign runs; its audience is about to be frozen."""

    stream: ClassVar[str] = CAMPAIGN
    campaign_id: str

    @property
    def key(self) -> str:
        return self.campaign_id


class CampaignStateChanged(_OfCampaign, frozen=True, kw_only=True):
    """A person (or the schedule, or completion) moved a campaign to another state."""

    stream: ClassVar[str] = CAMPAIGN
    campaign_id: str
    previous: str
    status: str
    reason: str | None = None

    @property
    def key(self) -> str:
        return self.campaign_id


class AudienceFrozen(_OfCampaign, frozen=True, kw_only=True):
    """The ledger holds one row for each contact of the audience: those whom the gate refuses at this moment, by
    reason, as refused; all others queued, to be asked about again when each is claimed."""

    stream: ClassVar[str] = MESSAGE
    campaign_id: str
    audience: int
    refused: dict[str, int] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def key(self) -> str:
        return self.campaign_id


class MessagesClaimed(_OfCampaign, frozen=True, kw_only=True):
    """A sender took messages of a campaign: `queued` and `deferred` became `sending`."""

    stream: ClassVar[str] = MESSAGE
    campaign_id: str
    queued: int
    deferred: int

    @property
    def key(self) -> str:
        return self.campaign_id


class MessagesCanceled(_OfCampaign, frozen=True, kw_only=True):
    """The messages of a canceled campaign that nobody had sent yet."""

    stream: ClassVar[str] = MESSAGE
    campaign_id: str
    queued: int
    deferred: int

    @property
    def key(self) -> str:
        return self.campaign_id


class MessageStatusChanged(_OfCampaign, frozen=True, kw_only=True):
    """One message moved on. `reached` names the milestones it passed for the first time with this step."""

    stream: ClassVar[str] = MESSAGE
    message_id: str
    campaign_id: str | None
    previous: str
    status: str
    reached: list[str]
    at: datetime
    error_code: int | None = None
    reason: str | None = None

    @property
    def key(self) -> str:
        return self.message_id


class StatusCallbackReceived(Event, frozen=True, kw_only=True):
    """Twilio called back about a message: verified and kept as it came, not yet applied."""

    stream: ClassVar[str] = "messaging.callback.v1"
    sid: str
    status: str
    message_id: str | None = None
    error_code: int | None = None
    received_at: datetime
    form: dict[str, Any]

    @property
    def key(self) -> str:
        return self.message_id or self.sid


class InboundReceived(Event, frozen=True, kw_only=True):
    """A person wrote to us. A STOP in it is in force already: the webhook applied it in the same transaction."""

    stream: ClassVar[str] = "messaging.inbound.v1"
    inbound_id: str
    phone: str
    kind: str
    channel: str
    sender: str
    received_at: datetime

    @property
    def key(self) -> str:
        return self.phone


class ConsentChanged(Event, frozen=True, kw_only=True):
    """A contact may, or may no longer, be written to."""

    stream: ClassVar[str] = "messaging.contact.v1"
    for_the_record: ClassVar[bool] = True
    contact_id: str
    previous: str
    consent: str
    source: str

    @property
    def key(self) -> str:
        return self.contact_id


class ContactsImported(Event, frozen=True, kw_only=True):
    """An import finished (or was canceled, or failed); the figures account for every row read."""

    stream: ClassVar[str] = "messaging.import.v1"
    for_the_record: ClassVar[bool] = True
    import_id: str
    status: str
    rows_read: int
    created: int
    updated: int
    unchanged: int
    merged: int
    rejected: int

    @property
    def key(self) -> str:
        return self.import_id
