"""What the platform's mails say. Plain text; nothing secret but the links."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlencode

RESET_PATH = "/reset-password/link"
CONFIRM_PATH = "/confirm-email/link"

Notice = Literal[
    "password_changed", "email_changed", "email_change_asked", "two_step_on", "two_step_off", "token_reused", "alert"
]
Kind = Literal["password_reset", "email_confirm"] | Notice
NOTICES: frozenset[str] = frozenset(get_args(Notice))

_NOT_YOU = "If this was not you, reset your password and ask an admin of the platform to look at the audit trail."

_TEXTS: dict[str, tuple[str, str]] = {
    "password_reset": (
        "Set a new password",
        "Somebody asked for a new password for this address. This link works once, within 30 minutes:\n\n"
        "{link}\n\nIf it was not you, do nothing: your password stays as it is.",
    ),
    "password_changed": ("Your password was changed", f"All other sessions were ended.\n\n{_NOT_YOU}"),
    "email_confirm": (
        "Confirm your email address",
        "Somebody wants to sign in to the platform with this address from now on. This link works once, within 24 "
        "hours:\n\n{link}\n\nIf it was not you, do nothing: nothing changes.",
    ),
    "email_change_asked": (
        "A new email address was asked for",
        "Your account is to have another email address. It stays as it is until the new one is confirmed.\n\n"
        "If this was not you, change your password now: that cancels it. Ask an admin to look at the audit trail.",
    ),
    "email_changed": ("Your email address was changed", f"You no longer sign in with this address.\n\n{_NOT_YOU}"),
    "two_step_on": ("Two-step sign-in is on", f"From now on a sign-in needs a code as well.\n\n{_NOT_YOU}"),
    "two_step_off": ("Two-step sign-in is off", f"From now on the password is enough.\n\n{_NOT_YOU}"),
    "alert": ("{subject}", "{text}"),
    "token_reused": (
        "A session was ended for safety",
        "A copy of a session's key was used ({device}). The session was ended, whoever held it.\n\n"
        "It can happen when a browser is restored from a backup. If you cannot explain it, change your password.",
    ),
}


@dataclass(frozen=True)
class Letter:
    """A mail's subject and its text."""

    subject: str
    text: str


def compose(kind: Kind, detail: Mapping[str, Any], origin: str) -> Letter:
    """`detail`: `token` of a link, `device` of a session, `subject` and `text` of an alert."""
    subject, text = _TEXTS[kind]
    path = CONFIRM_PATH if kind == "email_confirm" else RESET_PATH
    link = f"{origin}{path}?{urlencode({'token': detail.get('token', '')})}"
    said = {"device": "unknown device", "subject": "", "text": "", **detail, "link": link}
    return Letter(f"{subject.format(**said)} · Event Stream Engine", f"{text.format(**said)}\n\n{origin}\n")
