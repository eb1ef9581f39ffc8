"""Words by which files say whether a person agreed, in the columns of consent and of opt-outs."""

import re
import unicodedata
from functools import lru_cache

from event_stream_engine.messaging.model.contacts import Consent

_NOISE = re.compile(r"[\W_]+")

_YES = frozenset((
    "yes", "y", "true", "t", "1", "x", "on", "checked", "ja", "oui", "si", "sim", "tak", "evet", "da", "да", "ano",
    "예", "是", "はい", "نعم",
))  # fmt: skip
_NO = frozenset((
    "no", "n", "false", "f", "0", "off", "unchecked", "nein", "nee", "non", "nao", "nie", "hayir", "nej", "нет", "ne",
    "ei", "아니요", "否", "いいえ", "لا",
))  # fmt: skip
_CONSENTS: dict[str, Consent] = {
    **dict.fromkeys(("optin", "optedin", "subscribe", "subscribed", "granted", "consented", "agreed"), "opted_in"),
    **dict.fromkeys(("accepted", "confirmed"), "opted_in"),
    **dict.fromkeys(
        ("optout", "optedout", "unsubscribe", "unsubscribed", "denied", "declined", "refused"), "opted_out"
    ),
    **dict.fromkeys(("revoked", "withdrawn", "blocked", "dnd", "donotdisturb", "donotcontact", "none"), "opted_out"),
    **dict.fromkeys(("stop", "stopped", "stopall"), "stopped"),
    **dict.fromkeys(("unknown", "pending", "neverasked"), "unknown"),
}
_NOTHING = frozenset(("none", "null", "nan", "na", "nil"))
"""What programs write into an empty cell."""

_DECIMAL = re.compile(r"\.0+$")
_DATE_LIKE = re.compile(r".*\d{4}.*[-/.:T ].*\d.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*|\d{10,13}")
_OUT = re.compile(r"(optedout|unsubscribed|optout|stopped|blocked|revoked|withdrawn).*")
_NOT_OUT = re.compile(r"(not|never|non)(optedout|unsubscribed|optout|stopped|blocked).*")
_NEGATED = re.compile(
    r"(not?|non|never|dont|donot)(optedin|optin|subscribed|subscriber|consented|granted|agreed|accepted).*"
)


@lru_cache(maxsize=1024)
def consent_said(written: str) -> Consent | None:
    """What a cell of a column of consent says; None when it is not understood."""
    word = _folded(written)
    if word in _CONSENTS:
        return _CONSENTS[word]
    if word in _YES:
        return "opted_in"
    if word in _NO or _NEGATED.fullmatch(word) or _OUT.fullmatch(word):
        return "opted_out"
    return None


@lru_cache(maxsize=1024)
def opt_out_said(written: str) -> bool | None:
    """Whether a cell of a column of opt-outs says that the person opted out, in a word or by its date; None when it is
    not understood."""
    word = _folded(written)
    if not word or word in _NO or word in _NOTHING or _CONSENTS.get(word) == "opted_in":
        return False
    if _NOT_OUT.fullmatch(word):
        return False
    if word in _YES or _OUT.fullmatch(word) or _CONSENTS.get(word) in ("opted_out", "stopped"):
        return True
    return True if _DATE_LIKE.fullmatch(written.strip()) else None


def _folded(written: str) -> str:
    plain = unicodedata.normalize("NFKD", _DECIMAL.sub("", written.strip())).casefold().replace("ı", "i")
    return _NOISE.sub("", "".join(c for c in plain if not unicodedata.combining(c)))
