"""Accounts, their rules and their errors."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from event_stream_engine.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests, Unauthorized
from event_stream_engine.permissions import Role

PASSWORD_MIN = 12
PASSWORD_MAX = 200
PASSWORD_SCORE_MIN = 2
"""zxcvbn's scale: 0 and 1 fall to fewer than 10^6 guesses from lists of common passwords, names and patterns."""
_PASSWORD_JUDGED = 72  # characters; the estimate's time grows with the square
# A browser that opens two tabs refreshes twice with the same token; within this window both get an answer.
REFRESH_GRACE_SECONDS = 20


@dataclass(frozen=True)
class Account:
    """A person who may sign in. The first admin has neither email address nor password until they set them."""

    id: UUID
    email: str | None
    display_name: str
    role: Role
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None = None
    mfa_enabled_at: datetime | None = None

    @property
    def mfa_enabled(self) -> bool:
        """Whether a sign-in by password needs a second step."""
        return self.mfa_enabled_at is not None

    @property
    def status(self) -> Literal["active", "disabled"]:
        return "active" if self.disabled_at is None else "disabled"


SignInMethod = Literal["password", "password_and_code", "password_and_backup_code", "link"]
EndReason = Literal[
    "signed_out", "ended", "ended_by_admin", "token_reused", "password_changed", "password_reset", "account_disabled"
]


@dataclass(frozen=True)
class Visitor:
    """Where a sign-in comes from: the device in words, the network address masked."""

    device: str = "Unknown device"
    address: str = "unknown"


@dataclass(frozen=True)
class Session:
    """A sign-in, from its first token to its end. `seen_at`: when the person confirmed an end by `token_reused`."""

    id: UUID
    account_id: UUID
    method: SignInMethod
    device: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    ended_reason: EndReason | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True)
class EmailChange:
    """An address that an account asked for and whose mailbox has not answered yet; the old one stays meanwhile."""

    account_id: UUID
    email: str
    asked_at: datetime
    expires_at: datetime


class WrongCredentials(Unauthorized):
    code = "wrong_credentials"
    title = "The email address or the password is wrong"


class WrongPassword(WrongCredentials):
    """The account is known; the password given beside the change is not its own."""

    title = "The current password is wrong"


class AccountDisabled(WrongCredentials):
    """The password is right; the account may not sign in."""

    title = "This account is disabled"


class TooManySignIns(TooManyRequests):
    """Failed sign-ins came too fast."""

    code = "too_many_sign_ins"
    title = "Too many sign-ins failed"


class SessionEnded(Unauthorized):
    code = "session_ended"


class SessionNotFound(NotFound):
    code = "session_not_found"


class TokenReused(SessionEnded):
    """A refresh token that had been replaced came again: two parties hold it, so nobody goes on with it."""

    code = "token_reused"
    title = "This session was ended for safety"

    def __init__(self, detail: str, account_id: UUID) -> None:
        super().__init__(detail)
        self.account_id = account_id


class WrongCode(WrongCredentials):
    """Neither the authenticator's code nor an unused backup code; or a code that was used already."""

    code = "wrong_code"
    title = "The code is wrong"


class ChallengeEnded(Unauthorized):
    """The second step came too late, or the challenge was used."""

    code = "challenge_ended"
    title = "The second step took too long"


class TwoStepState(Conflict):
    """Two-step sign-in is already on, or is not on."""

    code = "two_step_state"


class LinkEnded(Conflict):
    code = "link_ended"
    title = "This link was used or has expired"


class MailNotConfigured(Conflict):
    code = "mail_not_configured"
    title = "This platform cannot send email"


class EmailTaken(Conflict):
    code = "email_taken"


class AccountNotFound(NotFound):
    code = "account_not_found"


class LastAdmin(Conflict):
    code = "last_admin"


class RegistrationClosed(Forbidden):
    code = "registration_closed"


def checked_email(email: str) -> str:
    """The address in lower case. Raises `Invalid` for what cannot be one; only a mail proves that it is."""
    address = email.strip().lower()
    if len(address) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
        raise Invalid.field("email", "Write an email address such as ana@example.com.")
    return address


def checked_password(password: str, *about: str | None) -> str:
    """Length, and not what is guessed first (NIST SP 800-63B, 5.1.1.2); no rule on kinds of characters.

    `about`: the person's own words, such as their email address. Takes milliseconds of CPU. Raises `Invalid`.
    """
    from zxcvbn import zxcvbn  # its word lists take 12 MB, and passwords are seldom chosen

    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Invalid.field("password", f"Use {PASSWORD_MIN} to {PASSWORD_MAX} characters.")
    words = [part for text in about if text for part in (text, *re.split(r"[@.\s]+", text)) if len(part) > 2]
    judged = zxcvbn(password[:_PASSWORD_JUDGED], user_inputs=[*words, "event stream engine"])
    if judged["score"] < PASSWORD_SCORE_MIN:
        raise Invalid.field("password", "This password is soon guessed. A few unrelated words do well.")
    return password


def digest(token: str) -> str:
    """A random token of 80 bits or more needs no slow hash; stored hashed, a leaked table opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
