"""What a search box holds, read as words and as a phone number."""

import re
import unicodedata
from dataclasses import dataclass

from event_stream_engine.messaging.model.spellings import spellings

_NUMBER = re.compile(r"\+?[0-9\s()./\-\u2010-\u2015\u00a0]+")
_FEWEST_DIGITS = 3
_DIGITS_OF_A_LINE = 9
"""From as many digits on, a leading zero is the trunk prefix, which no stored number has."""
MOST_WORDS = 12


@dataclass(frozen=True)
class Search:
    """`words` must all be found, each at the beginning of a word. `numbers` are the ways to write the digits of what
    looks like a phone number, of which one is enough; `lines` are that line's whole numbers in other spellings."""

    words: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def read_search(given: str) -> Search:
    """`(212) 555-0178` and `00351 912…` are numbers; anything else is words. At most 12 words count."""
    words = tuple(word for word in given.split() if any(map(str.isalnum, word)))[:MOST_WORDS]
    plain = unicodedata.normalize("NFKC", given).strip()
    if not _NUMBER.fullmatch(plain):
        return Search(words)
    digits = re.sub(r"\D", "", plain)
    if len(digits) < _FEWEST_DIGITS:
        return Search(words)
    numbers = [digits.removeprefix("00") if plain.startswith("00") else digits]
    # Written for abroad with the trunk prefix: +44 (0) 20 7946 0958.
    numbers += [re.sub(r"\D", "", plain.replace("(0)", ""))] if "(0)" in plain else []
    numbers += [digits.lstrip("0")] if len(digits) >= _DIGITS_OF_A_LINE else []
    numbers = list(dict.fromkeys(number for number in numbers if number))
    return Search(words, tuple(numbers), tuple(other for number in numbers for other in spellings(f"+{number}")[1:]))
