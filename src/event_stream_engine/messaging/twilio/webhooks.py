"""Twilio's two webhooks read into frozen values: an inbound message, and a status of one of ours.

Form fields: https://www.twilio.com/docs/messaging/guides/webhook-request and
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status. Unknown fields are kept in `raw`,
as Twilio adds new ones without notice. Check the signature first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from event_stream_engine.errors import BadRequest
from event_stream_engine.messaging.gateway import Channel, InboundMessage

Params: TypeAlias = Sequence[tuple[str, str]]

WHATSAPP_PREFIX: Final = "whatsapp:"
MEDIA_LIMIT: Final = 10

# A receipt counts only when it outranks what is known, so order and repetition of callbacks do not matter.
STATUS_RANK: Final[dict[str, int]] = {
    "accepted": 0,
    "scheduled": 0,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "delivered": 4,
    "read": 5,
    "undelivered": 6,
    "failed": 6,
    "canceled": 6,
}
TERMINAL_STATUSES = frozenset({"read", "undelivered", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class Media:
    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class InboundForm:
    """A message from a person. Addresses are E.164, the channel's prefix removed."""

    sid: str
    from_: str
    to: str
    channel: Channel
    body: str
    num_media: int
    media: tuple[Media, ...]
    profile_name: str | None
    opt_out_type: str | None
    button_text: str | None
    button_payload: str | None
    messaging_service_sid: str | None
    raw: dict[str, str]


@dataclass(frozen=True, slots=True)
class StatusForm:
    """A receipt for one of our messages. `status` may be one that `STATUS_RANK` does not know."""

    sid: str
    status: str
    error_code: int | None
    from_: str | None
    to: str
    raw: dict[str, str]


def parse_inbound(params: Params) -> InboundForm:
    """Raises `BadRequest` when a field that Twilio always sends is missing."""
    form = dict(params)
    from_, channel = split_address(_required(form, "From"))
    to, _ = split_address(_required(form, "To"))
    media = _media(form)
    return InboundForm(
        sid=form.get("MessageSid") or _required(form, "SmsSid"),
        from_=from_,
        to=to,
        channel=channel,
        body=form.get("Body", ""),
        num_media=len(media),
        media=media,
        profile_name=form.get("ProfileName") or None,
        opt_out_type=form.get("OptOutType") or None,
        button_text=form.get("ButtonText") or None,
        button_payload=form.get("ButtonPayload") or None,
        messaging_service_sid=form.get("MessagingServiceSid") or None,
        raw=form,
    )


def listed_form(message: InboundMessage) -> InboundForm:
    """A listed message as its webhook would have read, without what a list does not say."""
    prefix = WHATSAPP_PREFIX if message.channel == "whatsapp" else ""
    form = {
        "MessageSid": message.sid,
        "From": prefix + message.from_,
        "To": prefix + message.to,
        "Body": message.body,
        "NumMedia": str(message.num_media),
    }
    if message.service is not None:
        form["MessagingServiceSid"] = message.service
    return InboundForm(
        sid=message.sid, from_=message.from_, to=message.to, channel=message.channel, body=message.body,
        num_media=message.num_media, media=(), profile_name=None, opt_out_type=None, button_text=None,
        button_payload=None, messaging_service_sid=message.service, raw=form,
    )  # fmt: skip


def parse_status(params: Params) -> StatusForm:
    """Raises `BadRequest` when a field that Twilio always sends is missing."""
    form = dict(params)
    code = form.get("ErrorCode", "")
    sender = form.get("From")
    return StatusForm(
        sid=form.get("MessageSid") or _required(form, "SmsSid"),
        status=(form.get("MessageStatus") or _required(form, "SmsStatus")).lower(),
        error_code=int(code) if code.isascii() and code.isdigit() and len(code) <= 9 else None,
        from_=split_address(sender)[0] if sender else None,
        to=split_address(form.get("To", ""))[0],
        raw=form,
    )


def outranks(new: str, current: str) -> bool:
    """Whether a receipt `new` may replace `current`. Nothing follows failure; only `read` delivery."""
    if current in TERMINAL_STATUSES or new not in STATUS_RANK:
        return False
    if current == "delivered":
        return new == "read"
    return STATUS_RANK[new] > STATUS_RANK.get(current, -1)


def split_address(address: str) -> tuple[str, Channel]:
    """`whatsapp:+1555…` to (`+1555…`, `whatsapp`); anything else is SMS."""
    if address.startswith(WHATSAPP_PREFIX):
        return address[len(WHATSAPP_PREFIX) :], "whatsapp"
    return address, "sms"


def _media(form: dict[str, str]) -> tuple[Media, ...]:
    stated = form.get("NumMedia", "0")
    count = min(int(stated), MEDIA_LIMIT) if stated.isascii() and stated.isdigit() else 0
    found = (
        Media(form.get(f"MediaUrl{i}", ""), form.get(f"MediaContentType{i}", "application/octet-stream"))
        for i in range(count)
    )
    return tuple(m for m in found if m.url)


def _required(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise BadRequest(f"The webhook lacks the field {name}, which Twilio always sends.")
    return value
