"""What Twilio checks before it accepts a message, in its order, with its codes.

Magic numbers follow https://www.twilio.com/docs/iam/test-credentials and need no test credentials here.
Numbers are checked by shape only: whether a well-formed one is assigned, no local stand-in can know.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from event_stream_engine.messaging.twilio.webhooks import MEDIA_LIMIT, WHATSAPP_PREFIX

BODY_LIMIT: Final = 1600
SCHEDULE_SECONDS: Final = (300, 35 * 86_400)

_E164 = re.compile(r"\+[1-9]\d{6,14}").fullmatch
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}").fullmatch
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}").fullmatch
_CONTENT = re.compile(r"HX[0-9a-fA-F]{32}").fullmatch
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_UNFIT = re.compile(r"[\r\n\t]| {5}").search
_HOST = re.compile(r"[A-Za-z0-9.\-:]+").fullmatch


class ApiError(Exception):
    """An answer that is not a success, as Twilio words it."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def body(self) -> bytes:
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return msgspec.json.encode(
            {"code": self.code, "message": self.message, "more_info": more, "status": self.status}
        )


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A message that passed the checks. Exactly one of `from_` and `service` decides the sender."""

    to: str
    from_: str | None
    service: str | None
    body: str
    media: tuple[str, ...]
    is_template: bool
    callback: str | None
    send_at: float | None

    @property
    def sender(self) -> str:
        return self.service or self.from_ or ""

    @property
    def is_whatsapp(self) -> bool:
        return self.to.startswith(WHATSAPP_PREFIX)


_MAGIC_TO: Final[dict[str, tuple[int, str]]] = {
    "+15005550001": (21211, "The 'To' number {} is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number: {}, is not currently reachable from this sender."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region of {}."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number {} is not a valid mobile number"),
}
_MAGIC_FROM: Final[dict[str, tuple[int, str]]] = {
    "+15005550001": (21212, "The 'From' number {} is not a valid phone number."),
    "+15005550007": (21606, "The From phone number {} is not a valid, SMS-capable number of your account."),
    "+15005550008": (21611, "This 'From' number has exceeded the maximum number of queued messages"),
}

# "+150056" and five digits: accepted, then fails with that code.
_MAGIC_FAILURE = re.compile(r"\+150056(\d{5})").fullmatch


def magic_failure(to: str) -> int | None:
    """The code that a magic recipient's delivery ends with."""
    match = _MAGIC_FAILURE(to.removeprefix(WHATSAPP_PREFIX))
    return int(match[1]) if match else None


def validate_create(
    pairs: list[tuple[str, str]], owns: Callable[[str], bool], templates: Mapping[str, str]
) -> CreateRequest:
    """Check a create request's form; `templates` are the texts by Content SID. Raises `ApiError`."""
    form = dict(reversed(pairs))
    to, from_, service = form.get("To", ""), form.get("From") or None, form.get("MessagingServiceSid") or None
    media = tuple(value for name, value in pairs if name == "MediaUrl" and value)
    if not to:
        raise ApiError(21604, "A 'To' phone number is required.")
    if from_ is None and service is None:
        raise ApiError(21603, "A 'From' phone number is required.")
    body, is_template = _content(form, media, templates)
    _check_to(to)
    if service is not None:
        _check_service(service)
    if from_ is not None:
        _check_from(from_, to, owns)
    return CreateRequest(
        to=to,
        from_=from_,
        service=service,
        body=body,
        media=media,
        is_template=is_template,
        callback=_callback(form.get("StatusCallback")),
        send_at=_send_at(form, service),
    )


def _content(form: dict[str, str], media: tuple[str, ...], templates: Mapping[str, str]) -> tuple[str, bool]:
    """The text as it will be listed, and whether a template made it."""
    sid = form.get("ContentSid")
    if sid:
        if not _CONTENT(sid):
            raise ApiError(21655, "The ContentSid Parameter is invalid")
        return _rendered(sid, form.get("ContentVariables", ""), templates), True
    body = form.get("Body", "")
    if not body and not media:
        raise ApiError(21602, "Message body is required.")
    if len(body) > BODY_LIMIT:
        raise ApiError(21617, "The concatenated message body exceeds the 1600 character limit")
    if len(media) > MEDIA_LIMIT:
        raise ApiError(21623, "Number of media files exceeds allowed limit")
    return body, False


def _rendered(sid: str, variables: str, templates: Mapping[str, str]) -> str:
    """The text of a known template with its variables; of an unknown one, its SID and the variables as they came."""
    given = _variables(variables)
    if sid not in templates:
        return f"{sid} {variables}".strip()
    return _VARIABLE.sub(lambda match: given.get(match[1], match[0]), templates[sid])


def _variables(text: str) -> dict[str, str]:
    """https://www.twilio.com/docs/api/errors/21656: empty values, line breaks, tabs, more than four spaces."""
    if not text:
        return {}
    try:
        given = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ApiError(21656, "The ContentVariables Parameter is invalid") from error
    if any(not value.strip() or _UNFIT(value) for value in given.values()):
        raise ApiError(21656, "The ContentVariables Parameter is invalid")
    return given


def _check_to(to: str) -> None:
    number = to.removeprefix(WHATSAPP_PREFIX)
    _refuse_magic(_MAGIC_TO, number)
    if not _E164(number):
        raise ApiError(21211, f"The 'To' number {number} is not a valid phone number.")


def _check_from(from_: str, to: str, owns: Callable[[str], bool]) -> None:
    whatsapp = from_.startswith(WHATSAPP_PREFIX)
    if whatsapp != to.startswith(WHATSAPP_PREFIX):
        raise ApiError(21910, "Invalid From and To pair. From and To should be of the same channel")
    number = from_.removeprefix(WHATSAPP_PREFIX)
    _refuse_magic(_MAGIC_FROM, number)
    if not (_E164 if whatsapp else _SENDER)(number):
        raise ApiError(21212, f"The 'From' number {from_} is not a valid phone number.")
    if not owns(from_):
        if whatsapp:
            raise ApiError(63007, "Twilio could not find a Channel with the specified From address")
        _refuse_magic({from_: _MAGIC_FROM["+15005550007"]}, from_)


def _refuse_magic(table: dict[str, tuple[int, str]], number: str) -> None:
    if number in table:
        code, message = table[number]
        raise ApiError(code, message.format(number))


def _check_service(service: str) -> None:
    if not _SERVICE(service):
        raise ApiError(21705, f"The Messaging Service Sid {service} is invalid")


def _callback(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and parts.port != 0
        valid = well_formed and _HOST(parts.hostname or "") is not None
    except ValueError:
        valid = False
    if not valid:
        raise ApiError(21609, f"The 'StatusCallback' URL {url} is not a valid URL.")
    return url


def _send_at(form: dict[str, str], service: str | None) -> float | None:
    kind = form.get("ScheduleType")
    if not kind:
        return None
    if kind != "fixed":
        raise ApiError(35115, "The ScheduleType value is invalid")
    if service is None:
        raise ApiError(35118, "MessagingServiceSid is required to schedule a message")
    text = form.get("SendAt")
    if not text:
        raise ApiError(35111, "SendAt is required to schedule a message")
    at = parse_instant(text)
    low, high = SCHEDULE_SECONDS
    if at is None or not low <= at - datetime.now(UTC).timestamp() <= high:
        raise ApiError(35114, "Scheduling does not support this timestamp")
    return at


def parse_instant(text: str) -> float | None:
    """ISO 8601 (a date alone is midnight UTC) as epoch seconds, or None."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
