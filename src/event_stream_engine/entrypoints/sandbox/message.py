"""One message as the sandbox keeps and shows it: sent by the account, or by a person to it."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from event_stream_engine.messaging.gateway import Channel
from event_stream_engine.messaging.twilio.errors import describe

API_VERSION = "2010-04-01"
TERMINAL = frozenset({"delivered", "read", "undelivered", "failed", "canceled"})


class Message:
    """`sender` is what the request named: a number or a Messaging Service; `from_` the number in use.

    Times are seconds since the epoch. `attempt` counts the tries at this text for this recipient that an
    injected fault refused before; together with recipient and body it decides the fate.
    """

    __slots__ = (
        "attempt", "body", "callback", "created", "direction", "error_code", "from_", "media", "segments",
        "send_at", "sent", "service", "sid", "status", "to", "updated",
    )  # fmt: skip

    def __init__(
        self,
        *,
        sid: str,
        to: str,
        from_: str | None,
        service: str | None,
        body: str,
        media: tuple[str, ...],
        segments: int,
        status: str,
        callback: str | None,
        attempt: int,
        created: float,
        send_at: float | None = None,
        direction: str = "outbound-api",
    ) -> None:
        self.sid = sid
        self.direction = direction
        self.to = to
        self.from_ = from_
        self.service = service
        self.body = body
        self.media = media
        self.segments = segments
        self.status = status
        self.callback = callback
        self.attempt = attempt
        self.created = self.updated = created
        self.sent: float | None = None
        self.send_at = send_at
        self.error_code: int | None = None

    @property
    def sender(self) -> str:
        return self.service or self.from_ or ""

    @property
    def channel(self) -> Channel:
        return "whatsapp" if self.to.startswith("whatsapp:") else "sms"

    def move(self, status: str, error_code: int | None, now: float) -> None:
        self.status, self.error_code, self.updated = status, error_code, now
        if status in ("sent", "delivered", "undelivered") and self.sent is None:
            self.sent = now


def as_json(message: Message, account_sid: str) -> dict[str, Any]:
    """The resource as Twilio shows it: numbers as strings, dates in RFC 2822."""
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{message.sid}"
    chosen = message.from_ if message.status not in ("accepted", "scheduled") or not message.service else None
    return {
        "sid": message.sid,
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created),
        "date_updated": rfc2822(message.updated),
        "date_sent": None if message.sent is None else rfc2822(message.sent),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": None if message.error_code is None else describe(message.error_code).title,
        "from": chosen,
        "messaging_service_sid": message.service,
        "num_media": str(len(message.media)),
        "num_segments": str(message.segments) if chosen else "0",
        "price": None,
        "price_unit": None,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def rfc2822(epoch: float) -> str:
    return _rfc2822(int(epoch))


@lru_cache(maxsize=1024)
def _rfc2822(seconds: int) -> str:
    return formatdate(seconds, usegmt=False).replace("-0000", "+0000")


def callback_form(message: Message, account_sid: str, status: str, error_code: int | None) -> list[tuple[str, str]]:
    """The status callback's parameters. `From` is absent while a Messaging Service has not chosen."""
    form = {
        "AccountSid": account_sid,
        "ApiVersion": API_VERSION,
        "MessageSid": message.sid,
        "MessageStatus": status,
        "SmsSid": message.sid,
        "SmsStatus": status,
        "To": message.to,
    }
    if message.from_:
        form["From"] = message.from_
    if message.service:
        form["MessagingServiceSid"] = message.service
    if error_code is not None:
        form["ErrorCode"] = str(error_code)
    form.update(_channel_fields(message, account_sid, status, error_code))
    return list(form.items())


def _channel_fields(message: Message, account_sid: str, status: str, error_code: int | None) -> Mapping[str, str]:
    if message.channel == "sms":
        # A carrier passthrough: local time without a zone, to the minute.
        done = status in ("delivered", "undelivered")
        return {"RawDlrDoneDate": time.strftime("%y%m%d%H%M", time.gmtime(message.updated))} if done else {}
    fields = {"ChannelPrefix": "whatsapp", "ChannelInstallSid": "XE" + account_sid[2:]}
    if error_code is not None:
        fields["ChannelStatusMessage"] = describe(error_code).title
    if status == "read":
        fields["EventType"] = "READ"
    return fields
