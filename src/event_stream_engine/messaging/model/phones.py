"""Many phone numbers at once: the answers of `parse_phone`, for most numbers without its cost.

libphonenumber needs about 100 microseconds a number; an import has millions. A number that is written plainly and
matches one of libphonenumber's own patterns for its country is accepted here; whatever is in doubt (a national
prefix that parsing might strip, a leading zero, a pattern that does not match, odd characters) goes to
`parse_phone`. So no number is refused here, and only the reason for speed is ours.
"""

import re
from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from event_stream_engine.messaging.model.contacts import Phone, parse_phone

# Digits with at most single separators between them; `00` and `+` start an international number.
_PLAIN = re.compile(r"(?!.*\.0+\s*$)\s*(?:whatsapp:|sms:)?(\+|00)?([1-9(][0-9]*(?:[ .()-]{1,2}[0-9]+)*)\s*", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9]", re.ASCII)

_TYPES = (
    "fixed_line", "mobile", "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager",
    "uan", "voicemail",
)  # fmt: skip


@dataclass(frozen=True)
class _Region:
    """One country of a calling code: when a number belongs to it, and when it is valid there."""

    name: str
    leading: re.Pattern[str] | None
    valid: re.Pattern[str]


@dataclass(frozen=True)
class _CallingCode:
    regions: tuple[_Region, ...]
    prefix: re.Pattern[str] | None

    def region_of(self, national: str) -> str | None:
        """The country of a valid number, by libphonenumber's order of search; None when in doubt."""
        if national[0] == "0" or _strips(self.prefix, national):
            return None
        for region in self.regions:
            if region.leading is not None:
                if region.leading.match(national):
                    return region.name if region.valid.fullmatch(national) else None
            elif region.valid.fullmatch(national):
                return region.name
        return None


@dataclass(frozen=True)
class _Dialling:
    """How numbers without a country code are written in one country."""

    code: str
    international: re.Pattern[str] | None
    prefix: re.Pattern[str] | None

    def is_plain(self, digits: str) -> bool:
        """Whether the digits can be nothing but the national number itself."""
        return not (digits.startswith(self.code) or _strips(self.international, digits) or _strips(self.prefix, digits))


class PhoneReader:
    """Reads the numbers of one file; numbers without a country code are of `default_region`."""

    def __init__(self, default_region: str | None) -> None:
        self._default_region = default_region
        self._dialling = _dialling(default_region) if default_region else None

    def read(self, written: str) -> Phone:
        """As `parse_phone`. Raises `PhoneInvalid`."""
        return self.read_plain(written) or parse_phone(written, self._default_region)

    def read_plain(self, written: str) -> Phone | None:
        """The number if it is plainly valid, None when libphonenumber has to look."""
        found = _PLAIN.fullmatch(written)
        if found is None:
            return None
        digits = found[2] if found[2].isdigit() else _NOT_DIGITS.sub("", found[2])
        if not 7 <= len(digits) <= 15:
            return None
        if found[1]:
            return _international(digits)
        if self._dialling is not None and self._dialling.is_plain(digits):
            return _valid(self._dialling.code, digits)
        return None


_SPECIAL_TYPES = {
    "toll_free": "toll-free", "premium_rate": "premium rate", "shared_cost": "shared cost", "pager": "pager",
    "uan": "service number", "voicemail": "voicemail",
}  # fmt: skip


def special_kind(phone: Phone) -> str | None:
    """What a number is that rarely receives messages, such as `toll-free`; None for an ordinary one."""
    if phone.country is None or phone.country == "001":
        return None  # networks without a country have no such types
    code, kinds = _special(phone.country)
    national = phone.e164[1 + len(code) :]
    return next((kind for kind, pattern in kinds if pattern.fullmatch(national)), None)


@cache
def _special(country: str) -> tuple[str, tuple[tuple[str, re.Pattern[str]], ...]]:
    metadata = _metadata(country)
    patterns = ((name, _exact(getattr(metadata, kind))) for kind, name in _SPECIAL_TYPES.items())
    found = tuple((name, re.compile(pattern)) for name, pattern in patterns if pattern)
    return str(metadata.country_code), found


def _international(digits: str) -> Phone | None:
    for length in (1, 2, 3):  # calling codes are prefix-free
        if _known(digits[:length]):
            return _valid(digits[:length], digits[length:])
    return None


@cache
def _known(code: str) -> bool:
    return code[0] != "0" and int(code) in COUNTRY_CODE_TO_REGION_CODE  # none begins with 0: +031 is not +31


def _valid(code: str, national: str) -> Phone | None:
    if not national:
        return None
    region = _calling_code(code).region_of(national)
    return Phone(f"+{code}{national}", region) if region else None


def _strips(prefix: re.Pattern[str] | None, digits: str) -> bool:
    found = prefix.match(digits) if prefix else None
    return found is not None and found.end() > 0


@cache
def _calling_code(code: str) -> _CallingCode:
    names = COUNTRY_CODE_TO_REGION_CODE[int(code)]
    if names == ("001",):
        return _CallingCode((), None)  # satellite and other networks without a country
    several = len(names) > 1
    regions = tuple(_region(name, several) for name in names)
    return _CallingCode(regions, _compiled(_metadata(names[0]).national_prefix_for_parsing))


def _region(name: str, several: bool) -> _Region:
    metadata = _metadata(name)
    leading = _compiled(metadata.leading_digits) if several else None
    types = [_exact(getattr(metadata, kind)) for kind in _TYPES]
    valid = f"(?={_exact(metadata.general_desc)}$)(?:{'|'.join(t for t in types if t)})"
    return _Region(name, leading, re.compile(valid))


def _exact(description: object) -> str:
    """The pattern of a kind of number with its possible lengths; empty where the country has no such numbers."""
    pattern: str | None = getattr(description, "national_number_pattern", None)
    if not pattern:
        return ""
    lengths: tuple[int, ...] = getattr(description, "possible_length", ())
    if not lengths:
        return f"(?:{pattern})"
    allowed = "|".join(f"[0-9]{{{length}}}$" for length in lengths if length > 0)
    return f"(?:(?={allowed})(?:{pattern}))" if allowed else ""


@cache
def _dialling(region: str) -> _Dialling:
    metadata = _metadata(region)
    return _Dialling(
        str(metadata.country_code),
        _compiled(metadata.international_prefix),
        _compiled(metadata.national_prefix_for_parsing),
    )


def _metadata(region: str) -> PhoneMetadata:
    found = PhoneMetadata.metadata_for_region(region, None)
    if found is None:
        raise ValueError(f"libphonenumber knows no region {region}")
    return found


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern else None
