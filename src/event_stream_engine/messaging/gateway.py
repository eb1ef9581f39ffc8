"""What the campaign engine needs from whoever carries its messages: pure types, no vendor.

The outcome of a send is a sum type, because the six cases ask for six different next steps, and mixing two
of them either loses a message or sends it twice.
"""

from datetime import datetime
from typing import ClassVar, Literal, Protocol, TypeAlias

import msgspec

from event_stream_engine.errors import Unavailable
from event_stream_engine.resilience import Verdict

Channel: TypeAlias = Literal["sms", "whatsapp"]


class OutgoingMessage(msgspec.Struct, frozen=True):
    """One message as it leaves: `to` is E.164; `sender` is E.164 or a Messaging Service (`MG…`).

    Either `body` or `content_sid` is set. `content_variables` is a JSON object of strings, as text.
    `status_callback` is the absolute URL for receipts; it carries our own id, so that a receipt finds its
    message even when the reply to the send was lost.
    """

    to: str
    sender: str
    channel: Channel
    body: str | None = None
    content_sid: str | None = None
    content_variables: str | None = None
    status_callback: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    """The carrier took the message. `segments` is None while the carrier does not know them yet."""

    sid: str
    status: str
    segments: int | None


class Rejected(msgspec.Struct, frozen=True):
    """The carrier refused the message for good; `code` 0 when the refusal carried no code."""

    code: int
    message: str
    http_status: int


class Throttled(msgspec.Struct, frozen=True):
    """Too many requests at once: not processed, safe to repeat. `retry_after` in seconds, when told."""

    retry_after: float | None


class NotSent(msgspec.Struct, frozen=True):
    """No connection came about, so the message provably did not leave: safe to repeat."""

    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """It may have been processed. Only `find` or a receipt may decide; repeating could send twice."""

    reason: str


class Held(msgspec.Struct, frozen=True):
    """The circuit to the carrier is open, so it did not leave, and that says nothing of this message: it waits as if it
    had not been tried. `retry_after`: seconds until somebody may try; None while an operator holds the circuit open."""

    retry_after: float | None


SendOutcome: TypeAlias = Accepted | Rejected | Throttled | NotSent | Unknown | Held


class FoundMessage(msgspec.Struct, frozen=True):
    """A message as the carrier has it. Addresses without channel prefix; `from_` is None while a Messaging
    Service has not chosen its sender."""

    sid: str
    status: str
    body: str
    from_: str | None
    to: str
    date_created: datetime
    error_code: int | None


class InboundMessage(msgspec.Struct, frozen=True):
    """A message from a person as the carrier lists it. Addresses without channel prefix; `received_at` is aware.

    A list has less than a webhook: no verdict on a custom opt-out word, no names, no addresses of media.
    """

    sid: str
    from_: str
    to: str
    channel: Channel
    body: str
    num_media: int
    service: str | None
    received_at: datetime


class InboundPage(msgspec.Struct, frozen=True):
    """A part of a list, newest first. `next_page` continues it; None at its end."""

    messages: list[InboundMessage]
    next_page: str | None


class GatewayUnavailable(Unavailable):
    """A question to the carrier (`find`, `fetch`) got no usable answer; nothing may be concluded from it."""


class GatewayRefused(GatewayUnavailable):
    """The carrier works, but does not answer this question (credentials, too many requests)."""

    verdict: ClassVar[Verdict] = Verdict.REFUSED


class MessageGateway(Protocol):
    """Carries messages. Implementations never repeat a send on their own."""

    def room(self, wanted: int) -> int:
        """Of so many messages, how many should be handed over now: all, unless the carrier is being left alone."""
        ...

    async def send(self, message: OutgoingMessage) -> SendOutcome:
        """Hand over one message. Returns an outcome for every failure of network or carrier."""
        ...

    async def find(self, *, to: str, sender: str, channel: Channel, sent_after: datetime) -> list[FoundMessage]:
        """All messages to `to` from `sender` created at or after `sent_after` (aware), newest first.

        Raises `GatewayUnavailable` when the answer is missing or would be incomplete.
        """
        ...

    async def fetch(self, sid: str) -> FoundMessage | None:
        """One message, or None when the carrier does not know it. Raises `GatewayUnavailable`."""
        ...

    async def list_inbound(self, *, to: str | None, channel: Channel, since: datetime, page: str | None) -> InboundPage:
        """One page of what people wrote to `to` at or after `since` (aware); `to` None: to any sender, on any
        channel. `page` is a former answer's `next_page`. Raises `GatewayUnavailable`.
        """
        ...
