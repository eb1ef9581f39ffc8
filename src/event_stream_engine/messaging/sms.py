"""How many SMS segments a text takes (3GPP TS 23.038): GSM-7 where every character allows it, else UCS-2.

GSM-7 holds 160 units alone, 153 in each part of a longer message; characters of the extension table take two
units. UCS-2 holds 70 and 67 UTF-16 units. A two-unit character is never split over two parts, so a part can
be left one unit short.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")

GSM_ALONE, GSM_PART = 160, 153
UCS2_ALONE, UCS2_PART = 70, 67


@dataclass(frozen=True, slots=True)
class SmsLength:
    """What a text costs. `units` are 7-bit or 16-bit units; `units_left` fit before the next segment begins.

    `non_gsm_characters` are the distinct characters that forced UCS-2, in order of appearance.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    units: int
    units_left: int
    non_gsm_characters: tuple[str, ...]


def measure(text: str) -> SmsLength:
    """Count the segments of `text`. An empty text is one empty segment."""
    if len(text) <= GSM_ALONE and GSM_BASIC.issuperset(text):
        return SmsLength("GSM-7", 1, len(text), GSM_ALONE - len(text), ())
    foreign = tuple(dict.fromkeys(c for c in text if c not in GSM_BASIC and c not in GSM_EXTENSION))
    if foreign:
        segments, units, left = _fill((2 if ord(c) > 0xFFFF else 1 for c in text), UCS2_ALONE, UCS2_PART)
        return SmsLength("UCS-2", segments, units, left, foreign)
    segments, units, left = _fill((2 if c in GSM_EXTENSION else 1 for c in text), GSM_ALONE, GSM_PART)
    return SmsLength("GSM-7", segments, units, left, ())


def _fill(widths: Iterable[int], alone: int, part: int) -> tuple[int, int, int]:
    """Segments, units and the room left in the last segment for characters of the given widths."""
    units = used = 0
    segments = 1
    for width in widths:
        units += width
        if used + width > part:
            segments, used = segments + 1, 0
        used += width
    if units <= alone:
        return 1, units, alone - units
    return segments, units, part - used
