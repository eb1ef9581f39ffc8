"""What a person wants who writes to us: no more messages, messages again, help, or something else.

The provider's own verdict counts first, then a button, then the list of keywords; free words are judged by their
wording. What is likely an opt-out counts as one at once. What may be one counts as one, too, until a person has
looked at it: a message too few does less harm than one too many.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from event_stream_engine.messaging.model.replies.keywords import HELP_WORDS, START_WORDS, StopWords, default_keywords
from event_stream_engine.messaging.model.replies.text import normalize
from event_stream_engine.messaging.model.replies.wording import opt_out_score

__all__ = ["CERTAIN", "DOUBTFUL", "Basis", "InboundKind", "Reading", "StopWords", "read_reply"]

InboundKind: TypeAlias = Literal["stop", "start", "help", "text", "media", "empty"]
Basis: TypeAlias = Literal["provider", "button", "keyword", "wording"]

CERTAIN = 0.6
"""From this score on, wording counts as an opt-out without a review."""

DOUBTFUL = 0.15
"""From this score on, a reply suppresses its writer until a person has decided."""

_PROVIDER: dict[str, InboundKind] = {"STOP": "stop", "START": "start", "HELP": "help"}
_IN_DOUBT = {"t": 0.5}
"""Chinese carriers ask to reply T to unsubscribe; elsewhere it is a slip or a name."""

_AFFIRMATIONS = frozenset({"yes", "y"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply means. `basis`: what decided for `stop`, `start` or `help`; `score`: how likely its wording is an
    opt-out (0 to 1), None where wording was not asked; `needs_review`: a person should confirm the opt-out;
    `language`: of the keyword, where one decided."""

    kind: InboundKind
    basis: Basis | None = None
    score: float | None = None
    needs_review: bool = False
    language: str | None = None


def read_reply(
    body: str,
    stop_words: StopWords,
    *,
    button: str | None = None,
    opt_out_type: str | None = None,
    has_media: bool = False,
) -> Reading:
    """What the writer wants. `button`: the payload of a quick reply; `opt_out_type`: Twilio's verdict."""
    verdict = _PROVIDER.get((opt_out_type or "").upper())
    if verdict == "start" and normalize(body) in _AFFIRMATIONS:
        verdict = None  # Twilio lifts its own block for YES; to us it answers a question that was asked
    if verdict is not None:
        return Reading(verdict, "provider")
    return (
        (_by_keyword(button, stop_words, "button") if button else None)
        or _by_keyword(body, stop_words, "keyword")
        or _by_wording(body, has_media=has_media)
    )


def _by_keyword(body: str, stop_words: StopWords, basis: Basis) -> Reading | None:
    if stop_word := stop_words.find(body):
        keyword = default_keywords().get(stop_word)
        return Reading("stop", basis, language=keyword.language if keyword else None)
    word = normalize(body)
    if word in START_WORDS:
        return Reading("start", basis)
    return Reading("help", basis) if word in HELP_WORDS else None


def _by_wording(body: str, *, has_media: bool) -> Reading:
    score = _IN_DOUBT.get(normalize(body)) or round(opt_out_score(body), 4)
    if score >= DOUBTFUL:
        return Reading("stop", "wording", score, needs_review=score < CERTAIN)
    if has_media:
        return Reading("media", score=score)
    return Reading("text" if body.strip() else "empty", score=score)
