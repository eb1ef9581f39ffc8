"""What of a person is shown to whom: all of it with `contacts:reveal`, otherwise enough to tell people apart."""

import re
from typing import Any

from event_stream_engine.messaging.model.contacts import masked

HIDDEN = "•••"

_PHONE = re.compile(r"(?<![\w+-])\+?[0-9]{7,15}(?![\w-])")
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"',;]+")
_PERSONAL = frozenset(
    {"attributes", "body", "display_name", "email", "from", "from_", "phone", "row", "stated", "text", "to"}
)


def scrubbed(text: str) -> str:
    """The text with the phone numbers in it masked and e-mail addresses hidden."""
    return _EMAIL.sub(HIDDEN, _PHONE.sub(lambda found: masked(found[0]), text))


def looks_personal(text: str) -> bool:
    """Whether it holds a phone number or an e-mail address."""
    return bool(_PHONE.search(text) or _EMAIL.search(text))


def hidden(value: Any, name: str = "") -> Any:
    """A JSON value without what it says of a person: fields named like it, and numbers and addresses anywhere."""
    if isinstance(value, dict):
        return {key: hidden(item, name if name in _PERSONAL else str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [hidden(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if name == "phone":
        return masked(value)
    return HIDDEN if name in _PERSONAL and value else scrubbed(value)
