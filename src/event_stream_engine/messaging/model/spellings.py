"""One phone line, written in several ways: carriers and WhatsApp keep digits that numbering plans dropped or added.

- Mexico: WhatsApp writes the mobile prefix 1 that was abolished in 2019 (`+52 1 55…` for `+52 55…`).
- Brazil: accounts older than the ninth digit of mobile numbers lack it (`+55 11 8765-4321` for `+55 11 98765-4321`).
- Argentina: a mobile number has a 9 after the country code from abroad, and none within the country.

https://en.wikipedia.org/wiki/Telephone_numbers_in_Mexico, …_in_Brazil, …_in_Argentina
"""

import re

_MEXICO = re.compile(r"\+521?([1-9]\d{9})", re.ASCII)
# Mobile numbers begin with 6 to 9 after the ninth digit; with 2 to 5 they are landlines.
_BRAZIL = re.compile(r"\+55([1-9]{2})9?([6-9]\d{7})", re.ASCII)
_ARGENTINA = re.compile(r"\+549?([1-8]\d{9})", re.ASCII)


def spellings(e164: str) -> tuple[str, ...]:
    """All ways in which the line of a number may be written, the given one first."""
    if e164.startswith("+52"):
        found = _written(_MEXICO.fullmatch(e164), ("+52{}", "+521{}"))
    elif e164.startswith("+55"):
        found = _written(_BRAZIL.fullmatch(e164), ("+55{}9{}", "+55{}{}"))
    elif e164.startswith("+54"):
        found = _written(_ARGENTINA.fullmatch(e164), ("+549{}", "+54{}"))
    else:
        return (e164,)
    return (e164, *(other for other in found if other != e164))


def line_of(e164: str) -> str:
    """The same text for every spelling of a line, to compare by."""
    return min(spellings(e164))


def _written(match: "re.Match[str] | None", forms: tuple[str, str]) -> tuple[str, ...]:
    return tuple(form.format(*match.groups()) for form in forms) if match else ()
