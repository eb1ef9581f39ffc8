"""Words by which files say whether a person agreed, in the columns of consent and of opt-outs."""

import re
import unicodedata

from event_stream_engine.messaging.model.contacts import Consent

_NOISE = re.compile(r"[\W_]+")

_YES = frozenset(
    ("yes", "y", "true", "t", "1", "x", "on", "ja", "oui", "si", "sim", "tak", "evet", "da", "是", "はい", "نعم")
)
_NO = frozenset(
    ("no", "n", "false", "f", "0", "off", "nein", "nee", "non", "nao", "nie", "hayir", "否", "いいえ", "لا")
)
_CONSENTS: dict[str, Consent] = {
    **dict.fromkeys(("optin", "optedin", "subscribe", "subscribed", "granted", "consented", "agreed"), "opted_in"),
    **dict.fromkeys(("accepted", "confirmed", "active"), "opted_in"),
    **dict.fromkeys(
        ("optout", "optedout", "unsubscribe", "unsubscribed", "denied", "declined", "refused"), "opted_out"
    ),
    **dict.fromkeys(("revoked", "withdrawn", "blocked", "dnd", "donotdisturb", "donotcontact", "none"), "opted_out"),
    **dict.fromkeys(("stop", "stopped", "stopall"), "stopped"),
    **dict.fromkeys(("unknown", "pending", "neverasked"), "unknown"),
}
_NEGATED = re.compile(
    r"(not?|non|never|dont|donot)(opted|optin|subscribed|subscriber|consented|granted|agreed|accepted).*"
)


def consent_said(written: str) -> Consent | None:
    """What a cell of a column of consent says; None when it is not understood."""
    word = _folded(written)
    if word in _YES:
        return "opted_in"
    if word in _NO or _NEGATED.fullmatch(word):
        return "opted_out"
    return _CONSENTS.get(word)


def opt_out_said(written: str) -> bool | None:
    """Whether a cell of a column of opt-outs says that the person opted out; None when it is not understood."""
    word = _folded(written)
    if word in _YES or _CONSENTS.get(word) in ("opted_out", "stopped"):
        return True
    if word in _NO or _CONSENTS.get(word) == "opted_in":
        return False
    return None


def _folded(written: str) -> str:
    plain = unicodedata.normalize("NFKD", written).casefold()
    return _NOISE.sub("", "".join(c for c in plain if not unicodedata.combining(c)))
