"""Replies that mean STOP, START or HELP as they stand: a list in many languages that an operator can change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from event_stream_engine.errors import Conflict, Invalid
from event_stream_engine.messaging.model.replies.text import is_unspaced, join_letters, normalize, shorten_repeats

START_WORDS = frozenset({"start", "unstop"})
"""Twilio also takes YES; here a YES answers some question and is no consent to marketing."""

HELP_WORDS = frozenset({"help", "info"})
STOP_SYMBOLS = frozenset("🛑⛔🚫")
_AMBIGUOUS = frozenset({"end", "quit", "cancel"})
"""As a line of a longer reply they may end a sentence: `cancel` below an order is no opt-out."""

_UNSEEN = "\ufe0f\u200d\u200b\u2060"
LONGEST = 60
"""Characters of a keyword, and of a reply that is compared with the list."""

KEYWORDS_MAX = 500
Origin = Literal["required", "default", "added", "removed"]


class KeywordRequired(Conflict):
    """The law and Twilio take this word for an opt-out, so it stays."""

    code = "keyword_required"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One reply that means STOP. `word` is as it was written; `origin` is `removed` while it is taken out."""

    word: str
    language: str | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class _Defaults:
    keywords: Mapping[str, Keyword]
    fillers: tuple[str, ...]


@cache
def _defaults() -> _Defaults:
    keywords: dict[str, Keyword] = {}
    fillers: set[str] = set()
    lines = files(__package__).joinpath("keywords.txt").read_text("utf-8").splitlines()
    for line in (line for line in lines if line and not line.startswith("#")):
        language, kind, words = (part.strip() for part in line.split("|"))
        for word in (word.strip() for word in words.split(",")):
            if kind == "filler":
                fillers.add(normalize(word))
            else:
                keyword = Keyword(word, language, "required" if kind == "required" else "default")
                keywords.setdefault(normalize(word), keyword)
    return _Defaults(keywords, tuple(sorted(fillers, key=lambda filler: (-len(filler), filler))))


def default_keywords() -> Mapping[str, Keyword]:
    """By their normalized text."""
    return _defaults().keywords


class StopWords:
    """The words that count now: the defaults without those taken out, and those added."""

    def __init__(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        required = {text for text, keyword in default_keywords().items() if keyword.origin == "required"}
        self._words = (set(default_keywords()) - (set(removed) - required)) | set(added)

    def find(self, body: str) -> str | None:
        """The word, normalized, that the whole reply is, or its first line when a greeting or a signature is beside it:
        once or repeated, alone or with words of politeness; a stop sign counts as `stop`. None when there is none."""
        symbols = "".join(character for character in body if not character.isspace() and character not in _UNSEEN)
        if symbols and not symbols.strip("".join(STOP_SYMBOLS)):
            return "stop"
        return next((word for line in _lines(body) if (word := self._word(join_letters(normalize(line))))), None)

    def _word(self, text: str) -> str | None:
        for candidate in (text, shorten_repeats(text)):
            rest = _without(candidate, _defaults().fillers)
            words = rest.split()
            for whole in (candidate, rest, *words[:1]):
                if whole in self._words and (whole in (candidate, rest) or self._words.issuperset(words)):
                    return whole
        return None


def _lines(body: str) -> list[str]:
    """The whole reply if it is short, and of several lines the first or last if it is a word that the law names."""
    lines = [line for line in body.splitlines() if line.strip()]
    found = [body] if len(body) <= LONGEST else []
    if len(lines) > 1:
        ends = [line for line in (lines[0], lines[-1]) if len(line) <= LONGEST]
        found += [line for line in ends if _is_required(normalize(line))]
    return found


def _is_required(normalized: str) -> bool:
    keyword = default_keywords().get(normalized)
    return keyword is not None and keyword.origin == "required" and normalized not in _AMBIGUOUS


def _without(text: str, fillers: tuple[str, ...]) -> str:
    if is_unspaced(text):
        for filler in fillers:
            if is_unspaced(filler):
                text = text.replace(filler, "")
        return text.strip()
    padded = f" {text} "
    for filler in fillers:
        while f" {filler} " in padded:
            padded = padded.replace(f" {filler} ", " ")
    return padded.strip()


def checked_keyword(word: str) -> str:
    """The normalized text of a word that an operator adds or takes out. Raises `Invalid`."""
    normalized = join_letters(normalize(word))
    if not normalized or len(word) > LONGEST:
        raise Invalid.field("word", f"A keyword has 1 to {LONGEST} characters, with at least one letter or digit.")
    if normalized in START_WORDS | HELP_WORDS:
        raise Invalid.field("word", f"{word} already means START or HELP.")
    return normalized


def require_removable(normalized: str) -> None:
    """Raises `KeywordRequired`."""
    keyword = default_keywords().get(normalized)
    if keyword is not None and keyword.origin == "required":
        raise KeywordRequired(
            f"{keyword.word.upper()} is an opt-out for Twilio and under 47 CFR 64.1200(a)(10). It cannot be taken out."
        )
