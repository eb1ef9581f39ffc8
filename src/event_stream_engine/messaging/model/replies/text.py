"""How a reply is compared: letters without case, accents, punctuation or emoji, words separated by one space."""

import re
import unicodedata

# Letters that NFKD leaves whole, and the Arabic letters that people write interchangeably.
_FOLDED = str.maketrans("ıłøđæœأإآىةٱ", "iloddeااايها") | {0x640: None}
NORMALIZED_MAX = 2000
"""Characters; a few ligatures become eighteen letters each."""

_REPEATED = re.compile(r"(.)\1{2,}")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
"""Scripts without spaces between words: Chinese and Japanese."""


def normalize(body: str) -> str:
    """`" ＳＴＯＰ, s'il vous plaît 🛑"` becomes `"stop s il vous plait"`."""
    folded = unicodedata.normalize("NFKD", body[:NORMALIZED_MAX])[:NORMALIZED_MAX].casefold().translate(_FOLDED)
    folded = unicodedata.normalize("NFKD", folded)
    letters = (_letter_or_space(character) for character in folded)
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split())


def _letter_or_space(character: str) -> str:
    if "\u0300" <= character <= "\u036f" or "\u064b" <= character <= "\u0655" or character == "\ufe0f":
        return ""  # accents, Arabic vowel signs, the mark of an emoji; marks of other scripts change the word and stay
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return character if category[0] in "LNM" else " "


def shorten_repeats(normalized: str) -> str:
    """`stoppp` becomes `stop`: three or more of a letter count as one."""
    return _REPEATED.sub(r"\1", normalized)


def join_letters(normalized: str) -> str:
    """`s t o p` becomes `stop`; other texts stay as they are."""
    words = normalized.split()
    is_spelled_out = len(words) > 2 and all(len(word) == 1 and word.isascii() for word in words)
    return "".join(words) if is_spelled_out else normalized


def is_unspaced(normalized: str) -> bool:
    """Whether words are not separated by spaces, as in Chinese and Japanese."""
    return _UNSPACED.search(normalized) is not None
