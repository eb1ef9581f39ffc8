"""Twilio's Messages API over HTTP: the campaign's hot path.

API: https://www.twilio.com/docs/messaging/api/message-resource. Creating a message has no idempotency key, so
the one thing that matters here is to tell "provably not sent" from "nobody knows"; nothing is ever repeated.
"""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, Self
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PoolTimeoutError, RequestError
from pyreqwest.response import Response

from event_stream_engine.messaging.gateway import (
    Accepted,
    Channel,
    FoundMessage,
    GatewayRefused,
    GatewayUnavailable,
    InboundMessage,
    InboundPage,
    NotSent,
    OutgoingMessage,
    Rejected,
    SendOutcome,
    Throttled,
    Unknown,
)
from event_stream_engine.messaging.twilio.webhooks import WHATSAPP_PREFIX, split_address

CONNECT_TIMEOUT: Final = timedelta(seconds=5)
TOTAL_TIMEOUT: Final = timedelta(seconds=10)
API_VERSION: Final = "2010-04-01"
MESSAGING_ORIGIN: Final = "https://messaging.twilio.com"
FIND_PAGE_SIZE: Final = 100
FIND_PAGES_MAX: Final = 20
INBOUND_PAGE_SIZE: Final = 1000

# pyreqwest raises ConnectError and ConnectTimeoutError for every failure before the reply's head, also after
# the request was written. Only this link of the cause chain (hyper-util's) proves that no connection came
# about.
_CONNECT_FAILED: Final = "client error (Connect)"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Created(msgspec.Struct):
    sid: str
    status: str
    num_segments: str | None = None


class _Problem(msgspec.Struct):
    code: int | None = None
    message: str | None = None


class _Message(msgspec.Struct):
    sid: str
    status: str
    to: str
    date_created: str
    body: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    messaging_service_sid: str | None = None
    error_code: int | str | None = None
    direction: str = ""
    num_media: str | None = None
    date_sent: str | None = None


class _Page(msgspec.Struct):
    messages: list[_Message]
    next_page_uri: str | None = None


class _Number(msgspec.Struct):
    phone_number: str
    sms_url: str | None = None
    sms_fallback_url: str | None = None


class _Numbers(msgspec.Struct):
    incoming_phone_numbers: list[_Number]


class _Service(msgspec.Struct):
    inbound_request_url: str | None = None
    fallback_url: str | None = None
    use_inbound_webhook_on_number: bool = False


class InboundWebhook(msgspec.Struct, frozen=True):
    """Where Twilio posts what people write to a sender. `is_per_number`: a service leaves it to its numbers."""

    url: str
    fallback_url: str
    is_per_number: bool = False


_decode_numbers = msgspec.json.Decoder(_Numbers).decode
_decode_service = msgspec.json.Decoder(_Service).decode
_decode_created = msgspec.json.Decoder(_Created).decode
_decode_problem = msgspec.json.Decoder(_Problem).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_page = msgspec.json.Decoder(_Page).decode


