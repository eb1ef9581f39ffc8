"""Contacts: numbers, consent, time zones."""

import functools
import re
import zoneinfo
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import phonenumbers

from event_stream_engine.errors import Conflict, Invalid, NotFound
from event_stream_engine.messaging.model.spellings import spellings

Consent = Literal["opted_in", "opted_out", "stopped", "unknown"]
CONSENTS: tuple[str, ...] = get_args(Consent)

ATTRIBUTES_MAX = 100
ATTRIBUTE_NAME = re.compile(r"[^\W\d]\w{0,63}")
"""Letters of any script, digits and _; no digit comes first."""

ATTRIBUTE_VALUE_MAX = 4000
TOPICS_MAX = 50
ERASED = "Erased"


class ContactNotFound(NotFound):
    code = "contact_not_found"


class ContactExists(Conflict):
    code = "contact_exists"


class ConsentLocked(Conflict):
    """The person said STOP; only the person can take it back."""

    code = "consent_locked"


@dataclass(frozen=True)
class Contact:
    """A person we may be allowed to write to. `phone` is E.164 and unique."""

    id: UUID
    phone: str
    country: str | None
    attributes: dict[str, str]
    consent: Consent
    consent_source: str | None
    consent_changed_at: datetime | None
    topics: list[str]
    timezone: str | None
    locale: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    blocked_channels: list[str] = field(default_factory=list)
    last_inbound_at: datetime | None = None
    import_id: UUID | None = None


@dataclass(frozen=True)
class Phone:
    """A valid number: E.164, and the country (ISO 3166-1 alpha-2) where one is assigned."""

    e164: str
    country: str | None


class PhoneInvalid(ValueError):
    """Not a number that can exist; `code` is `missing`, `extension`, `scientific`, `region` or `invalid`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_PREFIX = re.compile(r"^(whatsapp|sms|messenger|voice|tel):", re.IGNORECASE)
_EXTENSION = re.compile(r"(ext\.?|extension|x|#)\s*\d+$", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]")
"""They are dialed as digits otherwise: `0664 1234567 Max` is not a number of two more digits."""

_FLOAT = re.compile(r"^([^.]*\d)\.0+$")
_SCIENTIFIC = re.compile(r"^\+?\d+([.,]\d+)?e\+?\d+$", re.IGNORECASE)


def parse_phone(written: str, default_region: str | None) -> Phone:
    """The number as E.164. Raises `PhoneInvalid` saying what to do.

    A number without a country code needs `default_region`. Validity is libphonenumber's: the number could be
    assigned; only a message proves that it is. A spelling that is not valid, such as WhatsApp's of a Mexican number,
    becomes the valid one of the same line.
    """
    text = _PREFIX.sub("", written.strip()).strip()
    if found := _FLOAT.match(text):  # a table tool took the number for a decimal; its .0 is no digit of the number
        text = found[1]
    if not text:
        raise PhoneInvalid("missing", "There is no phone number.")
    if _SCIENTIFIC.match(text):
        raise PhoneInvalid(
            "scientific",
            "A spreadsheet turned the number into scientific notation and lost digits: "
            "format the column as text and export again.",
        )
    if _EXTENSION.search(text):
        raise PhoneInvalid("extension", "A number with an extension cannot receive messages.")
    if _LETTERS.search(text):
        raise PhoneInvalid("invalid", "The number has letters in it: write digits only, one number to a cell.")
    if text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            hint = "Write + and the country code in front, or choose the region of numbers without one."
            raise PhoneInvalid("region", hint) from error
        raise PhoneInvalid("invalid", "This is not a phone number.") from error
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.is_valid_number(number):
        return Phone(e164, phonenumbers.region_code_for_number(number))
    for spelling in spellings(e164)[1:]:
        candidate = phonenumbers.parse(spelling)
        if phonenumbers.is_valid_number(candidate):
            return Phone(spelling, phonenumbers.region_code_for_number(candidate))
    raise PhoneInvalid("invalid", "No such number can exist in its country: check the digits.")


def checked_phone(written: str, default_region: str | None = None) -> Phone:
    """`parse_phone` for one form field. Raises `Invalid`."""
    try:
        return parse_phone(written, default_region)
    except PhoneInvalid as error:
        raise Invalid.field("phone", str(error)) from error


_ORIGINS = {
    "staff": "set by the team",
    "inbound:stop": "wrote STOP",
    "inbound:start": "wrote START",
}


def origin_of_consent(source: str | None, stated: str | None = None) -> str | None:
    """Where consent comes from, in words; `stated` is what was written down when its file was imported."""
    if source is None:
        return None
    if source.startswith("import:"):
        return stated or "an import"
    if source.startswith("twilio:"):
        return f"Twilio's error {source.partition(':')[2]}"
    return _ORIGINS.get(source, source)


def checked_consent(stored: str) -> Consent:
    """A stored consent as its type. Raises `ValueError`."""
    for consent in get_args(Consent):
        if consent == stored:
            known: Consent = consent
            return known
    raise ValueError(f"{stored!r} is not a consent")


def masked(phone: str) -> str:
    """The last four digits; enough to recognise, too little to call. A number that was erased says so."""
    return "•••• " + phone[-4:] if phone else ERASED


@functools.lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def is_timezone(name: str) -> bool:
    """Whether it is an IANA time zone."""
    return name in _zones()


def checked_timezone(name: str | None) -> str | None:
    """Raises `Invalid` for anything but an IANA time zone."""
    if not name:
        return None
    if not is_timezone(name):
        raise Invalid.field("timezone", f"{name!r} is not a time zone: write one such as Europe/Stockholm.")
    return name


def checked_attributes(attributes: dict[str, str]) -> dict[str, str]:
    """Raises `Invalid` for names that no placeholder could use, and for too many or too long ones."""
    if len(attributes) > ATTRIBUTES_MAX:
        raise Invalid.field("attributes", f"At most {ATTRIBUTES_MAX} attributes.")
    for name, value in attributes.items():
        if not ATTRIBUTE_NAME.fullmatch(name):
            raise Invalid.field(
                f"attributes.{name}", "A name has letters, digits and _ and does not start with a digit."
            )
        if len(value) > ATTRIBUTE_VALUE_MAX:
            raise Invalid.field(f"attributes.{name}", f"At most {ATTRIBUTE_VALUE_MAX} characters.")
        if "\x00" in value:
            raise Invalid.field(f"attributes.{name}", "Holds a NUL character, which cannot be stored.")
    return attributes


def staff_may_set(current: Consent, wanted: Consent) -> None:
    """Raises `ConsentLocked`: a STOP is lifted by the person alone (47 CFR 64.1200(a)(10))."""
    if current == "stopped" and wanted != "stopped":
        raise ConsentLocked("This person wrote STOP. Only they can lift it, by writing START.")