class TwilioGateway:
    """A `MessageGateway` for one Twilio account. Use as an async context manager; share one per process.

    `user` is an API key (`SK…`) whose secret is `auth_token`; without it the account's own SID.
    `connections` bounds the requests in flight; a request that waits five seconds for its turn is `NotSent`.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        user: str | None = None,
        base_url: str = "https://api.twilio.com",
        connections: int = 64,
        connect_timeout: timedelta = CONNECT_TIMEOUT,
        total_timeout: timedelta = TOTAL_TIMEOUT,
    ) -> None:
        self._origin = base_url.rstrip("/")
        self._account = f"{self._origin}/{API_VERSION}/Accounts/{quote(account_sid, safe='')}"
        self._messages = f"{self._account}/Messages.json"
        credentials = b64encode(f"{user or account_sid}:{auth_token}".encode()).decode("ascii")
        builder = (
            ClientBuilder()
            .default_headers({
                "Authorization": f"Basic {credentials}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            })
            .user_agent("event-stream-engine")
            .follow_redirects(False)
            .max_connections(connections)
            .pool_timeout(connect_timeout)
            .connect_timeout(connect_timeout)
            .timeout(total_timeout)
            .tcp_nodelay(True)
        )  # fmt: skip
        if urlsplit(self._origin).hostname in _LOOPBACK:
            builder = builder.no_proxy()
        self._client: Client = builder.build()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pool. Requests in flight end as `Unknown`."""
        await self._client.close()

    def room(self, wanted: int) -> int:
        return wanted

    async def send(self, message: OutgoingMessage) -> SendOutcome:
        """Create the message at Twilio, once."""
        request = self._client.post(self._messages).body_bytes(form(message)).build()
        try:
            response = await request.send()
            body = await response.bytes()
        except RequestError as error:
            return _failure(error)
        return _outcome(response, memoryview(body))

    async def find(self, *, to: str, sender: str, channel: Channel, sent_after: datetime) -> list[FoundMessage]:
        """What Twilio has for this recipient and sender since `sent_after`, newest first.

        The `DateSent` filter is not used: a message still in the queue has no such date, and missing it would
        mean sending it again. The list is sorted by date and one recipient has few messages, so reading back
        to `sent_after` is cheap. More than 2,000 newer ones raise `GatewayUnavailable`.
        """
        # Twilio's dates have whole seconds.
        since = sent_after.astimezone(UTC).replace(microsecond=0)
        query = {"To": _address(to, channel), "PageSize": str(FIND_PAGE_SIZE)}
        is_service = sender.startswith("MG")
        if not is_service:
            query["From"] = _address(sender, channel)
        url = f"{self._messages}?{urlencode(query)}"
        found: list[FoundMessage] = []
        for _ in range(FIND_PAGES_MAX):
            page = _decode_reply(await self._get(url), _decode_page)
            for item in page.messages:
                if item.messaging_service_sid != (sender if is_service else None):
                    continue  # a service's message shows the number that the service chose
                message = _found(item)
                if message.date_created >= since:
                    found.append(message)
            if page.next_page_uri is None or _reaches_before(page.messages, since):
                return found
            url = self._origin + page.next_page_uri
        raise GatewayUnavailable(f"Twilio lists more than {FIND_PAGES_MAX * FIND_PAGE_SIZE} messages to one recipient.")

    async def fetch(self, sid: str) -> FoundMessage | None:
        body = await self._get(f"{self._account}/Messages/{quote(sid, safe='')}.json", missing_ok=True)
        return None if body is None else _found(_decode_reply(body, _decode_message))

    async def list_inbound(self, *, to: str | None, channel: Channel, since: datetime, page: str | None) -> InboundPage:
        """Twilio lists inbound and outbound messages together, by date sent; an inbound one's is when it came.

        https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
        """
        query = {"DateSent>": _instant(since), "PageSize": str(INBOUND_PAGE_SIZE)}
        if to is not None:
            query["To"] = _address(to, channel)
        url = self._origin + page if page else f"{self._messages}?{urlencode(query)}"
        answer = _decode_reply(await self._get(url), _decode_page)
        return InboundPage([_inbound(m) for m in answer.messages if m.direction == "inbound"], answer.next_page_uri)

    async def inbound_webhook(self, sender: str) -> InboundWebhook | None:
        """What is set for an SMS number or a Messaging Service (`MG…`); None when the account has no such sender.

        https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
        https://www.twilio.com/docs/messaging/api/service-resource. Raises `GatewayUnavailable`.
        """
        if sender.startswith("MG"):
            origin = self._origin.replace("https://api.twilio.com", MESSAGING_ORIGIN)
            body = await self._get(f"{origin}/v1/Services/{quote(sender, safe='')}", missing_ok=True)
            if body is None:
                return None
            service: _Service = _decode_reply(body, _decode_service)
            url, fallback = service.inbound_request_url or "", service.fallback_url or ""
            return InboundWebhook(url, fallback, service.use_inbound_webhook_on_number)
        query = urlencode({"PhoneNumber": sender, "PageSize": "20"})
        body = await self._get(f"{self._account}/IncomingPhoneNumbers.json?{query}")
        numbers: _Numbers = _decode_reply(body, _decode_numbers)
        found = next((one for one in numbers.incoming_phone_numbers if one.phone_number == sender), None)
        return InboundWebhook(found.sms_url or "", found.sms_fallback_url or "") if found else None

    async def _get(self, url: str, *, missing_ok: bool = False) -> bytes | None:
        try:
            response = await self._client.get(url).build().send()
            body = bytes(await response.bytes())
        except RequestError as error:
            raise GatewayUnavailable(f"Twilio did not answer: {_reason(error)}.") from error
        if response.status == 404 and missing_ok:
            return None
        if response.status != 200:
            is_refused = 400 <= response.status < 500 and response.status != 408
            unanswered = GatewayRefused if is_refused else GatewayUnavailable
            raise unanswered(f"Twilio answered with HTTP {response.status}.")
        return body


def form(message: OutgoingMessage) -> bytes:
    """The form body, built by hand: urlencode takes three times as long for the same text."""
    parts = ["To=", _quoted_address(message.to, message.channel), _sender(message.sender, message.channel)]
    if message.body is not None:
        parts += ["&Body=", _quoted(message.body)]
    if message.content_sid is not None:
        parts += ["&ContentSid=", _quoted(message.content_sid)]
    if message.content_variables is not None:
        parts += ["&ContentVariables=", _quoted(message.content_variables)]
    if message.status_callback is not None:
        parts += ["&StatusCallback=", _quoted(message.status_callback)]
    return "".join(parts).encode("ascii")


_ESCAPED: Final = {number: quote_plus(bytes([number])) for number in range(256)}


def _quoted(value: str) -> str:
    """As `quote_plus`, by one look-up a byte."""
    return value.encode().decode("latin-1").translate(_ESCAPED)


@lru_cache(maxsize=256)
def _sender(sender: str, channel: Channel) -> str:
    """The same for every message of a campaign."""
    if sender.startswith("MG"):
        return f"&MessagingServiceSid={_quoted(sender)}"
    return f"&From={_quoted_address(sender, channel)}"


def _quoted_address(number: str, channel: Channel) -> str:
    return _quoted(_address(number, channel))


def _address(number: str, channel: Channel) -> str:
    return WHATSAPP_PREFIX + number if channel == "whatsapp" else number


def _outcome(response: Response, body: memoryview) -> SendOutcome:
    status = response.status
    if status in (200, 201):
        return _accepted(body)
    if status == 429:
        return Throttled(_retry_after(response.get_header("retry-after")))
    # 408 comes from a proxy that gave up waiting: the request may have gone through.
    if status >= 500 or status == 408:
        return Unknown(f"Twilio answered with HTTP {status}")
    problem = _problem(body)
    if problem.code == 20429:
        return Throttled(_retry_after(response.get_header("retry-after")))
    return Rejected(problem.code or 0, problem.message or f"HTTP {status} without an explanation", status)


def _accepted(body: memoryview) -> SendOutcome:
    try:
        created = _decode_created(body)
    except msgspec.MsgspecError:
        return Unknown("Twilio accepted the request, but its answer cannot be read")
    count = created.num_segments
    # "0" stands for "no sender chosen yet".
    segments = int(count) if count and count.isdigit() and count != "0" else None
    return Accepted(created.sid, created.status, segments)


def _problem(body: memoryview) -> _Problem:
    try:
        return _decode_problem(body)
    except msgspec.MsgspecError:
        return _Problem()


def _failure(error: RequestError) -> NotSent | Unknown:
    reason = _reason(error)
    if isinstance(error, PoolTimeoutError) or _CONNECT_FAILED in _causes(error):
        return NotSent(reason)
    return Unknown(reason)


def _causes(error: RequestError) -> list[str]:
    return [cause["message"] for cause in error.details.get("causes") or ()]


def _reason(error: RequestError) -> str:
    """The innermost cause; the outer ones repeat the URL, which names the account."""
    causes = _causes(error)
    return causes[-1] if causes else error.message


def _retry_after(header: str | None) -> float | None:
    try:
        seconds = float(header) if header else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < 86_400 else None


def _decode_reply(body: bytes | None, decode: Any) -> Any:
    try:
        return decode(body or b"")
    except msgspec.MsgspecError as error:
        raise GatewayUnavailable("Twilio's answer cannot be read.") from error


def _found(item: _Message) -> FoundMessage:
    return FoundMessage(
        sid=item.sid,
        status=item.status,
        body=item.body or "",
        from_=split_address(item.from_)[0] if item.from_ else None,
        to=split_address(item.to)[0],
        date_created=_date(item.date_created),
        error_code=int(item.error_code) if item.error_code is not None else None,
    )


def _inbound(item: _Message) -> InboundMessage:
    from_, channel = split_address(item.from_ or "")
    count = item.num_media or "0"
    return InboundMessage(
        sid=item.sid,
        from_=from_,
        to=split_address(item.to)[0],
        channel=channel,
        body=item.body or "",
        num_media=int(count) if count.isdigit() else 0,
        service=item.messaging_service_sid,
        received_at=_date(item.date_sent or item.date_created),
    )


def _instant(at: datetime) -> str:
    """A filter's moment, in whole seconds of UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date(text: str) -> datetime:
    """RFC 2822, as in `Thu, 24 Aug 2023 05:01:45 +0000`."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError as error:
        raise GatewayUnavailable(f"Twilio's date {text!r} cannot be read.") from error


def _reaches_before(messages: list[_Message], since: datetime) -> bool:
    """Whether the page goes back past `since` by a margin: the order is by date sent, not by date created."""
    return bool(messages) and _date(messages[-1].date_created) < since - timedelta(days=1)
